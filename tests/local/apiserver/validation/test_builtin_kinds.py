from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tidegate.local.apiserver.defaulting.builtin_kinds import apply_defaults
from tidegate.local.apiserver.kinds import BUILT_IN, Kind
from tidegate.local.apiserver.validation import builtin_kinds, fields, immutable_fields

KINDS = {kind.resource.kind: kind for kind in BUILT_IN if kind.fields_key == kind.key}
META = {"name": "it", "namespace": "default", "uid": "u-1"}


def copied(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


def complete(kind: str, **parts: Any) -> tuple[Kind, dict[str, Any]]:
    """An object as validation sees it: well-typed and defaulted."""
    body = copied({"metadata": META, **parts})
    findings = fields.prune(KINDS[kind], body)
    assert not findings.unknown
    assert not findings.problems
    apply_defaults(KINDS[kind], body)
    return KINDS[kind], body


def paths(kind: str, **parts: Any) -> list[str]:
    return [problem.path for problem in builtin_kinds.problems(*complete(kind, **parts))]


def container(**fields: Any) -> dict[str, Any]:
    return {"name": "main", "image": "redis:7", **fields}


def pod_paths(**spec: Any) -> list[str]:
    """The problems' paths in a pod's spec, without their prefix."""
    whole = {"containers": [container()], **spec}
    return [path.removeprefix("spec.").removeprefix("containers[0].") for path in paths("Pod", spec=whole)]


def knowing(**source: Any) -> dict[str, Any]:
    return {"env": [{"name": "A", "valueFrom": source}]}


def field(path: str) -> dict[str, Any]:
    return {"fieldRef": {"fieldPath": path}}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (knowing(**field("status.podIPs")), ""),
        (knowing(**field("metadata.labels['a/b']")), ""),
        (knowing(**field("metadata.labels")), "fieldRef.fieldPath"),
        (knowing(**field("status.phase")), "fieldRef.fieldPath"),
        (knowing(**field("metadata.labels['a b']")), "fieldRef.fieldPath"),
        (knowing(resourceFieldRef={"resource": "limits.cpu"}), ""),
        (knowing(resourceFieldRef={"resource": "limits.disk"}), "resourceFieldRef.resource"),
    ],
)
def test_a_variable_may_hold_some_fields_of_the_pod(fields: dict[str, Any], expected: str) -> None:
    found = [path.removeprefix("env[0].valueFrom.") for path in pod_paths(containers=[container(**fields)])]
    assert found == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"path": "a/b", **field("metadata.labels")}, []),
        ({"path": "a", **field("metadata.annotations['x']")}, []),
        ({"path": "a", **field("status.podIP")}, [".fieldRef.fieldPath"]),
        ({"path": "../a", **field("metadata.uid")}, [".path"]),
        ({"path": "a"}, [""]),
        ({"path": "a", "resourceFieldRef": {"resource": "limits.cpu"}}, [".resourceFieldRef.containerName"]),
        ({"path": "a", "resourceFieldRef": {"resource": "limits.cpu", "containerName": "main"}}, []),
    ],
)
@pytest.mark.parametrize("is_projected", [False, True])
def test_a_file_may_hold_others(item: dict[str, Any], expected: list[str], is_projected: bool) -> None:
    source = {"downwardAPI": {"items": [item]}}
    volume = {"name": "v", **({"projected": {"sources": [source]}} if is_projected else source)}
    prefix = "volumes[0].projected.sources[0]." if is_projected else "volumes[0]."
    found = [path.removeprefix(f"{prefix}downwardAPI.items[0]") for path in pod_paths(volumes=[volume])]
    assert found == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"lifecycle": {"preStop": {"sleep": {"seconds": 1}}}}, ["lifecycle"]),
        ({"readinessProbe": {"grpc": {"port": 1}}}, ["readinessProbe"]),
        ({"restartPolicy": "Always", "readinessProbe": {"grpc": {"port": 1}}}, []),
        ({"restartPolicy": "OnFailure"}, ["restartPolicy"]),
    ],
)
def test_only_sidecars_among_init_containers_have_hooks_and_probes(
    fields: dict[str, Any], expected: list[str]
) -> None:
    found = pod_paths(initContainers=[{"name": "i", "image": "x", **fields}])
    assert [path.removeprefix("initContainers[0].") for path in found] == expected


SOURCE = {"secretKeyRef": {"name": "s", "key": "k"}}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        ({"name": "Main"}, ["name"]),
        ({"image": ""}, ["image"]),
        ({"imagePullPolicy": "Sometimes"}, ["imagePullPolicy"]),
        (
            {"ports": [{"containerPort": 0}, {"containerPort": 65536}]},
            ["ports[0].containerPort", "ports[1].containerPort"],
        ),
        (
            {"ports": [{"containerPort": 1, "name": "a"}, {"containerPort": 2, "name": "a"}]},
            ["ports[1].name"],
        ),
        ({"ports": [{"protocol": "ICMP"}]}, ["ports[0].containerPort", "ports[0].protocol"]),
        ({"env": [{"value": "x"}]}, ["env[0].name"]),
        ({"env": [{"name": "A=B"}]}, ["env[0].name"]),
        ({"env": [{"name": "a.b-c_D"}, {"name": "A", "valueFrom": SOURCE}]}, []),
        ({"env": [{"name": "A", "value": "x", "valueFrom": SOURCE}]}, ["env[0].valueFrom"]),
        ({"env": [{"name": "A", "valueFrom": {}}]}, ["env[0].valueFrom"]),
        (
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s"}}}]},
            ["env[0].valueFrom.secretKeyRef.key"],
        ),
        ({"env": [{"name": "A", "valueFrom": {"fieldRef": {}}}]}, ["env[0].valueFrom.fieldRef.fieldPath"]),
        ({"envFrom": [{"secretRef": {"name": "s"}}, {}]}, ["envFrom[1]"]),
        ({"volumeMounts": [{"name": "v", "mountPath": "/x"}]}, ["volumeMounts[0].name"]),
        ({"resources": {"requests": {"cpu": "much"}}}, ["resources.requests[cpu]"]),
        ({"resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1500m"}}}, ["resources.requests"]),
        ({"resources": {"limits": {"cpu": 2}, "requests": {"cpu": "1500m"}}}, []),
        ({"livenessProbe": {"periodSeconds": -1}}, ["livenessProbe", "livenessProbe.periodSeconds"]),
        ({"livenessProbe": {"httpGet": {"port": "web"}}}, []),
        (
            {"livenessProbe": {"httpGet": {"port": 0}, "exec": {"command": ["x"]}}},
            ["livenessProbe.httpGet"],
        ),
        ({"lifecycle": {"preStop": {}}}, ["lifecycle.preStop"]),
        ({"lifecycle": {"preStop": {"sleep": {"seconds": 30}}}}, []),
        ({"lifecycle": {"preStop": {"sleep": {"seconds": 31}}}}, ["lifecycle.preStop.sleep.seconds"]),
        ({"lifecycle": {"postStart": {"exec": {}}}}, ["lifecycle.postStart.exec.command"]),
        (
            {"lifecycle": {"postStart": {"httpGet": {"port": 1, "scheme": "FTP"}}}},
            ["lifecycle.postStart.httpGet.scheme"],
        ),
        (
            {"livenessProbe": {"httpGet": {"port": 1, "httpHeaders": [{"name": "a b", "value": "c"}]}}},
            ["livenessProbe.httpGet.httpHeaders[0].name"],
        ),
        ({"livenessProbe": {"grpc": {"port": 0}}}, ["livenessProbe.grpc.port"]),
        (
            {"livenessProbe": {"grpc": {"port": 1}, "successThreshold": 2}},
            ["livenessProbe.successThreshold"],
        ),
        (
            {"startupProbe": {"grpc": {"port": 1}, "terminationGracePeriodSeconds": 0}},
            ["startupProbe.terminationGracePeriodSeconds"],
        ),
        (
            {"readinessProbe": {"grpc": {"port": 1}, "terminationGracePeriodSeconds": 9}},
            ["readinessProbe.terminationGracePeriodSeconds"],
        ),
        ({"readinessProbe": {"grpc": {"port": 1}, "successThreshold": 2}}, []),
        ({"restartPolicy": "Always"}, ["restartPolicy"]),
    ],
)
def test_what_can_be_wrong_with_a_container(fields: dict[str, Any], expected: list[str]) -> None:
    assert pod_paths(containers=[container(**fields)]) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"containers": []}, ["containers"]),
        ({"containers": [container(), container()]}, ["containers[1].name"]),
        ({"initContainers": [container()]}, ["initContainers[0].name"]),
        ({"restartPolicy": "Sometimes"}, ["restartPolicy"]),
        ({"volumes": [{"name": "v"}, {"name": "v"}]}, ["volumes[1].name"]),
        ({"volumes": [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}]}, ["volumes[0].hostPath"]),
        ({"volumes": [{"emptyDir": {}}]}, ["volumes[0].name"]),
        ({"volumes": [{"name": "v", "secret": {}}]}, ["volumes[0].secret.secretName"]),
        (
            {"volumes": [{"name": "v", "persistentVolumeClaim": {}}]},
            ["volumes[0].persistentVolumeClaim.claimName"],
        ),
    ],
)
def test_what_can_be_wrong_with_a_pod(spec: dict[str, Any], expected: list[str]) -> None:
    assert pod_paths(**spec) == expected


def template(restarts: str = "Always", **labels: str) -> dict[str, Any]:
    return {"metadata": {"labels": labels}, "spec": {"containers": [container()], "restartPolicy": restarts}}


WEB = {"selector": {"matchLabels": {"app": "web"}}, "template": template(app="web")}


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet"])
@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        ({"replicas": -1}, ["spec.replicas"]),
        ({"selector": {"matchLabels": {"app": "other"}}}, ["spec.template.metadata.labels"]),
        ({"selector": {"matchLabels": {"a b": "x"}}}, ["spec.selector.matchLabels", "spec.selector"]),
        (
            {"selector": {"matchExpressions": [{"key": "app", "operator": "In"}]}},
            ["spec.selector.matchExpressions[0].values", "spec.selector"],
        ),
        ({"template": template("Never", app="web")}, ["spec.template.spec.restartPolicy"]),
    ],
)
def test_what_can_be_wrong_with_pods_that_are_found_by_a_selector(
    kind: str, spec: dict[str, Any], expected: list[str]
) -> None:
    assert paths(kind, spec={**WEB, **spec}) == expected


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ({"type": "Recreate"}, []),
        ({"type": "Blue"}, ["type"]),
        ({"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}, ["rollingUpdate"]),
        ({"rollingUpdate": {"maxSurge": "1/3"}}, ["rollingUpdate.maxSurge"]),
        ({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}, ["rollingUpdate.maxUnavailable"]),
    ],
)
def test_what_can_be_wrong_with_a_deployments_strategy(strategy: Any, expected: list[str]) -> None:
    found = paths("Deployment", spec={**WEB, "strategy": strategy})
    assert [path.removeprefix("spec.strategy.") for path in found] == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        ({"template": template("Always")}, ["spec.template.spec.restartPolicy"]),
        ({"parallelism": -1, "backoffLimit": -1}, ["spec.parallelism", "spec.backoffLimit"]),
        ({"activeDeadlineSeconds": -1}, ["spec.activeDeadlineSeconds"]),
        ({"completionMode": "Indexed"}, []),
        ({"completionMode": "Indexed", "parallelism": 2}, ["spec.completions"]),
        ({"selector": {"matchLabels": {"a": "b"}}}, ["spec.selector"]),
        ({"selector": {"matchLabels": {"a": "b"}}, "manualSelector": True}, []),
    ],
)
def test_what_can_be_wrong_with_a_job(spec: dict[str, Any], expected: list[str]) -> None:
    assert paths("Job", spec={"template": template("Never"), **spec}) == expected


INDEXED = {"completionMode": "Indexed", "completions": 4}
CODES = {"operator": "In", "values": [3]}


def failing(*rules: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"podFailurePolicy": {"rules": list(rules)}, **spec}


def succeeding(*rules: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"successPolicy": {"rules": list(rules)}, **INDEXED, **spec}


RULE = "spec.podFailurePolicy.rules[0]"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (failing({"action": "Ignore", "onExitCodes": CODES}), []),
        (failing({"action": "Count", "onPodConditions": [{"type": "DisruptionTarget"}]}), []),
        (failing({"action": "Retry", "onExitCodes": CODES}), [f"{RULE}.action"]),
        (failing({"action": "FailIndex", "onExitCodes": CODES}), [f"{RULE}.action"]),
        (failing({"action": "FailIndex", "onExitCodes": CODES}, **INDEXED, backoffLimitPerIndex=1), []),
        (failing({"action": "FailJob"}), [RULE]),
        (failing({"action": "FailJob", "onExitCodes": CODES, "onPodConditions": [{"type": "X"}]}), [RULE]),
        (
            failing({"action": "FailJob", "onExitCodes": {"operator": "Is", "values": []}}),
            [f"{RULE}.onExitCodes.operator", f"{RULE}.onExitCodes.values"],
        ),
        (
            failing({"action": "FailJob", "onExitCodes": {"operator": "In", "values": [0, 3, 2, 3]}}),
            [f"{RULE}.onExitCodes.values", f"{RULE}.onExitCodes.values[0]", f"{RULE}.onExitCodes.values[3]"],
        ),
        (
            failing({"action": "FailJob", "onExitCodes": {**CODES, "containerName": "other"}}),
            [f"{RULE}.onExitCodes.containerName"],
        ),
        (
            failing({"action": "Ignore", "onExitCodes": CODES}, template=template("OnFailure")),
            ["spec.template.spec.restartPolicy"],
        ),
        (
            failing({"action": "Ignore", "onExitCodes": CODES}, podReplacementPolicy="TerminatingOrFailed"),
            ["spec.podReplacementPolicy"],
        ),
        ({"backoffLimitPerIndex": 1}, ["spec.backoffLimitPerIndex"]),
        ({"backoffLimitPerIndex": 1, "maxFailedIndexes": 4, **INDEXED}, []),
        ({"maxFailedIndexes": 1, **INDEXED}, ["spec.backoffLimitPerIndex"]),
        ({"backoffLimitPerIndex": 1, "maxFailedIndexes": 5, **INDEXED}, ["spec.maxFailedIndexes"]),
        (
            {"backoffLimitPerIndex": 1, "completionMode": "Indexed", "completions": 100_001},
            ["spec.maxFailedIndexes"],
        ),
        (succeeding({"succeededCount": 4}), []),
        (succeeding({"succeededIndexes": "0,2-3", "succeededCount": 3}), []),
        (succeeding({"succeededIndexes": "0,2-3", "succeededCount": 4}), ["succeededCount"]),
        (succeeding({"succeededCount": 5}), ["succeededCount"]),
        (succeeding({"succeededIndexes": "2-4"}), ["succeededIndexes"]),
        (succeeding({"succeededIndexes": "2,1"}), ["succeededIndexes"]),
        (succeeding({"succeededIndexes": "a"}), ["succeededIndexes"]),
        (succeeding({}), ["rules[0]"]),
        (succeeding(), ["rules"]),
        (succeeding({"succeededCount": 1}, completionMode="NonIndexed"), ["spec.successPolicy"]),
    ],
)
def test_what_can_be_wrong_with_the_policies_of_a_job(spec: dict[str, Any], expected: list[str]) -> None:
    found = paths("Job", spec={"template": template("Never"), **spec})
    prefix = "spec.successPolicy."
    assert [one.removeprefix(prefix).removeprefix("rules[0].") for one in found] == expected


def hpa(**spec: Any) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    return {"scaleTargetRef": target, "maxReplicas": 5, **spec}


def external(**target: Any) -> list[dict[str, Any]]:
    return [{"type": "External", "external": {"metric": {"name": "m"}, "target": target}}]


def source(type: str, field: str = "", /, **target: Any) -> list[dict[str, Any]]:
    """A metric of that type whose names are as they should be."""
    field = field or type[0].lower() + type[1:]
    named = {"name": "cpu"} if field.lower().endswith("resource") else {"metric": {"name": "m"}}
    if field == "containerResource":
        named["container"] = "app"
    if field == "object":
        named["describedObject"] = {"kind": "Service", "name": "s"}
    return [{"type": type, field: {**named, "target": target}}]


AVERAGE = {"type": "AverageValue", "averageValue": "5"}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        ({"scaleTargetRef": {}}, [f"scaleTargetRef.{one}" for one in ("kind", "name", "apiVersion")]),
        ({"scaleTargetRef": {"kind": "Deployment", "name": "web"}}, ["scaleTargetRef.apiVersion"]),
        ({"scaleTargetRef": {"apiVersion": "v1", "kind": "Pod", "name": "a"}}, ["scaleTargetRef.apiVersion"]),
        (
            {"scaleTargetRef": {"apiVersion": "a/b/c", "kind": "X", "name": "a"}},
            ["scaleTargetRef.apiVersion"],
        ),
        ({"scaleTargetRef": {"kind": "ReplicationController", "name": "web"}}, []),
        (
            {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "a%b", "name": ".."}},
            ["scaleTargetRef.kind", "scaleTargetRef.name"],
        ),
        ({"minReplicas": 6}, ["maxReplicas"]),
        ({"minReplicas": 0}, ["minReplicas", "metrics"]),
        ({"maxReplicas": None}, ["maxReplicas", "maxReplicas"]),
        ({"metrics": external(type="AverageValue", averageValue="5")}, []),
        ({"metrics": external(type="AverageValue")}, ["metrics[0].external.target.averageValue"]),
        (
            {"metrics": external(type="Utilization", averageUtilization=5)},
            ["metrics[0].external.target.averageValue"],
        ),
        ({"metrics": external(type="Utilization", averageValue="5")}, []),
        ({"metrics": external(type="Value", averageValue="5")}, []),
        ({"metrics": external(**AVERAGE, value="5")}, ["metrics[0].external.target.value"]),
        ({"metrics": external(type="Share", value="5")}, ["metrics[0].external.target.type"]),
        (
            {"metrics": external()},
            [f"metrics[0].external.target.{one}" for one in ("type", "type", "averageValue")],
        ),
        ({"metrics": source("Resource", type="AverageValue", averageUtilization=30)}, []),
        ({"metrics": source("Resource", type="Value", averageValue="1")}, []),
        ({"metrics": source("Resource", type="Utilization", averageUtilization=30, value="1")}, []),
        (
            {"metrics": source("Resource", **AVERAGE, averageUtilization=30)},
            ["metrics[0].resource.target.averageValue"],
        ),
        (
            {"metrics": source("Resource", type="Utilization", averageUtilization=0)},
            ["metrics[0].resource.target.averageUtilization"],
        ),
        (
            {"metrics": source("Resource", type="Utilization", value="1")},
            ["metrics[0].resource.target.averageUtilization"],
        ),
        ({"metrics": source("ContainerResource", **AVERAGE)}, []),
        (
            {"metrics": [{"type": "ContainerResource", "containerResource": {"target": AVERAGE}}]},
            [f"metrics[0].containerResource.{one}" for one in ("name", "container")],
        ),
        ({"metrics": source("Pods", **AVERAGE, value="1")}, []),
        ({"metrics": source("Pods", type="Value", value="1")}, ["metrics[0].pods.target.averageValue"]),
        ({"metrics": source("Object", **AVERAGE, value="1")}, []),
        (
            {"metrics": source("Object", type="Utilization", averageUtilization=1)},
            ["metrics[0].object.target.averageValue"],
        ),
        (
            {"metrics": [{"type": "Object", "object": {"metric": {"name": "m/x"}, "target": AVERAGE}}]},
            [f"metrics[0].object.{one}" for one in ("describedObject.kind", "describedObject.name")]
            + ["metrics[0].object.metric.name"],
        ),
        (
            {"metrics": [{**external(**AVERAGE)[0], **source("Pods", **AVERAGE)[0]}]},
            ["metrics[0].external"],
        ),
        ({"metrics": source("Pods", "external", **AVERAGE)}, ["metrics[0].pods"]),
        (
            {
                "metrics": [
                    {
                        "type": "External",
                        "external": {
                            "metric": {
                                "name": "m",
                                "selector": {"matchExpressions": [{"key": "a", "operator": "Like"}]},
                            },
                            "target": AVERAGE,
                        },
                    }
                ]
            },
            [],
        ),
        ({"metrics": external(type="Value", value="many")}, ["metrics[0].external.target.value"]),
        ({"metrics": external(type="Value", value="0")}, ["metrics[0].external.target.value"]),
        (
            {"metrics": external(type="AverageValue", averageValue="-1")},
            ["metrics[0].external.target.averageValue"],
        ),
        (
            {"metrics": external(type="AverageValue", averageValue="1", value="0")},
            ["metrics[0].external.target.value", "metrics[0].external.target.value"],
        ),
        ({"metrics": [{"type": "External"}]}, ["metrics[0].external"]),
        ({"metrics": [{"type": "Mood"}]}, ["metrics[0].type"]),
        ({"behavior": {"scaleDown": {}}}, []),
        (
            {"behavior": {"scaleUp": {"stabilizationWindowSeconds": 3601}}},
            ["behavior.scaleUp.stabilizationWindowSeconds"],
        ),
        (
            {"behavior": {"scaleDown": {"stabilizationWindowSeconds": -1}}},
            ["behavior.scaleDown.stabilizationWindowSeconds"],
        ),
        ({"behavior": {"scaleUp": {"policies": []}}}, ["behavior.scaleUp.policies"]),
        ({"behavior": {"scaleUp": {"selectPolicy": "Most"}}}, ["behavior.scaleUp.selectPolicy"]),
        ({"behavior": {"scaleUp": {"tolerance": "-0.1"}}}, ["behavior.scaleUp.tolerance"]),
        ({"behavior": {"scaleUp": {"tolerance": "2"}}}, []),
        (
            {"behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 0, "periodSeconds": 1801}]}}},
            ["behavior.scaleUp.policies[0].value", "behavior.scaleUp.policies[0].periodSeconds"],
        ),
    ],
)
def test_what_can_be_wrong_with_an_autoscaler(spec: dict[str, Any], expected: list[str]) -> None:
    found = paths("HorizontalPodAutoscaler", spec=hpa(**spec))
    assert [path.removeprefix("spec.") for path in found] == expected


def test_an_apiversion_that_an_older_server_took_is_held_against_nobody() -> None:
    kind, body = complete(
        "HorizontalPodAutoscaler", spec=hpa(scaleTargetRef={"kind": "Deployment", "name": "w"})
    )
    edited = {**body, "spec": {**body["spec"], "maxReplicas": 9}}
    assert [one.path for one in builtin_kinds.problems(kind, body)] == ["spec.scaleTargetRef.apiVersion"]
    assert builtin_kinds.problems(kind, edited, body) == []
    aimed = {**body["spec"], "scaleTargetRef": {"kind": "StatefulSet", "name": "w"}}
    other = builtin_kinds.problems(kind, {**body, "spec": aimed}, body)
    assert [one.path for one in other] == ["spec.scaleTargetRef.apiVersion"]


CLAIM = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


@pytest.mark.parametrize(
    ("kind", "parts", "expected"),
    [
        ("Service", {"spec": {}}, ["spec.ports"]),
        ("Service", {"spec": {"clusterIP": "None"}}, []),
        ("Service", {"spec": {"type": "ExternalName"}}, ["spec.externalName"]),
        (
            "Service",
            {"spec": {"ports": [{"port": 80}, {"port": 0}]}},
            ["spec.ports[0].name", "spec.ports[1].name", "spec.ports[1].port", "spec.ports[1].targetPort"],
        ),
        ("Service", {"spec": {"ports": [{"port": 80}], "clusterIP": "here"}}, ["spec.clusterIPs[0]"]),
        ("ConfigMap", {"data": {"a/b": "x"}}, ["data[a/b]"]),
        ("ConfigMap", {"data": {"a": "x"}, "binaryData": {"a": "eA=="}}, ["data[a]"]),
        ("ConfigMap", {"data": {"a": "x" * 1_048_576}}, []),
        ("ConfigMap", {"data": {"a": "x" * 1_048_577}}, ["[]"]),
        ("ConfigMap", {"binaryData": {"a": "AAAA" * 349_525 + "AA=="}}, []),
        ("Secret", {"data": {"a": "AAAA" * 349_525 + "AAA="}}, ["[]"]),
        ("PersistentVolumeClaim", {"spec": CLAIM}, []),
        ("PersistentVolumeClaim", {"spec": {}}, ["spec.accessModes", "spec.resources[storage]"]),
        ("PersistentVolumeClaim", {"spec": {**CLAIM, "accessModes": ["Some"]}}, ["spec.accessModes"]),
        ("PersistentVolume", {"spec": {}}, ["spec.accessModes", "spec.capacity[storage]"]),
        ("Event", {"involvedObject": {"namespace": "other"}}, ["involvedObject.namespace"]),
        ("Event", {"involvedObject": {}}, []),
        ("Lease", {"spec": {"leaseDurationSeconds": 0}}, ["spec.leaseDurationSeconds"]),
        ("RoleBinding", {}, ["roleRef.kind", "roleRef.name"]),
        ("Namespace", {"metadata": {**META, "name": "a.b"}}, ["metadata.name"]),
        ("Service", {"metadata": {**META, "name": "9a"}, "spec": {"clusterIP": "None"}}, ["metadata.name"]),
        ("ClusterRole", {"metadata": {**META, "name": "system:x"}}, []),
        ("ClusterRole", {"metadata": {**META, "name": "a/b"}}, ["metadata.name"]),
        (
            "ConfigMap",
            {"metadata": {**META, "labels": {"a b": "x", "c": "-"}}},
            ["metadata.labels", "metadata.labels"],
        ),
        ("ConfigMap", {"metadata": {**META, "annotations": {"a b": "x"}}}, ["metadata.annotations"]),
        (
            "ConfigMap",
            {"metadata": {**META, "finalizers": ["a b"]}},
            ["metadata.finalizers", "metadata.finalizers[0]"],
        ),
        (
            "ConfigMap",
            {"metadata": {**META, "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p"}]}},
            ["metadata.ownerReferences.uid"],
        ),
    ],
)
def test_what_can_be_wrong_with_other_kinds(kind: str, parts: dict[str, Any], expected: list[str]) -> None:
    assert paths(kind, **parts) == expected


def crd(**spec: Any) -> dict[str, Any]:
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object"}},
    }
    whole = {
        "group": "example.org",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [version],
        **spec,
    }
    return {"metadata": {"name": "widgets.example.org"}, "spec": whole}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        ({"group": "apps"}, ["spec.group", "metadata.name"]),
        ({"group": "batch.x"}, ["metadata.name"]),
        ({"group": "coordination.k8s.io"}, ["spec.group", "metadata.name"]),
        ({"scope": "Here"}, ["spec.scope"]),
        ({"names": {"plural": "widgets"}}, ["spec.names.singular", "spec.names.kind", "spec.names.listKind"]),
        ({"versions": []}, ["spec.versions"]),
        ({"versions": [{"name": "v1", "storage": True}]}, ["spec.versions[0].schema.openAPIV3Schema"]),
        (
            {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": {"type": "array"}}}]},
            ["spec.versions[0].schema.openAPIV3Schema.type", "spec.versions"],
        ),
    ],
)
def test_what_can_be_wrong_with_a_definition(spec: dict[str, Any], expected: list[str]) -> None:
    assert paths("CustomResourceDefinition", **crd(**spec)) == expected


POD = {"spec": {"containers": [container()], "nodeName": "local"}}


@pytest.mark.parametrize(
    ("kind", "old", "new", "expected"),
    [
        ("Deployment", {"spec": WEB}, {"spec": {**WEB, "replicas": 3}}, []),
        (
            "Deployment",
            {"spec": WEB},
            {"spec": {**WEB, "selector": {"matchLabels": {"a": "b"}}}},
            ["spec.selector"],
        ),
        (
            "Job",
            {"spec": {"template": template("Never")}},
            {"spec": {"template": template("OnFailure")}},
            ["spec.template"],
        ),
        (
            "Job",
            {"spec": {"template": template("Never")}},
            {"spec": {"template": template("Never"), "suspend": True, "parallelism": 1, "completions": 1}},
            [],
        ),
        (
            "Job",
            {"spec": {"template": template("Never")}},
            {"spec": {"template": template("Never"), "completions": 2}},
            ["spec.completions"],
        ),
        (
            "Job",
            {"spec": {"template": template("Never"), **INDEXED, "backoffLimitPerIndex": 1}},
            {
                "spec": {
                    "template": template("Never"),
                    **INDEXED,
                    "backoffLimitPerIndex": 2,
                    "maxFailedIndexes": 3,
                    "successPolicy": {"rules": [{"succeededCount": 1}]},
                }
            },
            ["spec.successPolicy", "spec.backoffLimitPerIndex"],
        ),
        ("Secret", {"type": "Opaque"}, {"type": "x/y"}, ["type"]),
        ("Secret", {"immutable": True, "data": {"a": "eA=="}}, {"immutable": True, "data": {}}, ["data"]),
        ("ConfigMap", {"immutable": True, "data": {"a": "b"}}, {"data": {"a": "b"}}, ["immutable"]),
        ("ConfigMap", {"data": {"a": "b"}}, {"data": {"a": "c"}, "immutable": True}, []),
        (
            "Service",
            {"spec": {"clusterIP": "127.64.0.1"}},
            {"spec": {"clusterIP": "127.64.0.2"}},
            ["spec.clusterIP"],
        ),
        (
            "Pod",
            POD,
            {
                "spec": {
                    **POD["spec"],
                    "containers": [container(image="redis:8", imagePullPolicy="IfNotPresent")],
                }
            },
            [],
        ),
        ("Pod", POD, {"spec": {**POD["spec"], "containers": [container(args=["x"])]}}, ["spec"]),
        ("Pod", POD, {"spec": {**POD["spec"], "nodeName": "other"}}, ["spec.nodeName"]),
        ("Pod", {"spec": {"containers": [container()]}}, POD, []),
        ("PersistentVolumeClaim", {"spec": CLAIM}, {"spec": {**CLAIM, "volumeName": "v"}}, []),
        (
            "PersistentVolumeClaim",
            {"spec": CLAIM},
            {"spec": {**CLAIM, "accessModes": ["ReadOnlyMany"]}},
            ["spec"],
        ),
        ("CustomResourceDefinition", crd(), crd(scope="Cluster"), ["spec.scope"]),
    ],
)
def test_what_may_not_change(kind: str, old: Any, new: Any, expected: list[str]) -> None:
    found = immutable_fields.problems(KINDS[kind], complete(kind, **old)[1], complete(kind, **new)[1])
    assert [problem.path for problem in found] == expected


SAMPLES: dict[str, dict[str, Any]] = {
    "Pod": {**POD, "metadata": META},
    "Deployment": {"spec": WEB},
    "ReplicaSet": {"spec": WEB},
    "Job": {"spec": {"template": template("Never")}},
    "HorizontalPodAutoscaler": {"spec": hpa(behavior={"scaleUp": {}, "scaleDown": {}})},
    "Service": {"spec": {"ports": [{"port": 80}]}},
    "Secret": {"stringData": {"a": "b"}},
    "Namespace": {},
    "PersistentVolumeClaim": {"spec": CLAIM},
    "PersistentVolume": {"spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}},
    "CustomResourceDefinition": crd(),
    "RoleBinding": {"roleRef": {"kind": "Role", "name": "r"}},
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_defaults_make_a_valid_object_and_a_second_time_nothing(kind: str) -> None:
    served, body = complete(kind, **SAMPLES[kind])
    assert builtin_kinds.problems(served, body) == []
    once = copied(body)
    apply_defaults(served, body)
    assert body == once


@pytest.mark.parametrize("kind", SAMPLES)
def test_every_default_is_a_field_that_the_kind_has(kind: str) -> None:
    served, body = complete(kind, **SAMPLES[kind])
    before = copied(body)
    findings = fields.prune(served, body)
    assert (findings.unknown, findings.problems) == ([], [])
    assert body == before


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("redis", "Always"),
        ("redis:latest", "Always"),
        ("redis:7", "IfNotPresent"),
        ("host:5000/redis", "Always"),
        ("host:5000/redis:7", "IfNotPresent"),
        ("redis@sha256:0", "IfNotPresent"),
    ],
)
def test_the_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    _, body = complete("Pod", spec={"containers": [container(image=image)]})
    assert body["spec"]["containers"][0]["imagePullPolicy"] == policy


def test_a_job_is_told_apart_by_its_uid() -> None:
    _, body = complete("Job", spec={"template": template("Never")})
    labels = body["spec"]["template"]["metadata"]["labels"]
    assert labels["batch.kubernetes.io/controller-uid"] == labels["controller-uid"] == "u-1"
    assert labels["batch.kubernetes.io/job-name"] == labels["job-name"] == "it"
    assert body["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u-1"}}
    assert body["spec"]["completions"] == body["spec"]["parallelism"] == 1


def test_a_work_queue_job_has_no_completions() -> None:
    _, body = complete("Job", spec={"template": template("Never"), "parallelism": 3})
    assert "completions" not in body["spec"]
