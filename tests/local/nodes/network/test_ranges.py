from __future__ import annotations

from ipaddress import IPv4Address as Addr
from ipaddress import IPv4Network as Net

import pytest

from tidegate.local.nodes.network.ranges import (
    CANDIDATES,
    SHARED_PODS,
    SHARED_SERVICES,
    SHARED_WAYS,
    Ranges,
    by_way,
    choose,
    is_free,
    twins,
)

BLOCK = Net("10.203.0.0/16")


def test_a_block_is_half_pods_and_half_services() -> None:
    ranges = Ranges.of(BLOCK)
    assert (ranges.pods, ranges.services) == (Net("10.203.0.0/17"), Net("10.203.128.0/17"))
    assert ranges.block == BLOCK
    assert list(map(str, (ranges.gateway, ranges.machine, ranges.host, ranges.egress))) == [
        "10.203.0.1",
        "10.203.0.2",
        "10.203.0.130",
        "10.203.0.228",
    ]
    assert list(map(str, (ranges.api, ranges.dns))) == ["10.203.128.1", "10.203.128.10"]


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ([], True),
        (["0.0.0.0/0"], True),
        (["0.0.0.0/1", "128.0.0.0/1"], True),  # how VPNs take all traffic
        (["192.168.1.0/24"], True),
        (["10.203.7.0/24"], False),
        (["10.203.255.1/32"], False),  # one name server is enough
        (["10.0.0.0/8"], False),
    ],
)
def test_a_block_is_free_when_no_narrow_route_of_the_machine_touches_it(
    taken: list[str], expected: bool
) -> None:
    assert is_free(BLOCK, map(Net, taken)) is expected


def test_the_first_free_candidate_is_chosen() -> None:
    assert choose([]) == CANDIDATES[0]
    assert choose([Net("10.203.0.0/24")]) == CANDIDATES[1]
    assert choose([Net("10.0.0.0/8")]) == Net("172.29.0.0/16")


def test_a_block_that_was_kept_stays_until_something_else_of_the_machine_takes_it() -> None:
    assert choose([], kept=CANDIDATES[3]) == CANDIDATES[3]
    assert choose([CANDIDATES[3]], kept=CANDIDATES[3]) == CANDIDATES[0]


def test_where_everything_is_taken_there_is_no_block() -> None:
    assert choose(CANDIDATES) is None


def test_for_an_ordinary_user_each_address_has_one_twin_on_loopback() -> None:
    ranges = Ranges.of(BLOCK)
    ways = twins(ranges, 5)
    services = by_way(str(ranges.services[300]), ways)
    pods = by_way(str(ranges.pods[300]), ways)
    assert services is not None
    assert pods is not None
    assert Addr(services) in SHARED_SERVICES
    assert Addr(pods) in SHARED_PODS
    assert services != by_way(str(ranges.services[300]), twins(ranges, 6))
    assert by_way(str(ranges.services[301]), ways) == str(Addr(services) + 1)


def test_no_way_leads_to_addresses_of_others() -> None:
    for address in ("192.0.2.1", "example.org", "", "None", "127.0.0.1"):
        assert by_way(address, twins(Ranges.of(BLOCK), 5)) is None
    assert by_way("127.64.3.4", SHARED_WAYS) == "127.64.3.4"
