"""Node ports: given where a Service's type wants them, kept, and each one Service's."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.kube.resource import SERVICES
from tidegate.local.apiserver.control_plane import open_plane
from tidegate.local.apiserver.defaulting.node_ports import PORTS
from tidegate.local.apiserver.writing.verbs import Options


def service(name: str = "web", type: str = "NodePort", **port: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"type": type, "ports": [{"port": 80, **port}]}}


def ports(body: Any) -> list[int | None]:
    return [port.get("nodePort") for port in body["spec"]["ports"]]


@pytest.mark.parametrize(
    ("type", "more", "has_one"),
    [
        ("ClusterIP", {}, False),
        ("NodePort", {}, True),
        ("LoadBalancer", {}, True),
        ("LoadBalancer", {"allocateLoadBalancerNodePorts": False}, False),
        ("ExternalName", {"externalName": "example.org"}, False),
    ],
)
async def test_the_type_says_whether_a_service_has_node_ports(
    api: Any, type: str, more: dict[str, Any], has_one: bool
) -> None:
    body = service(type=type)
    body["spec"] |= more
    (number,) = ports(await api.create(SERVICES, body))
    assert (number in PORTS) if has_one else number is None


async def test_all_ports_of_all_services_have_their_own(api: Any) -> None:
    found: list[int | None] = []
    for name in ("a", "b", "c"):
        body = service(name)
        body["spec"]["ports"] = [{"port": 80, "name": "x"}, {"port": 81, "name": "y"}]
        found += ports(await api.create(SERVICES, body))
    assert len(set(found)) == 6
    assert None not in found


async def test_a_service_keeps_its_node_port_through_edits_and_gives_it_back_with_its_type(api: Any) -> None:
    (first,) = ports(await api.create(SERVICES, service()))
    target = api.target(SERVICES, "web")
    body = service()
    await api.plane.verbs.update(target, api.copied(body))
    assert ports(api.get(SERVICES, "web")) == [first]
    body["spec"]["ports"].append({"port": 81, "name": "more"})
    body["spec"]["ports"][0]["name"] = "web"
    await api.plane.verbs.update(target, api.copied(body))
    assert ports(api.get(SERVICES, "web"))[0] == first
    await api.plane.verbs.patch(target, "merge", {"spec": {"type": "ClusterIP"}})
    plain = api.get(SERVICES, "web")
    assert ports(plain) == [None, None]
    assert "externalTrafficPolicy" not in plain["spec"]


async def test_what_is_asked_for_is_given_once(api: Any) -> None:
    assert ports(await api.create(SERVICES, service(nodePort=30080))) == [30080]
    refused = await api.refusal(api.create(SERVICES, service("other", nodePort=30080)))
    (cause,) = refused.details["causes"]
    assert cause["field"] == "spec.ports[0].nodePort"
    assert cause["message"] == "Invalid value: 30080: provided port is already allocated"
    await api.plane.verbs.delete(api.target(SERVICES, "web"))
    assert ports(await api.create(SERVICES, service("other", nodePort=30080))) == [30080]


async def test_a_write_that_is_only_tried_or_refused_holds_no_port(api: Any) -> None:
    await api.create(SERVICES, service("tried", nodePort=30080), Options(is_dry_run=True))
    await api.refusal(api.create(SERVICES, service("Refused_Name", nodePort=30080)))
    assert ports(await api.create(SERVICES, service("made", nodePort=30080))) == [30080]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            service(nodePort=80),
            "Invalid value: 80: provided port is not in the valid range. "
            "The range of valid ports is 30000-32767",
        ),
        (service(type="ClusterIP", nodePort=30080), "Forbidden: may not be used when `type` is 'ClusterIP'"),
    ],
)
async def test_a_port_that_no_service_may_have_is_refused(api: Any, body: Any, message: str) -> None:
    refused = await api.refusal(api.create(SERVICES, body))
    assert [cause["message"] for cause in refused.details["causes"]] == [message]


async def test_one_number_serves_two_protocols_but_not_two_ports(api: Any) -> None:
    body = service()
    body["spec"]["ports"] = [
        {"port": 53, "name": "a", "protocol": "UDP", "nodePort": 30053},
        {"port": 53, "name": "b", "protocol": "TCP", "nodePort": 30053},
    ]
    assert ports(await api.create(SERVICES, body)) == [30053, 30053]
    body["metadata"]["name"] = "twice"
    for index, port in enumerate(body["spec"]["ports"]):
        port |= {"port": 53 + index, "protocol": "TCP", "nodePort": 30054}
    refused = await api.refusal(api.create(SERVICES, body))
    assert [cause["field"] for cause in refused.details["causes"]] == ["spec.ports[1].nodePort"]


async def test_a_restart_knows_who_holds_what(api: Any, plane: Any, tmp_path: Any, clock: Any) -> None:
    await api.create(SERVICES, service(nodePort=30080))
    await plane.close()
    again = type(api)(await open_plane(tmp_path / "state", clock))
    refused = await again.refusal(again.create(SERVICES, service("other", nodePort=30080)))
    assert "already allocated" in refused.message
    await again.plane.close()
