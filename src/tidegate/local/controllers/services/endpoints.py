"""Endpoints and EndpointSlices as values: which Pods a Service offers, at which ports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tidegate.kube.resource import ENDPOINT_SLICES, ENDPOINTS
from tidegate.local.controllers import pod_control
from tidegate.local.controllers.owner_references import is_deleting
from tidegate.local.controllers.services.writes import HEADLESS, MANAGED_BY, OF_SERVICE
from tidegate.local.objects import Object

# As many as a cluster puts into one slice.
MOST_ENDPOINTS = 100
SLICES = "endpointslice-controller.k8s.io"
OF_ENDPOINTS = "endpoints.kubernetes.io/managed-by"

Ports = tuple[tuple[str, str, int], ...]
"""(name, protocol, number) for each port of the Service that the Pod has."""


def endpoints_of(service: Object, pods: Sequence[Object]) -> Object:
    """The Endpoints object: Pods that offer the same ports share a subset."""
    subsets = []
    for ports, group in _by_ports(service, pods).items():
        ready = [_address(service, pod) for pod in group if _is_offered(service, pod)]
        waiting = [
            _address(service, pod) for pod in group if not _is_offered(service, pod) and not is_deleting(pod)
        ]
        subset: dict[str, Any] = {"addresses": ready, "notReadyAddresses": waiting}
        subset = {name: addresses for name, addresses in subset.items() if addresses}
        if subset:
            subsets.append({**subset, **_port_list(ports)})
    metadata = service["metadata"]
    body: Object = {
        "apiVersion": ENDPOINTS.api_version,
        "kind": ENDPOINTS.kind,
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "labels": {**_labels(service), OF_ENDPOINTS: "endpoint-controller"},
        },
    }
    return body | ({"subsets": subsets} if subsets else {})


def slices_of(service: Object, pods: Sequence[Object]) -> list[Object]:
    """EndpointSlices, each for one set of ports; one without endpoints when there is no Pod."""
    groups = [
        (ports, group[start : start + MOST_ENDPOINTS])
        for ports, group in (_by_ports(service, pods) or {(): []}).items()
        for start in range(0, len(group) or 1, MOST_ENDPOINTS)
    ]
    metadata = service["metadata"]
    letters = pod_control.letters(_number(metadata["uid"]), 5)
    return [
        {
            "apiVersion": ENDPOINT_SLICES.api_version,
            "kind": ENDPOINT_SLICES.kind,
            "metadata": {
                "name": f"{metadata['name']}-{letters}" + (f"-{index}" if index else ""),
                "generateName": f"{metadata['name']}-",
                "namespace": metadata["namespace"],
                "labels": {**_labels(service), OF_SERVICE: metadata["name"], MANAGED_BY: SLICES},
            },
            "addressType": "IPv4",
            "endpoints": [_endpoint(service, pod) for pod in group],
            "ports": [
                {"name": name, "port": number, "protocol": protocol} for name, protocol, number in ports
            ],
        }
        for index, (ports, group) in enumerate(groups)
    ]


def _labels(service: Object) -> dict[str, str]:
    """The Service's own, and whether it is headless."""
    labels = dict(service["metadata"].get("labels") or {})
    labels.pop(HEADLESS, None)
    return labels | ({HEADLESS: ""} if service["spec"].get("clusterIP") == "None" else {})


def _by_ports(service: Object, pods: Sequence[Object]) -> dict[Ports, list[Object]]:
    groups: dict[Ports, list[Object]] = {}
    for pod in sorted(pods, key=lambda one: str(one["metadata"]["name"])):
        groups.setdefault(_ports(service, pod), []).append(pod)
    return dict(sorted(groups.items()))


def _ports(service: Object, pod: Object) -> Ports:
    found = []
    for port in service["spec"].get("ports") or []:
        target = port.get("targetPort") or port["port"]
        number = target if isinstance(target, int) else _named_port(pod, target)
        if number is not None:
            found.append((port.get("name", ""), port.get("protocol", "TCP"), number))
    return tuple(found)


def _named_port(pod: Object, name: str) -> int | None:
    if name.isdecimal():
        return int(name)
    for container in pod["spec"].get("containers") or []:
        for port in container.get("ports") or []:
            if port.get("name") == name:
                return int(port["containerPort"])
    return None


def _port_list(ports: Ports) -> dict[str, Any]:
    listed = [
        {**({"name": name} if name else {}), "port": number, "protocol": protocol}
        for name, protocol, number in ports
    ]
    return {"ports": listed} if listed else {}


def _is_offered(service: Object, pod: Object) -> bool:
    if service["spec"].get("publishNotReadyAddresses"):
        return True
    return pod_control.is_ready(pod) and not is_deleting(pod)


def _target(pod: Object) -> dict[str, Any]:
    metadata = pod["metadata"]
    return {
        "kind": "Pod",
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "uid": metadata["uid"],
    }


def _hostname(service: Object, pod: Object) -> dict[str, str]:
    """The name by which a pod is found below the Service, when it was given one there."""
    spec = pod["spec"]
    is_given = spec.get("hostname") and spec.get("subdomain") == service["metadata"]["name"]
    return {"hostname": spec["hostname"]} if is_given else {}


def _address(service: Object, pod: Object) -> dict[str, Any]:
    node = pod["spec"].get("nodeName")
    address = {"ip": pod["status"]["podIP"], **_hostname(service, pod), "targetRef": _target(pod)}
    return address | ({"nodeName": node} if node else {})


def _endpoint(service: Object, pod: Object) -> dict[str, Any]:
    node = pod["spec"].get("nodeName")
    states = {
        "ready": _is_offered(service, pod),
        "serving": pod_control.is_ready(pod),
        "terminating": is_deleting(pod),
    }
    endpoint = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": states,
        **_hostname(service, pod),
        "targetRef": _target(pod),
    }
    return endpoint | ({"nodeName": node} if node else {})


def _number(uid: str) -> int:
    return int.from_bytes(uid.encode(), "big")
