from __future__ import annotations

import pytest

from tidegate.local.nodes.network.host_names import find, from_machine, hosts_file, replace_names
from tidegate.local.nodes.network.names import Member, Named
from tidegate.local.nodes.network.pod_addresses import Addresses
from tidegate.local.nodes.network.ranges import SHARED_PODS

REDIS = Named("default", "redis", "127.64.0.1")
SHOP = Named("shop", "redis", "127.64.0.2")
OUTSIDE = Named("default", "outside", external_name="example.org")
NODES = Named("default", "db", members=(Member("127.96.0.1", "db-0"), Member("127.96.0.2", "db-1")))
ALL = {(one.namespace, one.name): one for one in (REDIS, SHOP, OUTSIDE, NODES)}


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("redis", "127.64.0.1"),
        ("redis.default", "127.64.0.1"),
        ("redis.default.svc", "127.64.0.1"),
        ("redis.default.svc.cluster.local", "127.64.0.1"),
        ("Redis.Default.svc.cluster.local.", "127.64.0.1"),
        ("redis.shop", "127.64.0.2"),
        ("redis.shop.svc", "127.64.0.2"),
        ("outside", "example.org"),
        ("db", "127.96.0.1"),
        ("db-1.db.default.svc.cluster.local", "127.96.0.2"),
        ("redis.nowhere", None),
        ("example.org", None),
        ("127.0.0.1", None),
        ("a.b.c.d", None),
        ("", None),
    ],
)
def test_a_name_is_found_in_every_form_that_pods_use(host: str, address: str | None) -> None:
    assert find(host, "default", ALL) == address


MACHINE = Named("default", "machine", external_name="host.tidegate.internal")


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("redis", "way to 127.64.0.1"),
        ("db-1.db.default", "way to 127.96.0.2"),
        ("127.64.0.1", "way to 127.64.0.1"),
        ("outside", "example.org"),
        ("example.org", "example.org"),
        ("machine", "127.0.0.1"),
        ("host.tidegate.internal", "127.0.0.1"),
        ("Host.Tidegate.Internal.", "127.0.0.1"),
    ],
)
def test_this_machine_reaches_what_pods_call_so(host: str, address: str) -> None:
    services = {**ALL, ("default", "machine"): MACHINE}
    assert from_machine(host, "default", services, "way to {}".format) == address


def test_a_service_without_an_address_is_not_found() -> None:
    assert find("redis", "default", {("default", "redis"): Named("default", "redis")}) is None


def table(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            address, *names = line.split()
            for name in names:
                found.setdefault(name, []).append(address)
    return found


def test_hosts_know_short_names_of_their_own_namespace_only() -> None:
    hosts = table(
        hosts_file([("127.96.0.9", "me")], "shop", ALL.values(), "10.0.0.1 office\n127.0.0.1 localhost")
    )
    assert hosts["redis"] == ["127.64.0.2"]
    assert hosts["redis.default"] == hosts["redis.default.svc.cluster.local"] == ["127.64.0.1"]
    assert hosts["db.default"] == ["127.96.0.1", "127.96.0.2"]
    assert hosts["db-0.db.default.svc"] == ["127.96.0.1"]
    assert (hosts["me"], hosts["office"], hosts["localhost"]) == (
        ["127.96.0.9"],
        ["10.0.0.1"],
        ["127.0.0.1", "::1"],
    )


def test_names_in_text_become_addresses_where_hosts_cannot_be_given() -> None:
    text = "redis://redis.shop.svc.cluster.local:6379/0,redis.default.svc,redis.none.svc,redis"
    assert replace_names(text, ALL) == "redis://127.64.0.2:6379/0,127.64.0.1,redis.none.svc,redis"


def test_no_two_living_pods_have_one_address() -> None:
    addresses = Addresses()
    assert addresses.keep("kept", str(SHARED_PODS[9]))
    assert not addresses.keep("other", str(SHARED_PODS[9]))
    taken = {addresses.take(f"uid-{n}") for n in range(200)}
    assert len(taken) == 200
    assert str(SHARED_PODS[9]) not in taken
    first = addresses.take("uid-0")
    addresses.release("uid-0")
    assert addresses.take("uid-0") == first
