"""The nats-jetstream trigger against a real server and a real cluster of three."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from parts import faults
from parts.nats_server import NatsCluster, NatsServer
from parts.one_round import one_round
from parts.proxy import Proxy
from parts.server_process import Servers
from parts.waiting import wait_until
from tidegate.api.triggers import Trigger
from tidegate.kit import reading
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.scalers.nats_jetstream import JetStreamConsumer

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("nats")]

ProxyFor = Callable[[int], Awaitable[Proxy]]


@pytest.fixture(scope="module")
def nats(servers: Servers) -> NatsServer:
    """`orders` with five messages: `invoices` has been given one and owes its acknowledgement."""
    nats = servers.get(NatsServer)
    nats.make("orders", "invoices", "mails")
    nats.publish("orders", 5)
    nats.take("orders", "invoices")
    nats.make("orders", "invoices", user="other")
    return nats


@pytest.fixture(scope="module")
def cluster(servers: Servers) -> NatsCluster:
    cluster = servers.get(NatsCluster)
    first = cluster.nodes[0]
    first.make("orders", "invoices", copies=3)
    first.make("alone", "invoices")
    first.publish("orders", 4)
    first.publish("alone", 2)
    return cluster


def build(address: str, stream: str = "orders", consumer: str = "invoices", **more: str) -> Any:
    texts = {"natsServerMonitoringEndpoint": address, "stream": stream, "consumer": consumer}
    texts = {"account": "SHOP", **texts, **more}
    trigger = Trigger(type="nats-jetstream", metadata=texts)
    made = reading.build(JetStreamConsumer, trigger, Sources(texts, {}, {}), Scope("s"))
    assert isinstance(made, JetStreamConsumer), made
    return made


async def measured(scaler: Any, **around: Any) -> Any:
    return (await one_round([scaler], **around)).values[0]


async def test_what_a_consumer_has_before_it_and_owes_is_its_lag(nats: NatsServer) -> None:
    where = nats.monitoring
    assert await measured(build(where)) == 5
    assert await measured(build(where, consumer="mails")) == 5
    assert await measured(build(where, account="OTHER")) == 0


async def test_acknowledged_messages_count_no_more() -> None:
    with NatsServer() as own:
        own.make("orders", "invoices")
        own.publish("orders", 3)
        assert await measured(build(own.monitoring)) == 3
        own.acknowledge("orders", "invoices")
        assert await measured(build(own.monitoring)) == 2


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"account": "NOBODY"}, "account not found"),
        ({"stream": "bills"}, 'stream "bills" not found'),
        ({"consumer": "bills"}, 'consumer "bills" not found in stream "orders"'),
    ],
)
async def test_what_is_not_there_is_told(nats: NatsServer, how: dict[str, str], words: str) -> None:
    assert words in await measured(build(nats.monitoring, **how))


async def test_a_thousand_triggers_are_one_request(nats: NatsServer, proxy_for: ProxyFor) -> None:
    nats.make("many", *(f"c{number}" for number in range(20)))
    nats.publish("many", 2)
    proxy = await proxy_for(nats.ports[1])
    triggers = [build(proxy.address, "many", f"c{n % 20}", lagThreshold=str(n + 1)) for n in range(1000)]
    round = await one_round(triggers)
    assert round.values == [2] * 1000
    assert round.requests == {f"NATS http://{proxy.address}": 1}
    assert proxy.requests == ["GET /jsz?acc=SHOP&consumers=true"]


async def test_in_a_cluster_any_node_leads_to_the_right_number(cluster: NatsCluster) -> None:
    cluster.settle("invoices", "orders", "alone")
    for node in cluster.nodes:
        assert await measured(build(node.monitoring)) == 4
        assert await measured(build(node.monitoring, "alone")) == 2


async def test_a_thousand_triggers_of_a_cluster_are_eight_requests_at_most(cluster: NatsCluster) -> None:
    cluster.settle("invoices", "orders", "alone")
    where = cluster.nodes[0].monitoring
    triggers = [
        build(where, stream, lagThreshold=str(n + 1)) for n in range(500) for stream in ("orders", "alone")
    ]
    round = await one_round(triggers)
    assert Counter(round.values) == {4: 500, 2: 500}
    assert 4 <= sum(round.requests.values()) <= 8  # fewer where the first nodes lead


async def test_when_a_leader_is_lost_the_next_one_is_found() -> None:
    with NatsCluster() as own:
        own.nodes[0].make("orders", "invoices", copies=3)
        own.nodes[0].publish("orders", 3)
        own.settle("invoices", "orders")
        assert await measured(build(own.nodes[0].monitoring)) == 3
        leader = own.leader("orders", "invoices")
        other = next(node for node in own.nodes if node is not leader)
        leader.kill()
        wait_until(lambda: own.leader("orders", "invoices") not in (None, leader), "another one leads", 30)
        assert await measured(build(other.monitoring), timeout_s=1.0) == 3


async def test_after_a_restart_the_next_round_is_answered() -> None:
    with NatsServer() as own:
        own.make("orders", "invoices")
        own.publish("orders", 2)
        assert await measured(build(own.monitoring)) == 2
        own.stop()
        assert "connection refused" in await measured(build(own.monitoring))
        own.start()
        assert await measured(build(own.monitoring)) == 2


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_server_that_cannot_be_asked_is_named(fault: Any) -> None:
    async with fault() as bad:
        (one,) = (await one_round([build(bad.address)], timeout_s=0.3)).readings
    assert one.failure is not None
    assert one.failure.kind == "Unreachable"
    assert bad.address in one.failure.message


async def test_what_a_network_does_is_no_number(nats: NatsServer, proxy_for: ProxyFor) -> None:
    assert "TLS" in await measured(build(nats.monitoring, useHttps="true"))
    assert faults.NOWHERE in await measured(build(f"{faults.NOWHERE}:8222"))
    proxy = await proxy_for(nats.ports[1])
    proxy.cut_after = 300
    assert "cannot read the lags" in await measured(build(proxy.address))
    proxy.cut_after, proxy.mode = None, "garble"
    assert "cannot read the lags" in await measured(build(proxy.address))
    proxy.mode = "stall"
    assert "no answer within" in await measured(build(proxy.address), timeout_s=0.3)


async def test_a_strange_answer_is_a_failure_without_its_words() -> None:
    for body in (b"hunter2", b'{"hunter2": 1}', b'[{"streams": "hunter2"}]'):
        async with faults.answering(body) as bad:
            said = await measured(build(bad.address))
        assert "cannot read the lags" in said
        assert "hunter2" not in said
    async with faults.answering(b"hunter2", "401 Unauthorized") as bad:
        assert "hunter2" not in await measured(build(bad.address))
    async with faults.huge(b'{"streams": 0, "x": "', b'"}', size=34 << 20) as bad:
        assert "larger than 32 MiB" in await measured(build(bad.address))
