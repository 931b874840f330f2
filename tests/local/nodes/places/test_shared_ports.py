"""Where pods share the machine's network, a pod is told of ports that are taken."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import IPv4Network

import pytest

from tidegate.local.nodes.network.pod_networks import SharedNetwork
from tidegate.local.nodes.network.ranges import Ranges
from tidegate.local.nodes.places.network_report import condition, told
from tidegate.local.nodes.places.shared_ports import is_taken
from tidegate.local.nodes.places.shared_ports import told as told_of_ports

ADDRESS = "127.96.200.7"
SHARED = SharedNetwork("nft is not installed")


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("0.0.0.0", 0)) as server:
        yield server.getsockname()[1]


def test_a_program_on_all_addresses_takes_the_port_of_every_pod(taken: int) -> None:
    assert is_taken(ADDRESS, taken)


def test_a_program_on_another_address_takes_nothing() -> None:
    with socket.create_server(("127.96.200.8", 0)) as server:
        assert not is_taken(ADDRESS, server.getsockname()[1])


def test_the_pod_is_told_of_the_port_and_why_it_is_not_its_own(taken: int) -> None:
    message = told_of_ports(SHARED, {"ports": [{"containerPort": taken}]}, ADDRESS)
    assert str(taken) in message
    assert "nft is not installed" in message


@pytest.mark.parametrize("ports", [[], [{"containerPort": 0, "protocol": "UDP"}]])
def test_a_pod_without_such_a_port_is_told_nothing(ports: list[dict[str, object]]) -> None:
    assert told_of_ports(SHARED, {"ports": ports}, ADDRESS) == ""


def test_the_node_says_which_network_pods_have_and_why() -> None:
    shared = condition(SHARED)
    assert (shared["type"], shared["status"]) == ("SharedPodNetwork", "True")
    assert "nft is not installed" in shared["message"]
    assert told(SHARED) == shared["message"]


class Own(SharedNetwork):
    ranges = Ranges.of(IPv4Network("10.203.0.0/16"))  # type: ignore[assignment]


def test_where_pods_have_their_own_there_is_nothing_to_tell(taken: int) -> None:
    assert told_of_ports(Own(), {"ports": [{"containerPort": taken}]}, ADDRESS) == ""
    assert told(Own()) == ""
    assert condition(Own())["status"] == "False"
