from __future__ import annotations

from typing import Any

import pytest

from tidegate.local.apiserver.kinds import BUILT_IN
from tidegate.local.apiserver.writing.unhonoured import warnings


def kind(name: str) -> Any:
    return next(one for one in BUILT_IN if one.resource.kind == name)


@pytest.mark.parametrize(
    ("rolling", "count"), [(None, 0), ({}, 0), ({"maxUnavailable": 1}, 0), ({"maxUnavailable": 2}, 1)]
)
def test_a_stateful_set_updates_one_pod_at_a_time_whatever_it_asks_for(rolling, count):
    body = {"spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}}
    assert len(warnings(kind("StatefulSet"), body)) == count


@pytest.mark.parametrize(
    "name",
    [
        *("Ingress", "NetworkPolicy", "StorageClass", "PriorityClass", "LimitRange", "ResourceQuota"),
        *("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"),
    ],
)
def test_what_is_only_stored_says_so(name):
    assert len(warnings(kind(name), {"spec": {}})) == 1


def deployment(replicas: int, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web"}, "spec": {"replicas": replicas, "template": {"spec": spec}}}


def test_a_write_that_changes_nothing_of_it_says_nothing_again():
    asked = deployment(1, priorityClassName="high")
    other = deployment(1, priorityClassName="low")
    assert len(warnings(kind("Deployment"), asked)) == 1
    assert warnings(kind("Deployment"), deployment(3, priorityClassName="high"), asked) == []
    assert len(warnings(kind("Deployment"), other, asked)) == 1


def test_pods_of_a_controller_say_nothing_that_their_template_has_said():
    owner = {"kind": "ReplicaSet", "name": "web", "controller": True}
    body = {"metadata": {"ownerReferences": [owner]}, "spec": {"priorityClassName": "high"}}
    assert warnings(kind("Pod"), body) == []


NODE = {"metadata": {"labels": {"kubernetes.io/os": "linux", "cores": "8"}}}


@pytest.mark.parametrize(
    ("name", "spec", "count"),
    [
        ("Deployment", {"nodeSelector": {"kubernetes.io/os": "linux"}}, 0),
        ("Deployment", {"nodeSelector": {"kubernetes.io/os": "linux", "disk": "ssd"}}, 1),
        ("DaemonSet", {"nodeSelector": {"disk": "ssd"}}, 0),
        ("Deployment", {"affinity": ("cores", "Gt", "4")}, 0),
        ("Deployment", {"affinity": ("cores", "Gt", "9")}, 1),
        ("Deployment", {"hostNetwork": True, "containers": [{"ports": [{"hostPort": 80}]}]}, 0),
        ("Deployment", {"containers": [{"ports": [{"hostPort": 80}]}, {"ports": [{"hostPort": 81}]}]}, 1),
        ("Deployment", {"topologySpreadConstraints": [{"whenUnsatisfiable": "ScheduleAnyway"}]}, 0),
    ],
)
def test_what_the_one_node_meets_is_not_told(name, spec, count):
    if "affinity" in spec:
        key, operator, value = spec["affinity"]
        term = {"matchExpressions": [{"key": key, "operator": operator, "values": [value]}]}
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
        spec = {"affinity": {"nodeAffinity": required}}
    assert len(warnings(kind(name), deployment(1, **spec), None, lambda: NODE)) == count


def test_a_field_that_stands_in_several_places_is_told_once():
    asked = {"securityContext": {"procMount": "Unmasked"}}
    (told,) = warnings(kind("Deployment"), deployment(1, containers=[asked, asked], initContainers=[asked]))
    assert told.startswith("spec.template.spec.containers[0].securityContext.procMount (and 2 more)")


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        ({"group": "external.metrics.k8s.io", "service": {"name": "a"}}, 0),
        ({"group": "custom.metrics.k8s.io", "service": {"name": "a"}}, 1),
    ],
)
def test_an_api_server_of_others_is_not_asked(spec, count):
    assert len(warnings(kind("APIService"), {"spec": spec})) == count


@pytest.mark.parametrize("name", ["ConfigMap", "Deployment", "DaemonSet", "CronJob"])
def test_what_is_honoured_says_nothing(name):
    assert warnings(kind(name), {"spec": {}}) == []


@pytest.mark.parametrize(
    ("empty", "count"), [({}, 0), ({"sizeLimit": "1Mi"}, 1), ({"sizeLimit": "1Mi", "medium": "Memory"}, 2)]
)
@pytest.mark.parametrize("name", ["Pod", "Deployment", "CronJob"])
def test_what_a_folder_is_not_kept_to_is_told(name, empty, count):
    pod = {"volumes": [{"name": "v", "emptyDir": empty}]}
    template = {"template": {"spec": pod}}
    specs = {"Pod": pod, "Deployment": template, "CronJob": {"jobTemplate": {"spec": template}}}
    assert len(warnings(kind(name), {"spec": specs[name]})) == count
