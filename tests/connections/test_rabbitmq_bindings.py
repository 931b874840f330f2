"""A real RabbitMQ whose exchanges are listened to: what is heard, what it costs, and when it is in vain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import pytest

from parts.proxy import Proxy
from parts.rabbitmq_server import RabbitmqServer
from parts.server_process import Servers
from parts.waiting import until_so
from parts.watched import watched
from tidegate.base.errors import Denied, Misconfigured, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.rabbitmq import bindings
from tidegate.connections.rabbitmq.amqp import AmqpConnection
from tidegate.kit.systems.rabbitmq import AmqpServer, QueueDepth, RoutedMessages

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("rabbitmq")]

ANY = AmqpServer("any", 1)
ProxyFor = Callable[[int], Awaitable[Proxy]]


@pytest.fixture(scope="module")
def broker(servers: Servers) -> RabbitmqServer:
    """Exchanges of three kinds, whose messages go to the queue of the same name."""
    broker = servers.get(RabbitmqServer)
    for kind in ("direct", "topic", "fanout"):
        broker.api("PUT", f"/exchanges/%2F/listened-{kind}", {"type": kind})
        broker.make_queue(f"listened-{kind}")
        route = {"routing_key": "#" if kind == "topic" else "jobs"}
        broker.api("POST", f"/bindings/%2F/e/listened-{kind}/q/listened-{kind}", route)
    return broker


def adapter_of(broker: RabbitmqServer, address: str = "", **of_server: Any) -> AmqpConnection:
    host, _, port = (address or broker.address).rpartition(":")
    login = {"username": "admin", "password": broker.password}
    timeout_s = of_server.pop("timeout_s", 10.0)
    return AmqpConnection(
        AmqpServer(host, int(port), **{**login, **of_server}), Surroundings(timeout_s=timeout_s)
    )


def listened(binding: str) -> RoutedMessages:
    return RoutedMessages(ANY, binding)


async def publish(broker: RabbitmqServer, exchange: str, key: str, payload: str = "x") -> None:
    message = {"properties": {}, "routing_key": key, "payload": payload, "payload_encoding": "string"}
    await asyncio.to_thread(broker.api, "POST", f"/exchanges/%2F/{quote(exchange, safe='')}/publish", message)


async def own_queues(broker: RabbitmqServer) -> list[str]:
    """The queues at the broker that are those of a listener."""
    queues = await asyncio.to_thread(broker.api, "GET", "/queues/%2F")
    return [one["name"] for one in queues if one["name"].startswith("amq.gen-")]


async def test_each_message_that_goes_the_way_of_a_binding_is_told_and_stays_where_it_is(
    broker: RabbitmqServer,
) -> None:
    adapter = adapter_of(broker)
    direct, topic, fanout = (
        listened("listened-direct/jobs"),
        listened("listened-topic/orders.*"),
        listened("listened-fanout"),
    )
    async with watched(adapter, direct, topic, fanout) as heard:
        await heard.until_open()
        for question, exchange, key in (
            (direct, "listened-direct", "jobs"),
            (topic, "listened-topic", "orders.created"),
            (fanout, "listened-fanout", "whatever"),
        ):
            await publish(broker, exchange, key)
            await heard.told(question)
        await publish(broker, "listened-topic", "returns.created")
        await publish(broker, "listened-direct", "other")
        await publish(broker, "listened-fanout", "last", "x" * 300_000)
        await heard.so(lambda: heard.pushes[fanout])
        assert heard.pushes.keys() == {fanout}
        questions = [QueueDepth(ANY, f"listened-{kind}") for kind in ("direct", "topic", "fanout")]
        assert await adapter.answer(questions) == [1, 2, 2]
    assert adapter.connections == 2, "one to ask, one to listen"


async def test_a_busy_binding_is_told_once_a_second_and_its_last_message_is_not_lost(
    broker: RabbitmqServer,
) -> None:
    adapter, jobs = adapter_of(broker), listened("listened-direct/busy")
    async with watched(adapter, jobs) as heard:
        await heard.until_open()
        began_s = asyncio.get_running_loop().time()
        for _ in range(50):
            await publish(broker, "listened-direct", "busy")
        await heard.so(lambda: heard.pushes[jobs] >= 2)
        passed_s = asyncio.get_running_loop().time() - began_s
        assert heard.pushes[jobs] <= 2 + passed_s / bindings.REST_S


async def test_many_bindings_share_a_connection_and_nothing_is_left_of_them(broker: RabbitmqServer) -> None:
    adapter = adapter_of(broker)
    questions = [listened(f"listened-direct/{number}") for number in range(50)]
    async with watched(adapter, *questions) as heard:
        await heard.until_open()
        assert adapter.connections == 1

        async def are_all_there() -> bool:
            return len(await own_queues(broker)) == 50

        await until_so(are_all_there)
        for question in questions[:49]:
            await heard.leave(question)

        async def is_one_left() -> bool:
            return len(await own_queues(broker)) == 1

        await until_so(is_one_left)
        heard.watch(questions[3])
        await heard.told(questions[3])
        await publish(broker, "listened-direct", "3")
        await heard.told(questions[3])

    async def are_none_left() -> bool:
        return not await own_queues(broker)

    await until_so(are_none_left)


@pytest.mark.parametrize(
    ("binding", "kind", "words"),
    [
        ("nowhere/jobs", Misconfigured, "there is no such exchange"),
        ("/jobs", Misconfigured, "goes through none"),
        ("x" * 256, Misconfigured, "longer than 255 bytes"),
    ],
)
async def test_a_binding_that_cannot_be_is_refused_alone(
    broker: RabbitmqServer, binding: str, kind: type[Exception], words: str
) -> None:
    adapter, good, bad = adapter_of(broker), listened("listened-direct/jobs"), listened(binding)
    async with watched(adapter, good, bad) as heard:
        assert words in await heard.why(bad)
        assert isinstance(heard.ended[bad], kind)
        await heard.so(lambda: adapter.is_watching(good))
        assert not adapter.is_watching(bad)


async def test_a_user_who_may_not_bind_is_told_what_he_lacks(broker: RabbitmqServer) -> None:
    adapter, jobs = adapter_of(broker, username="reader"), listened("listened-direct/jobs")
    async with watched(adapter, jobs) as heard:
        why = await heard.why(jobs)
        assert isinstance(heard.ended[jobs], Denied)
        assert "read the exchange" in why
        assert "hunter2" not in why


async def test_more_bindings_than_there_may_be_are_only_polled(broker: RabbitmqServer) -> None:
    adapter = adapter_of(broker)
    questions = [listened(f"listened-direct/{number}") for number in range(bindings.MOST_CHANNELS + 1)]
    async with watched(adapter, *questions) as heard:
        await heard.so(lambda: heard.ended and len(heard.pushes) == bindings.MOST_CHANNELS)
        (error,) = heard.ended.values()
        assert isinstance(error, Unsupported)
        assert "200 bindings are listened to already" in str(error)


async def test_a_connection_that_was_cut_is_told_and_opened_again(
    broker: RabbitmqServer, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(broker.port)
    adapter, jobs = adapter_of(broker, proxy.address), listened("listened-direct/jobs")
    async with watched(adapter, jobs) as heard:
        await heard.until_open()
        proxy.cut()
        await heard.why(jobs)
        assert isinstance(heard.ended[jobs], Unreachable)
        assert not adapter.is_watching(jobs)
        await heard.reopened(jobs)
        await publish(broker, "listened-direct", "jobs")
        await heard.told(jobs)


async def test_a_broker_that_says_nothing_is_given_up(broker: RabbitmqServer, proxy_for: ProxyFor) -> None:
    proxy = await proxy_for(broker.port)
    proxy.mode = "stall"
    adapter, jobs = adapter_of(broker, proxy.address, timeout_s=0.3), listened("listened-direct/jobs")
    async with watched(adapter, jobs) as heard:
        assert "no answer within 0.3 s" in await heard.why(jobs)


async def test_an_address_and_a_login_that_are_wrong_are_told(
    broker: RabbitmqServer,
) -> None:
    jobs = listened("listened-direct/jobs")
    for more, kind in (
        ({"address": "127.0.0.1:1"}, Unreachable),
        ({"address": "nowhere.invalid:5672"}, Unreachable),
        ({"password": "hunter2-wrong"}, Denied),
    ):
        async with watched(adapter_of(broker, **more), jobs) as heard:
            assert "hunter2" not in await heard.why(jobs)
            assert isinstance(heard.ended[jobs], kind), more


async def test_what_is_no_binding_is_not_watched(broker: RabbitmqServer) -> None:
    with pytest.raises(Unsupported, match="cannot watch QueueDepth"):
        await adapter_of(broker).watch(QueueDepth(ANY, "jobs"), lambda: None)
