"""Which addresses may be dialled on a cluster, in whatever form they are written."""

from __future__ import annotations

import pytest

from tidegate.base.errors import Misconfigured, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import ANYWHERE, AddressPolicy, Refused, dialable

ON_A_CLUSTER = AddressPolicy.on_a_cluster()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.10",
        "::1",
        "0.0.0.0",
        "0.1.2.3",
        "::",
        "169.254.169.254",
        "169.254.170.2",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "224.0.0.1",
        "2130706433",
        "localhost",
    ],
)
def test_what_leads_to_the_autoscaler_itself_or_to_its_machine_is_refused(address: str) -> None:
    with pytest.raises(Refused, match=address):
        ON_A_CLUSTER.check(address)
    ANYWHERE.check(address)


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "192.168.1.1", "172.16.0.9", "8.8.8.8", "100.64.0.1", "fd00::1", "2001:db8::1"]
)
def test_pods_services_and_the_internet_are_open(address: str) -> None:
    ON_A_CLUSTER.check(address)


def test_what_the_administrator_allows_is_open_and_the_rest_is_not() -> None:
    policy = AddressPolicy.on_a_cluster(["127.0.0.1", "169.254.20.0/24"])
    for address in ("127.0.0.1", "::ffff:127.0.0.1", "169.254.20.10"):
        policy.check(address)
    for address in ("127.0.0.2", "169.254.169.254", "::1"):
        with pytest.raises(Refused):
            policy.check(address)
    with pytest.raises(ValueError, match="nonsense"):
        AddressPolicy.on_a_cluster(["nonsense"])


async def test_a_name_is_resolved_checked_and_given_as_what_to_dial() -> None:
    names = {"shop": "10.1.2.3", "sneaky": "169.254.169.254"}

    def around(policy: AddressPolicy) -> Surroundings:
        return Surroundings(resolve=lambda host: names.get(host, host), policy=policy)

    assert await dialable(around(ANYWHERE), "shop", 80) == ("10.1.2.3",)
    assert await dialable(around(ANYWHERE), "example.org", 80) == ("example.org",)
    assert await dialable(around(ON_A_CLUSTER), "shop", 80) == ("10.1.2.3",)
    for host in ("sneaky", "localhost", "2130706433", "127.1"):
        with pytest.raises(Misconfigured, match="--allow-address"):
            await dialable(around(ON_A_CLUSTER), host, 80)
    with pytest.raises(Unreachable, match=r"nowhere\.invalid"):
        await dialable(around(ON_A_CLUSTER), "nowhere.invalid", 80)
