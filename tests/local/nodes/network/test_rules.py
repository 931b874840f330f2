"""The router's rules: their text by table, and what the kernel does by them in namespaces of a test."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Any

import pytest

from parts.pod_network import ANSWERS, ASKS, RANGES, PodNetwork, pod_network
from tidegate.local.nodes.network.conntrack import Flow, is_stale
from tidegate.local.nodes.network.forwards import Forward, forwards_of, from_json, to_json
from tidegate.local.nodes.network.rules import PIECE, Rules, elements_of, ruleset, transactions

SERVICE = "10.203.129.1"
A, B, C = "10.203.1.1", "10.203.1.2", "10.203.1.3"
READY = {"ready": True, "serving": True, "terminating": False}
UNREADY = {"ready": False, "serving": False, "terminating": False}
ENDING = {"ready": False, "serving": True, "terminating": True}


def rules(*forwards: Forward) -> Rules:
    return Rules.of(RANGES.services, RANGES.gateway, [RANGES.dns], forwards)


def service(*ports: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"spec": {"clusterIP": SERVICE, "ports": list(ports) or [{"port": 80}], **spec}}


def offered(port: dict[str, Any], *endpoints: tuple[str, dict[str, bool]], kind: str = "IPv4") -> Any:
    listed = [{"addresses": [address], "conditions": states} for address, states in endpoints]
    return {"addressType": kind, "ports": [port], "endpoints": listed}


@pytest.mark.parametrize(
    ("of", "slices", "expected"),
    [
        (service(), [offered({"port": 8080}, (B, READY), (A, READY))], [(80, "TCP", [(A, 8080), (B, 8080)])]),
        (service(), [offered({"port": 8080}, (A, UNREADY))], [(80, "TCP", [])]),
        (service(), [offered({"port": 1}, (A, ENDING), (B, READY))], [(80, "TCP", [(B, 1)])]),
        (service(), [offered({"port": 1}, (A, ENDING), (B, UNREADY))], [(80, "TCP", [(A, 1)])]),
        (service(), [offered({"port": 1}, (A, {}))], [(80, "TCP", [(A, 1)])]),
        (service(), [offered({"port": 1}, ("fd00::1", READY), kind="IPv6")], [(80, "TCP", [])]),
        (service(), [offered({"port": 1}, ("example.org", READY), kind="FQDN")], [(80, "TCP", [])]),
        # A named target port has another number in each pod: a slice for each.
        (
            service({"name": "web", "port": 80, "targetPort": "http"}),
            [
                offered({"name": "web", "port": 1}, (A, READY)),
                offered({"name": "web", "port": 2}, (B, READY)),
            ],
            [(80, "TCP", [(A, 1), (B, 2)])],
        ),
        (
            service({"name": "t", "port": 53}, {"name": "u", "port": 53, "protocol": "UDP"}),
            [offered({"name": "u", "port": 5353, "protocol": "UDP"}, (A, READY))],
            [(53, "TCP", []), (53, "UDP", [(A, 5353)])],
        ),
        (service(clusterIP="None"), [offered({"port": 1}, (A, READY))], []),
        (service(type="ExternalName", externalName="example.org"), [], []),
        (service(externalIPs=["192.0.2.1"]), [offered({"port": 1}, (A, READY))], [(80, "TCP", [(A, 1)])]),
    ],
)  # fmt: skip
def test_a_services_ports_lead_to_what_its_slices_offer(of: Any, slices: Any, expected: Any) -> None:
    found = forwards_of(of, slices)
    assert [(one.port, one.protocol, list(one.backends)) for one in found] == expected
    assert {one.address for one in found} <= {SERVICE}
    assert from_json(to_json(found)) == found


def lasting(seconds: int) -> dict[str, Any]:
    return {"clientIP": {"timeoutSeconds": seconds}}


@pytest.mark.parametrize(
    ("spec", "seconds"),
    [
        ({}, 0),
        ({"sessionAffinity": "None", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}}, 0),
        ({"sessionAffinity": "ClientIP"}, 10_800),
        ({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}}, 5),
        ({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": -5}}}, 1),
        (
            {
                "sessionAffinity": "ClientIP",
                "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 10**12}},
            },
            86_400,
        ),
    ],
)
def test_a_client_is_kept_as_long_as_the_service_says(spec: Any, seconds: int) -> None:
    assert [one.affinity_s for one in forwards_of(service(**spec), [])] == [seconds]


@pytest.mark.parametrize(
    "text",
    [b"{}", b"[]", b'{"forwards":[["10.0.0.1","TCP",80,0,"} flush ruleset;:1"]]}',
     b'{"forwards":[["10.0.0.1","TCP",80,-1]]}', b'{"forwards":[["10.0.0.1","TCP",80,0,"10.0.0.2:70000"]]}',
     b'{"forwards":[["10.0.0.1","ICMP",80,0]]}', b'{"forwards":[["10.0.0.1","TCP","x",0]]}', b"\xff"],
)  # fmt: skip
def test_what_is_no_list_of_forwards_never_becomes_a_rule(text: bytes) -> None:
    with pytest.raises(ValueError, match="not a list of forwards"):
        from_json(text)


def test_a_door_has_an_element_and_one_for_each_backend() -> None:
    assert elements_of(Forward(SERVICE, "UDP", 53, ((A, 5353), (B, 5353)))) == {
        "services": {f"{SERVICE} . udp . 53": "goto to_2"},
        "backends": {f"{SERVICE} . udp . 53 . 0": f"{A} . 5353", f"{SERVICE} . udp . 53 . 1": f"{B} . 5353"},
        "turns": {},
    }
    assert elements_of(Forward(SERVICE, "TCP", 80)) == {}


def test_with_affinity_a_backend_keeps_its_name_when_others_come_and_go() -> None:
    few, more = (
        elements_of(Forward(SERVICE, "TCP", 80, backends, 60))["backends"]
        for backends in (((B, 1),), ((A, 1), (B, 1), (C, 1)))
    )
    assert few.items() < more.items()


def many(number: int, count: int = 10) -> Forward:
    """One of thousands, each second of which keeps its clients."""
    backends = tuple((f"10.203.{1 + number % 100}.{turn + 1}", 80) for turn in range(count))
    return Forward(f"10.203.{129 + number // 250}.{number % 250}", "TCP", 80, backends, number % 2 * 60)


def test_five_thousand_services_of_ten_pods_are_two_chains_and_a_change_is_a_few_lines() -> None:
    before = rules(*(many(number) for number in range(5_000)))
    after = rules(many(0, 9), *(many(number) for number in range(1, 5_000)))
    text = ruleset(before)
    lines = [line for line in text.splitlines() if re.search("mark set|dnat|reject|vmap|update", line)]
    assert len(lines) < 20
    (change,) = transactions(before, after)
    assert len(change.splitlines()) < 30
    assert transactions(after, after) == ()
    pieces = transactions(None, before)
    assert max(piece.count(" . ") // 2 for piece in pieces) < 2 * PIECE
    assert sum(piece.count("goto") for piece in pieces) == 5_000


def test_another_block_replaces_the_table() -> None:
    before = rules(Forward(SERVICE, "TCP", 80, ((A, 1),)))
    after = Rules(RANGES.services, IPv4Address("10.203.0.9"), before.own, before.forwards)
    (text,) = transactions(before, after)
    assert "delete table" in text


@pytest.mark.parametrize(
    ("asked", "sent", "expected"),
    [
        ((SERVICE, 53), (A, 53), False),
        ((SERVICE, 53), (B, 53), True),
        ((SERVICE, 53), (SERVICE, 53), True),
        ((SERVICE, 54), (A, 54), True),
        (("10.203.129.2", 54), ("10.203.129.2", 54), False),
        (("192.0.2.1", 53), ("192.0.2.1", 53), False),
        (("192.0.2.1", 53), (A, 53), False),
    ],
)
def test_a_flow_is_stale_when_its_service_does_not_lead_there(asked: Any, sent: Any, expected: bool) -> None:
    forwards = rules(Forward(SERVICE, "UDP", 53, ((A, 53),))).forwards
    assert is_stale(Flow(asked, sent, b""), forwards, RANGES.services) is expected


@pytest.fixture
def network() -> Iterator[PodNetwork]:
    with pod_network() as made:
        made.add_pod("a", A, listens=8080)
        made.add_pod("b", B, listens=8080)
        made.add_pod("c", C)
        yield made


def load(network: PodNetwork, before: Rules | None, after: Rules) -> Rules:
    for text in transactions(before, after):
        network.run("router", "nft", "-f", "-", given=text)
    return after


def ask(network: PodNetwork, where: str, kind: str, port: int = 80, times: int = 1, at: str = SERVICE) -> Any:
    argv = (sys.executable, "-I", "-S", "-c", ASKS, kind, at, str(port), str(times))
    return json.loads(network.run(where, *argv))


BOTH = ((A, 8080), (B, 8080))


@pytest.mark.real
def test_connections_are_spread_evenly_and_keep_the_clients_address(network: PodNetwork) -> None:
    load(network, None, rules(Forward(SERVICE, "TCP", 80, BOTH), Forward(SERVICE, "UDP", 81, BOTH)))
    for kind, port in (("tcp", 80), ("udp", 81)):
        seen = ask(network, "c", kind, port, times=400)
        assert seen.keys() == {f"a {C}", f"b {C}"}
        # 400 throws of a coin leave 120 to 280 once in a million million times.
        assert 120 < seen[f"a {C}"] < 280
    assert next(iter(ask(network, "router", "tcp")))[:2] in ("a ", "b ")


@pytest.mark.real
def test_what_leads_nowhere_is_refused_at_once_and_other_addresses_are_left_alone(
    network: PodNetwork,
) -> None:
    load(
        network,
        None,
        rules(Forward(SERVICE, "TCP", 80), Forward(SERVICE, "UDP", 80), Forward(SERVICE, "TCP", 82, BOTH)),
    )
    for kind, port in (("tcp", 80), ("udp", 80), ("tcp", 81), ("udp", 82)):
        assert ask(network, "c", kind, port) == {"ConnectionRefusedError": 1}, (kind, port)
        refused = "ConnectionRefusedError" if kind == "tcp" else "PermissionError"
        assert ask(network, "router", kind, port) == {refused: 1}, (kind, port)
    assert ask(network, "c", "tcp", 8080, at=A) == {f"a {C}": 1}
    network.start("router", sys.executable, "-I", "-S", "-c", ANSWERS, "dns", "53")
    assert ask(network, "c", "tcp", 53, at=str(RANGES.dns)) == {f"dns {C}": 1}


@pytest.mark.real
def test_a_pod_reaches_itself_through_its_service(network: PodNetwork) -> None:
    load(
        network,
        None,
        rules(Forward(SERVICE, "TCP", 80, ((A, 8080),)), Forward(SERVICE, "UDP", 80, ((A, 8080),))),
    )
    for kind in ("tcp", "udp"):
        assert ask(network, "a", kind) == {f"a {RANGES.gateway}": 1}


@pytest.mark.real
def test_a_client_stays_with_its_backend_while_that_is_there(network: PodNetwork) -> None:
    both = load(network, None, rules(Forward(SERVICE, "TCP", 80, BOTH, 60)))
    (first,) = ask(network, "c", "tcp", times=30)
    # Another port comes, a third backend comes and goes: the client stays where it was.
    more = rules(Forward(SERVICE, "TCP", 80, (*BOTH, (C, 8080)), 60), Forward(SERVICE, "TCP", 90, BOTH))
    after = load(network, load(network, both, more), rules(Forward(SERVICE, "TCP", 80, BOTH, 60)))
    assert ask(network, "c", "tcp", times=30) == {first: 30}
    stays, leaves = (A, "b") if first.startswith("b") else (B, "a")
    other = load(network, after, rules(Forward(SERVICE, "TCP", 80, ((stays, 8080),), 60)))
    (second,) = ask(network, "c", "tcp", times=5)
    assert not second.startswith(leaves)
    load(network, other, rules(Forward(SERVICE, "TCP", 80, BOTH, 60)))
    assert ask(network, "c", "tcp", times=30) == {second: 30}


@pytest.mark.real
def test_a_client_is_sent_anew_after_it_was_silent_for_so_long(network: PodNetwork) -> None:
    load(network, None, rules(Forward(SERVICE, "TCP", 80, BOTH, 1)))
    seen: set[str] = set()
    for _ in range(20):
        seen |= ask(network, "c", "tcp").keys()
        network.run("router", "sleep", "1.1")
        if len(seen) == 2:
            break
    assert len(seen) == 2


UDP_STAYS = """
import socket, sys
client = socket.socket(type=socket.SOCK_DGRAM)
client.settimeout(1)
client.connect((sys.argv[1], 80))
for _ in sys.stdin:
    try:
        client.send(b"?")
        print(client.recv(100).decode(), flush=True)
    except OSError as error:
        print(type(error).__name__, flush=True)
"""


@pytest.mark.real
def test_a_udp_client_that_keeps_its_port_is_sent_on_when_its_backend_goes(network: PodNetwork) -> None:
    forget = (
        "import sys; from tidegate.local.nodes.network import conntrack, forwards;"
        "from ipaddress import IPv4Network; found = forwards.from_json(sys.stdin.buffer.read());"
        "print(conntrack.forget_stale({one.key: one for one in found}, IPv4Network(sys.argv[1])))"
    )

    def forgotten(after: Rules) -> int:
        argv = (sys.executable, "-c", forget, str(RANGES.services))
        return int(network.run("router", *argv, given=to_json(after.forwards.values()).decode()))

    before = load(network, None, rules(Forward(SERVICE, "UDP", 80, ((A, 8080),))))
    with network.opened("c", sys.executable, "-I", "-S", "-c", UDP_STAYS, SERVICE) as say:
        assert say() == f"a {C}"
        assert forgotten(before) == 0
        after = load(network, before, rules(Forward(SERVICE, "UDP", 80, ((B, 8080),))))
        assert say() == f"a {C}", "the kernel has become able to do this by itself"
        assert forgotten(after) == 1
        assert say() == f"b {C}"
        last = load(network, after, rules())
        assert forgotten(last) == 1
        assert say() == "ConnectionRefusedError"


@pytest.mark.real
def test_the_kernel_takes_each_change_and_ends_with_what_a_replacement_gives(network: PodNetwork) -> None:
    steps = [
        rules(Forward(SERVICE, "TCP", 80, BOTH), Forward(SERVICE, "UDP", 80, BOTH)),
        rules(Forward(SERVICE, "TCP", 80, BOTH, 30)),
        rules(Forward(SERVICE, "TCP", 80, ((B, 8080),)), Forward(SERVICE, "SCTP", 80, ((A, 1),))),
        rules(Forward(SERVICE, "TCP", 80, BOTH)),
        rules(),
        rules(
            *(
                Forward(f"10.203.130.{n}", "TCP", p, ((A, n), (B, n), (C, n)))
                for n in range(1, 250)
                for p in (1, 2)
            )
        ),
        rules(Forward(SERVICE, "TCP", 80, BOTH)),
    ]
    before = None
    for step in steps:
        before = load(network, before, step)
        by_steps = network.run("router", "nft", "list", "ruleset")
        network.run("router", "nft", "-f", "-", given=ruleset(step))
        assert sorted(_parts(by_steps)) == sorted(_parts(network.run("router", "nft", "list", "ruleset")))


@pytest.mark.real
def test_the_kernel_takes_five_thousand_services_of_ten_pods(network: PodNetwork) -> None:
    all_of_them = [many(number) for number in range(5_000)]
    before = rules(*all_of_them)
    few = transactions(None, rules(*all_of_them[:500]))
    assert len(few) > 5, "an ordinary user may not load so many at once"
    for text in (*few, ruleset(before)):
        network.run("router", "nft", "-f", "-", given=text)
    after = rules(many(0, 9), *all_of_them[1:], Forward("10.203.250.1", "TCP", 80, BOTH))
    load(network, before, after)
    found = network.run("router", "nft", "list", "map", "ip", "tidegate", "backends")
    assert len(re.findall(r"0x[0-9a-f]+ : ", found)) == 50_001
    assert ask(network, "c", "tcp", at="10.203.250.1", times=20).keys() == {f"a {C}", f"b {C}"}


def _parts(text: str) -> list[str]:
    return [part.strip(" \t,{}") for part in re.split(r"\n|, |\{", text)]
