"""One object of each kind that local mode serves, at its plainest: no labels, unnamed ports, no selector,
no status. What clients print of these must hold.
"""

from __future__ import annotations

_SLEEP = "{containers: [{name: c, image: tool, command: [sleep, '600']}]}"
_DONE = "{restartPolicy: Never, containers: [{name: c, image: tool, command: ['true']}]}"
_FAIL = "{restartPolicy: Never, containers: [{name: c, image: tool, command: ['false']}]}"
_NEVER = "{timezone: UTC, start: 0 0 1 1 *, end: 1 0 1 1 *, desiredReplicas: '1'}"


def plain_objects(namespace: str) -> str:
    """The manifest; what has a namespace goes to kubectl's own."""
    return f"""
apiVersion: v1
kind: Namespace
metadata: {{name: {namespace}}}
---
apiVersion: v1
kind: Node
metadata: {{name: elsewhere}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: disk}}
spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {{name: own}}
spec:
  accessModes: [ReadWriteOnce]
  capacity: {{storage: 1Gi}}
  storageClassName: of-nobody
  hostPath: {{path: /tmp}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template: {{metadata: {{labels: {{app: web}}}}, spec: {_SLEEP}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: held}}
spec:
  strategy: {{type: Recreate}}
  selector: {{matchLabels: {{app: held}}}}
  template:
    metadata: {{labels: {{app: held}}}}
    spec: {{containers: [{{name: c, image: nothing.example/known}}]}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: rows}}
spec:
  serviceName: rows
  selector: {{matchLabels: {{app: rows}}}}
  template: {{metadata: {{labels: {{app: rows}}}}, spec: {_SLEEP}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: each}}
spec:
  selector: {{matchLabels: {{app: each}}}}
  template: {{metadata: {{labels: {{app: each}}}}, spec: {_SLEEP}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {{name: yearly}}
spec: {{schedule: 0 0 1 1 *, jobTemplate: {{spec: {{template: {{spec: {_DONE}}}}}}}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: shop}}
spec: {{defaultBackend: {{service: {{name: nobody, port: {{number: 80}}}}}}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: all}}
spec: {{podSelector: {{}}}}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {{name: slow}}
provisioner: nobody.example/slow
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {{name: first}}
value: 7
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {{name: v1.plain.example}}
spec:
  group: plain.example
  version: v1
  groupPriorityMinimum: 100
  versionPriority: 100
  service: {{name: none, namespace: default}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {{name: looks}}
webhooks:
- name: looks.plain.example
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Ignore
  clientConfig: {{url: "https://127.0.0.1:9/looks"}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {{name: changes}}
webhooks: []
---
apiVersion: v1
kind: LimitRange
metadata: {{name: bounds}}
spec: {{limits: [{{type: Container, default: {{cpu: 100m}}}}]}}
---
apiVersion: v1
kind: ResourceQuota
metadata: {{name: least}}
spec: {{hard: {{pods: "50"}}}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {{name: none}}
spec:
  replicas: 0
  selector: {{matchLabels: {{app: none}}}}
  template: {{metadata: {{labels: {{app: none}}}}, spec: {_SLEEP}}}
---
apiVersion: batch/v1
kind: Job
metadata: {{name: done}}
spec: {{template: {{spec: {_DONE}}}}}
---
apiVersion: batch/v1
kind: Job
metadata: {{name: failed}}
spec: {{backoffLimit: 0, template: {{spec: {_FAIL}}}}}
---
apiVersion: batch/v1
kind: Job
metadata: {{name: indexed}}
spec: {{completions: 2, completionMode: Indexed, template: {{spec: {_DONE}}}}}
---
apiVersion: batch/v1
kind: Job
metadata: {{name: waiting}}
spec: {{suspend: true, template: {{spec: {_DONE}}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: alone}}
spec: {_SLEEP}
---
apiVersion: v1
kind: Pod
metadata: {{name: gated}}
spec: {{schedulingGates: [{{name: example.org/wait}}], containers: [{{name: c, image: tool}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: storing}}
spec:
  containers:
  - {{name: c, image: tool, command: [sleep, '600'], resources: {{limits: {{cpu: 50m, memory: 64Mi}}}}}}
  volumes: [{{name: v, persistentVolumeClaim: {{claimName: disk}}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{ports: [{{port: 8080}}], selector: {{app: web}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: unselected}}
spec: {{ports: [{{port: 8080}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: headless}}
spec: {{clusterIP: None, selector: {{app: web}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: alias}}
spec: {{type: ExternalName, externalName: example.org}}
---
apiVersion: v1
kind: Service
metadata: {{name: outward}}
spec: {{type: NodePort, ports: [{{port: 8080}}], selector: {{app: web}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: balanced}}
spec: {{type: LoadBalancer, ports: [{{port: 8080}}], selector: {{app: web}}}}
---
apiVersion: v1
kind: Endpoints
metadata: {{name: unselected}}
subsets: [{{addresses: [{{ip: 10.9.8.7}}], ports: [{{port: 1}}]}}, {{notReadyAddresses: [{{ip: 10.9.8.6}}]}}]
---
apiVersion: v1
kind: Endpoints
metadata: {{name: empty}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: unselected, labels: {{kubernetes.io/service-name: unselected}}}}
addressType: IPv4
endpoints: [{{addresses: [10.9.8.7]}}]
ports: [{{port: 1}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: empty}}
addressType: IPv4
endpoints: []
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: empty}}
---
apiVersion: v1
kind: Secret
metadata: {{name: empty}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: worker}}
---
apiVersion: v1
kind: Event
metadata: {{name: bare}}
involvedObject: {{kind: Pod, name: alone, namespace: {namespace}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{name: bare}}
spec: {{maxReplicas: 3, scaleTargetRef: {{apiVersion: apps/v1, kind: ReplicaSet, name: none}}}}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {{name: empty}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: empty}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: empty}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: empty}}
roleRef: {{kind: Role, name: empty, apiGroup: rbac.authorization.k8s.io}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: empty}}
roleRef: {{kind: ClusterRole, name: empty, apiGroup: rbac.authorization.k8s.io}}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {{name: bare}}
spec: {{scaleTargetRef: {{name: held}}, minReplicaCount: 1, triggers: [{{type: cron, metadata: {_NEVER}}}]}}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledJob
metadata: {{name: bare}}
spec: {{jobTargetRef: {{template: {{spec: {_DONE}}}}}, triggers: [{{type: cron, metadata: {_NEVER}}}]}}
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata: {{name: empty}}
spec: {{}}
---
apiVersion: keda.sh/v1alpha1
kind: ClusterTriggerAuthentication
metadata: {{name: empty}}
spec: {{}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {{name: bare}}
spec: {{maxUnavailable: 1}}
---
apiVersion: eventing.keda.sh/v1alpha1
kind: CloudEventSource
metadata: {{name: told}}
spec: {{destination: {{http: {{uri: 'http://127.0.0.1:9/'}}}}}}
---
apiVersion: eventing.keda.sh/v1alpha1
kind: ClusterCloudEventSource
metadata: {{name: told}}
spec: {{destination: {{http: {{uri: 'http://127.0.0.1:9/'}}}}}}
"""
