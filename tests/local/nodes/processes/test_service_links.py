"""The variables by which a container finds Services."""

from __future__ import annotations

from typing import Any

import pytest

from parts.machine import Machine
from tidegate.kube.resource import SERVICES
from tidegate.local.nodes.processes.environment import Refers, environment
from tidegate.local.nodes.processes.service_links import service_variables

API = {
    "metadata": {"namespace": "default", "name": "kubernetes"},
    "spec": {"clusterIP": "10.203.128.1", "ports": [{"name": "https", "port": 443}]},
}
API_VARIABLES = {
    "KUBERNETES_SERVICE_HOST": "10.203.128.1",
    "KUBERNETES_SERVICE_PORT": "443",
    "KUBERNETES_SERVICE_PORT_HTTPS": "443",
    "KUBERNETES_PORT": "tcp://10.203.128.1:443",
    "KUBERNETES_PORT_443_TCP": "tcp://10.203.128.1:443",
    "KUBERNETES_PORT_443_TCP_PROTO": "tcp",
    "KUBERNETES_PORT_443_TCP_PORT": "443",
    "KUBERNETES_PORT_443_TCP_ADDR": "10.203.128.1",
}


def service(name: str, namespace: str = "shop", address: str = "10.203.129.1", *ports: Any) -> Any:
    spec = {"clusterIP": address, "ports": list(ports) or [{"port": 80}]}
    return {"metadata": {"namespace": namespace, "name": name}, "spec": spec}


def pod(**spec: Any) -> Any:
    return {"metadata": {"namespace": "shop", "name": "p"}, "spec": {"containers": [], **spec}}


def test_the_services_of_the_namespace_and_the_api_are_told() -> None:
    dns = service(
        "my-dns", "shop", "10.203.129.2", {"name": "dns-udp", "port": 53, "protocol": "UDP"}, {"port": 54}
    )
    found = service_variables(pod(), [dns, API])
    assert found == API_VARIABLES | {
        "MY_DNS_SERVICE_HOST": "10.203.129.2",
        "MY_DNS_SERVICE_PORT": "53",
        "MY_DNS_SERVICE_PORT_DNS_UDP": "53",
        "MY_DNS_PORT": "udp://10.203.129.2:53",
        "MY_DNS_PORT_53_UDP": "udp://10.203.129.2:53",
        "MY_DNS_PORT_53_UDP_PROTO": "udp",
        "MY_DNS_PORT_53_UDP_PORT": "53",
        "MY_DNS_PORT_53_UDP_ADDR": "10.203.129.2",
        "MY_DNS_PORT_54_TCP": "tcp://10.203.129.2:54",
        "MY_DNS_PORT_54_TCP_PROTO": "tcp",
        "MY_DNS_PORT_54_TCP_PORT": "54",
        "MY_DNS_PORT_54_TCP_ADDR": "10.203.129.2",
    }


@pytest.mark.parametrize(
    ("spec", "services", "hosts"),
    [
        ({}, [service("a"), API], {"A_SERVICE_HOST", "KUBERNETES_SERVICE_HOST"}),
        ({"enableServiceLinks": True}, [service("a")], {"A_SERVICE_HOST"}),
        ({"enableServiceLinks": False}, [service("a"), API], {"KUBERNETES_SERVICE_HOST"}),
        ({}, [service("a", "other")], set()),
        ({}, [service("a", address="None"), service("b", address="")], set()),
    ],
)
def test_who_is_told(spec: Any, services: Any, hosts: set[str]) -> None:
    found = service_variables(pod(**spec), services)
    assert {name for name in found if name.endswith("_HOST")} == hosts


def test_a_service_called_kubernetes_of_the_pods_own_namespace_comes_first() -> None:
    own = service("kubernetes", address="10.203.129.9")
    for services in ([own, API], [API, own]):
        assert service_variables(pod(), services)["KUBERNETES_SERVICE_HOST"] == "10.203.129.9"


def test_what_the_container_says_wins_and_may_refer_to_services() -> None:
    refers = Refers({}.get, {}.get, find_services=lambda: [service("redis")])
    container = {
        "env": [
            {"name": "REDIS_PORT", "value": "6379"},
            {"name": "URL", "value": "redis://$(REDIS_SERVICE_HOST):$(REDIS_PORT)"},
        ]
    }
    found = environment(pod(), container, refers, {})
    assert found["URL"] == "redis://10.203.129.1:6379"
    assert found["REDIS_PORT"] == "6379"


async def test_a_container_has_the_variables_of_the_services_that_exist_when_it_starts(
    machine: Machine,
) -> None:
    await machine.service("early", "127.64.9.1", 7001, 7000, app="x")
    await machine.objects.create(SERVICES, API)
    await machine.apply("a", "sh", "-c", "echo $EARLY_SERVICE_HOST:$EARLY_SERVICE_PORT $KUBERNETES_PORT")
    await machine.phase("a", "Succeeded")
    assert await machine.log("a") == "127.64.9.1:7001 tcp://10.203.128.1:443\n"
