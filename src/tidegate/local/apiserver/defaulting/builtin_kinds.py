"""What the API fills in where a built-in object is silent: one function per kind, in place, pure.

Only what the published documents do not say is written here, by hand; a second application changes
nothing. Source: Kubernetes API reference and `pkg/apis/*/v1/defaults.go`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from tidegate.local.apiserver.defaulting.pod_spec import fill, pod_only, pod_spec
from tidegate.local.apiserver.defaulting.policies import (
    ingress,
    limit_range,
    network_policy,
    priority_class,
    resource_quota,
    storage_class,
)
from tidegate.local.apiserver.defaulting.qos import qos_class
from tidegate.local.apiserver.defaulting.workloads import (
    canonical_quantities,
    claim_spec,
    cron_job,
    daemon_set,
    deployment,
    job,
    new_daemon_set,
    new_job,
    replica_set,
    stateful_set,
)
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.objects import CLAIM_IN_USE, VOLUME_IN_USE, Object

_RBAC = "rbac.authorization.k8s.io"
_GATED = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "SchedulingGated",
    "message": "Scheduling is blocked due to non-empty scheduling gates",
}


def apply_defaults(kind: Kind, body: Object, *, is_new: bool = True) -> None:
    """Fills the defaults into a well-typed built-in object that already has its metadata.

    What a new one is given and keeps (a Job's selector, a Pod's account) no later one is given again: a body
    without it is another object.
    """
    for complete in (_BY_KEY.get(kind.key), _BY_KEY_ONCE.get(kind.key) if is_new else None):
        if complete is not None:
            complete(body)


def _pod(body: Object) -> None:
    spec = body.setdefault("spec", {})
    pod_spec(spec)
    pod_only(spec)
    status = body.setdefault("status", {})
    fill(status, "phase", "Pending")
    status.setdefault("qosClass", qos_class(spec))
    if spec.get("schedulingGates"):
        status.setdefault("conditions", [dict(_GATED)])


def _new_pod(body: Object) -> None:
    spec = body["spec"]
    if not spec.get("serviceAccountName"):
        spec["serviceAccountName"] = spec["serviceAccount"] = "default"


def _hpa(body: Object) -> None:
    spec = body.setdefault("spec", {})
    spec.setdefault("minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    for metric in spec["metrics"]:
        for source in metric.values():
            if isinstance(source, dict):
                canonical_quantities(source.get("target") or {}, "value", "averageValue")
    fill_behavior(spec)
    body.setdefault("status", {}).setdefault("desiredReplicas", 0)


def fill_behavior(spec: dict[str, Any]) -> None:
    """Fills the defaults into the `behavior` of an HPA's spec, where there is one."""
    behavior = spec.get("behavior")
    if behavior is None:
        return
    for direction in behavior.values():
        canonical_quantities(direction, "tolerance")
    whole = {"type": "Percent", "value": 100, "periodSeconds": 15}
    up = behavior.setdefault("scaleUp", {})
    up.setdefault("stabilizationWindowSeconds", 0)
    up.setdefault("selectPolicy", "Max")
    up.setdefault("policies", [{"type": "Pods", "value": 4, "periodSeconds": 15}, dict(whole)])
    down = behavior.setdefault("scaleDown", {})
    down.setdefault("selectPolicy", "Max")
    down.setdefault("policies", [dict(whole)])


def _service(body: Object) -> None:
    spec = body.setdefault("spec", {})
    fill(spec, "type", "ClusterIP")
    fill(spec, "sessionAffinity", "None")
    for port in spec.get("ports") or ():
        fill(port, "protocol", "TCP")
        fill(port, "targetPort", port.get("port"))
    if spec["type"] != "ExternalName":
        spec.setdefault("internalTrafficPolicy", "Cluster")
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        fill(spec, "externalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        spec.setdefault("allocateLoadBalancerNodePorts", True)
    if spec["sessionAffinity"] == "ClientIP":
        client = spec.setdefault("sessionAffinityConfig", {}).setdefault("clientIP", {})
        client.setdefault("timeoutSeconds", 10_800)
    body.setdefault("status", {}).setdefault("loadBalancer", {})


def _endpoints(body: Object) -> None:
    for subset in body.get("subsets") or ():
        for port in subset.get("ports") or ():
            fill(port, "protocol", "TCP")


def _endpoint_slice(body: Object) -> None:
    for port in body.get("ports") or ():
        # kubectl describe reads the name of every port without looking whether there is one.
        port.setdefault("name", "")
        fill(port, "protocol", "TCP")
    for endpoint in body.get("endpoints") or ():
        endpoint.setdefault("conditions", {})


def _secret(body: Object) -> None:
    fill(body, "type", "Opaque")
    plain = body.pop("stringData", None)
    if plain:
        encoded = {key: base64.b64encode(text.encode()).decode() for key, text in plain.items()}
        body["data"] = {**(body.get("data") or {}), **encoded}


def _event(body: Object) -> None:
    body.setdefault("source", {})
    for name in ("eventTime", "firstTimestamp", "lastTimestamp"):
        body.setdefault(name, None)
    for name in ("reportingComponent", "reportingInstance"):
        body.setdefault(name, "")


def _namespace(body: Object) -> None:
    meta = body["metadata"]
    meta["labels"] = {**(meta.get("labels") or {}), "kubernetes.io/metadata.name": meta["name"]}
    if "deletionTimestamp" not in meta:
        # A client may send `spec: {}`: without the finalizer the namespace would go before its content.
        body["spec"] = {"finalizers": ["kubernetes"], **(body.get("spec") or {})}
        body["status"] = {"phase": "Active", **(body.get("status") or {})}


def _claim(body: Object) -> None:
    spec = body.setdefault("spec", {})
    claim_spec(spec)
    if "deletionTimestamp" not in body["metadata"]:
        finalizers = body["metadata"].setdefault("finalizers", [])
        finalizers += [CLAIM_IN_USE] if CLAIM_IN_USE not in finalizers else []
    body.setdefault("status", {}).setdefault("phase", "Pending")


def _volume(body: Object) -> None:
    spec = body.setdefault("spec", {})
    fill(spec, "persistentVolumeReclaimPolicy", "Retain")
    spec.setdefault("volumeMode", "Filesystem")
    canonical_quantities(spec.get("capacity") or {}, "storage")
    if "hostPath" in spec:
        spec["hostPath"].setdefault("type", "")
    if "deletionTimestamp" not in body["metadata"]:
        finalizers = body["metadata"].setdefault("finalizers", [])
        finalizers += [VOLUME_IN_USE] if VOLUME_IN_USE not in finalizers else []
    body.setdefault("status", {}).setdefault("phase", "Pending")


def _crd(body: Object) -> None:
    spec = body.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = names.get("kind")
    if isinstance(kind, str) and kind:
        fill(names, "singular", kind.lower())
        fill(names, "listKind", f"{kind}List")
    spec.setdefault("conversion", {}).setdefault("strategy", "None")


def _role_ref(body: Object) -> None:
    if isinstance(body.get("roleRef"), dict):
        fill(body["roleRef"], "apiGroup", _RBAC)
    for subject in body.get("subjects") or ():
        if subject.get("kind") in ("User", "Group"):
            fill(subject, "apiGroup", _RBAC)


def _disruption_budget(body: Object) -> None:
    body.setdefault("spec", {})
    status = body.setdefault("status", {})
    for field in ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"):
        status.setdefault(field, 0)


_BY_KEY: dict[str, Callable[[Object], None]] = {
    "pods": _pod,
    "deployments.apps": deployment,
    "replicasets.apps": replica_set,
    "statefulsets.apps": stateful_set,
    "daemonsets.apps": daemon_set,
    "jobs.batch": job,
    "cronjobs.batch": cron_job,
    "horizontalpodautoscalers.autoscaling": _hpa,
    "services": _service,
    "endpoints": _endpoints,
    "endpointslices.discovery.k8s.io": _endpoint_slice,
    "secrets": _secret,
    "events": _event,
    "namespaces": _namespace,
    "persistentvolumeclaims": _claim,
    "persistentvolumes": _volume,
    "poddisruptionbudgets.policy": _disruption_budget,
    "ingresses.networking.k8s.io": ingress,
    "networkpolicies.networking.k8s.io": network_policy,
    "storageclasses.storage.k8s.io": storage_class,
    "priorityclasses.scheduling.k8s.io": priority_class,
    "limitranges": limit_range,
    "resourcequotas": resource_quota,
    "customresourcedefinitions.apiextensions.k8s.io": _crd,
    "rolebindings.rbac.authorization.k8s.io": _role_ref,
    "clusterrolebindings.rbac.authorization.k8s.io": _role_ref,
}
_BY_KEY_ONCE: dict[str, Callable[[Object], None]] = {
    "pods": _new_pod,
    "daemonsets.apps": new_daemon_set,
    "jobs.batch": new_job,
}
