"""What the server fills into plain objects, as far as kubectl shows it."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.kube.resource import ENDPOINT_SLICES, ENDPOINTS, PODS, SECRETS, SERVICES, Resource
from tidegate.local.apiserver.defaulting.qos import qos_class

SMALL, LARGE = {"cpu": "100m", "memory": "64Mi"}, {"cpu": "1", "memory": "1Gi"}


def container(**resources: Any) -> dict[str, Any]:
    return {"name": "c", "image": "i", "resources": resources}


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ([container()], "BestEffort"),
        ([{"name": "c"}], "BestEffort"),
        ([container(requests={"cpu": "0", "memory": "0"})], "BestEffort"),
        ([container(requests={"example.org/gpu": "1"}, limits={"example.org/gpu": "1"})], "BestEffort"),
        ([container(requests={"cpu": "100m"})], "Burstable"),
        ([container(limits={"memory": "1Gi"}, requests={"memory": "1Gi"})], "Burstable"),
        ([container(requests=SMALL, limits=LARGE)], "Burstable"),
        ([container(limits=SMALL)], "Burstable"),
        ([container(requests=SMALL, limits=SMALL)], "Guaranteed"),
        ([container(requests={"cpu": "0.1", "memory": "64Mi"}, limits=SMALL)], "Guaranteed"),
        ([container(requests=SMALL, limits=SMALL), container()], "Burstable"),
        ([container(requests=SMALL, limits=SMALL), container(requests=LARGE, limits=LARGE)], "Guaranteed"),
    ],
)
def test_the_class_of_a_pod_follows_what_its_containers_are_given(
    containers: list[dict[str, Any]], expected: str
) -> None:
    assert qos_class({"containers": containers}) == expected
    assert qos_class({"containers": [], "initContainers": containers}) == expected


async def test_limits_alone_are_requests_too_and_guarantee(api: Any) -> None:
    body = api.pod(containers=[container(limits=SMALL)])
    made = await api.create(PODS, body)
    assert made["status"] == {"phase": "Pending", "qosClass": "Guaranteed"}


async def test_a_gated_pod_says_from_the_first_moment_that_it_is_held(api: Any) -> None:
    made = await api.create(PODS, api.pod(schedulingGates=[{"name": "example.org/wait"}]))
    (condition,) = made["status"]["conditions"]
    assert (condition["type"], condition["status"]) == ("PodScheduled", "False")
    assert condition["reason"] == "SchedulingGated"


@pytest.mark.parametrize(
    ("resource", "body", "expected"),
    [
        (ENDPOINT_SLICES, {"addressType": "IPv4", "endpoints": [], "ports": [{"port": 1}]}, {"name": ""}),
        (ENDPOINTS, {"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 1}]}]}, {}),
    ],
)
async def test_ports_that_a_user_writes_are_completed(
    api: Any, resource: Resource, body: dict[str, Any], expected: dict[str, str]
) -> None:
    made = await api.create(resource, {"metadata": {"name": "mine"}, **body})
    (port,) = made["ports"] if "ports" in made else made["subsets"][0]["ports"]
    assert port == {"port": 1, "protocol": "TCP", **expected}


async def test_subjects_of_a_binding_get_the_group_of_their_kind(api: Any) -> None:
    group = "rbac.authorization.k8s.io"
    bindings = Resource(group, "v1", "rolebindings", "RoleBinding")
    subjects = [{"kind": "User", "name": "joe"}, {"kind": "ServiceAccount", "name": "a", "namespace": "b"}]
    role = {"kind": "Role", "name": "reader"}
    made = await api.create(bindings, {"metadata": {"name": "it"}, "roleRef": role, "subjects": subjects})
    assert made["subjects"] == [{**subjects[0], "apiGroup": group}, subjects[1]]
    assert made["roleRef"]["apiGroup"] == group


SERVICE = {
    "spec": {"type": "", "sessionAffinity": "", "ports": [{"port": 80, "protocol": "", "targetPort": 0}]}
}
POD = {
    "spec": {
        "restartPolicy": "",
        "serviceAccountName": "",
        "containers": [
            {
                "name": "c",
                "image": "i",
                "imagePullPolicy": "",
                "readinessProbe": {"tcpSocket": {"port": 1}, "periodSeconds": 0},
            }
        ],
    }
}


@pytest.mark.parametrize(
    ("resource", "body", "path", "expected"),
    [
        (SERVICES, SERVICE, ("spec", "type"), "ClusterIP"),
        (SERVICES, SERVICE, ("spec", "sessionAffinity"), "None"),
        (SERVICES, SERVICE, ("spec", "ports", 0), {"port": 80, "protocol": "TCP", "targetPort": 80}),
        (SECRETS, {"type": ""}, ("type",), "Opaque"),
        (PODS, POD, ("spec", "restartPolicy"), "Always"),
        (PODS, POD, ("spec", "serviceAccountName"), "default"),
        (PODS, POD, ("spec", "containers", 0, "imagePullPolicy"), "Always"),
        (PODS, POD, ("spec", "containers", 0, "readinessProbe", "periodSeconds"), 10),
    ],
)
async def test_an_empty_text_is_as_good_as_silence(
    api: Any, resource: Resource, body: dict[str, Any], path: tuple[Any, ...], expected: Any
) -> None:
    """Templates leave `imagePullPolicy: ""` behind; Kubernetes reads that as nothing said."""
    found: Any = await api.create(resource, {"metadata": {"name": "it"}, **api.copied(body)})
    for step in path:
        found = found[step]
    assert found == expected
