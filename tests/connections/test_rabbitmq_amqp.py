"""A real RabbitMQ over AMQP: batches, logins, virtual hosts, and everything a network does to us."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from parts import faults
from parts.proxy import Proxy
from parts.rabbitmq_server import RabbitmqServer
from parts.server_process import Servers
from parts.waiting import until
from tidegate.base.errors import Denied, Malformed, Misconfigured, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import AddressPolicy
from tidegate.connections.rabbitmq import frames
from tidegate.connections.rabbitmq.amqp import AmqpConnection
from tidegate.kit.systems.kubernetes import PodCount
from tidegate.kit.systems.rabbitmq import AmqpServer, QueueDepth
from tidegate.kit.tls import Tls

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("rabbitmq")]

Connect = Callable[..., AmqpConnection]
ProxyFor = Callable[[int], Awaitable[Proxy]]


@pytest.fixture(scope="module")
def broker(servers: Servers) -> RabbitmqServer:
    broker = servers.get(RabbitmqServer)
    broker.make_queue("empty")
    broker.make_queue("jobs", 3)
    return broker


@pytest.fixture
async def connect(broker: RabbitmqServer) -> AsyncIterator[Connect]:
    """Makes adapters: `connect(address, vhost=…, timeout_s=…)`; they end with the test."""
    made: list[AmqpConnection] = []

    def make(address: str = "", *, timeout_s: float = 5.0, resolve: Any = None, **of_server: Any) -> Any:
        host, _, port = (address or broker.address).rpartition(":")
        login = {"username": "reader", "password": broker.password}
        around = Surroundings(timeout_s=timeout_s, **({"resolve": resolve} if resolve else {}))
        made.append(AmqpConnection(AmqpServer(host, int(port), **{**login, **of_server}), around))
        return made[-1]

    yield make
    for adapter in made:
        await adapter.close()


def depths(*queues: str) -> list[QueueDepth]:
    return [QueueDepth(AmqpServer("any", 1), queue) for queue in queues]


async def test_each_queue_has_its_ready_messages(connect: Connect) -> None:
    adapter = connect()
    for _ in range(2):
        assert await adapter.answer(depths("jobs", "empty", "jobs")) == [3, 0, 3]


async def test_a_missing_queue_fails_alone_and_is_no_zero(connect: Connect) -> None:
    adapter = connect()
    for _ in range(2):
        first, none, last = await adapter.answer(depths("jobs", "none", "empty"))
        assert (first, last) == (3, 0)
        assert isinstance(none, Misconfigured)
        assert "queue none" in str(none)
        assert "no such queue" in str(none)
    assert adapter.connections == 1


@pytest.mark.parametrize("name", ["with space", "$dollar", "größe", "a/b", "x" * 255, "[a|b]*"])
async def test_names_that_client_libraries_refuse_are_counted(
    broker: RabbitmqServer, connect: Connect, name: str
) -> None:
    broker.make_queue(name, 1)
    assert await connect().answer(depths(name)) == [1]
    broker.drop_queue(name)


async def test_a_name_too_long_for_the_protocol_fails_alone(connect: Connect) -> None:
    long, jobs = await connect().answer(depths("x" * 256, "jobs"))
    assert isinstance(long, Misconfigured)
    assert "longer than 255 bytes" in str(long)
    assert jobs == 3


async def test_a_thousand_triggers_are_one_exchange_on_one_connection(
    connect: Connect, broker: RabbitmqServer, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(broker.port)
    adapter = connect(proxy.address)
    questions = depths(*("jobs", "empty") * 500)
    assert adapter.batch == len(questions)
    assert await adapter.answer(questions) == [3, 0] * 500
    before = adapter.round_trips
    for _ in range(3):
        assert await adapter.answer(questions) == [3, 0] * 500
    assert adapter.round_trips == before + 3
    assert (proxy.connections, proxy.open, adapter.connections) == (1, 1, 1)


async def test_hundreds_of_missing_queues_hold_nobody_up(
    connect: Connect, broker: RabbitmqServer, proxy_for: ProxyFor
) -> None:
    """Each missing queue closes its channel; sixteen channels go on side by side."""
    proxy = await proxy_for(broker.port)
    adapter = connect(proxy.address)
    answers = await adapter.answer(depths(*(name for n in range(200) for name in ("jobs", f"none-{n}"))))
    assert answers[::2] == [3] * 200
    assert all(
        isinstance(one, Misconfigured) and f"none-{n}" in str(one) for n, one in enumerate(answers[1::2])
    )
    assert proxy.connections == 1


async def test_a_virtual_host_has_its_own_queues(connect: Connect, broker: RabbitmqServer) -> None:
    for vhost, messages in (("/media", 2), ("größe 1", 1)):
        broker.make_vhost(vhost)
        broker.make_queue("jobs", messages, vhost)
        assert await connect(username="admin", vhost=vhost).answer(depths("jobs")) == [messages]


@pytest.mark.parametrize("vhost", ["none", "/media"])
async def test_a_virtual_host_that_is_not_there_or_not_ours_is_denied(
    connect: Connect, broker: RabbitmqServer, vhost: str
) -> None:
    broker.make_vhost("/media")
    with pytest.raises(Denied, match=f"vhost {vhost}") as caught:
        await connect(vhost=vhost).answer(depths("jobs"))
    assert "no such virtual host, or the user may not use it" in str(caught.value)


async def test_a_virtual_host_with_a_name_that_none_can_have_is_everybodys_own_failure(
    connect: Connect,
) -> None:
    (answer,) = await connect(vhost="x" * 256).answer(depths("jobs"))
    assert isinstance(answer, Misconfigured)


async def test_counting_takes_no_rights_but_to_the_virtual_host(connect: Connect) -> None:
    assert await connect(username="nobody").answer(depths("jobs")) == [3]


@pytest.mark.parametrize(
    "wrong",
    [{"password": "hunter2-wrong"}, {"username": "somebody"}, {"username": "guest", "password": "guest"}],
    ids=["password", "user", "guest"],
)
async def test_whom_the_broker_does_not_know_is_denied(
    connect: Connect, broker: RabbitmqServer, wrong: dict[str, str]
) -> None:
    adapter = connect(**wrong)
    for _ in range(2):
        with pytest.raises(Denied, match=broker.address) as caught:
            await adapter.answer(depths("jobs"))
        assert "hunter2" not in str(caught.value)


async def test_a_question_of_another_system_is_refused_alone(connect: Connect) -> None:
    other, depth = await connect().answer([PodCount("shop", "app=web"), *depths("jobs")])
    assert isinstance(other, Unsupported)
    assert depth == 3


# --- TLS


async def test_tls_with_the_brokers_authority(connect: Connect, broker: RabbitmqServer) -> None:
    assert await connect(broker.tls_address, tls=Tls(ca=broker.ca_text)).answer(depths("jobs")) == [3]
    assert await connect(broker.tls_address, tls=Tls(is_verified=False)).answer(depths("jobs")) == [3]


async def test_a_client_certificate_logs_in(connect: Connect, broker: RabbitmqServer) -> None:
    tls = Tls(ca=broker.ca_text, cert=broker.client_cert, key=broker.client_key)
    external = {"username": "guest", "password": "guest", "is_external": True}
    assert await connect(broker.tls_address, tls=tls, **external).answer(depths("jobs")) == [3]
    without = connect(broker.tls_address, tls=replace(tls, cert="", key=""), **external)
    with pytest.raises(Denied, match="client certificate whose name is a user"):
        await without.answer(depths("jobs"))


async def test_a_broker_that_takes_no_certificates_for_a_login_is_told(
    connect: Connect, broker: RabbitmqServer
) -> None:
    trust = Tls(ca=faults.authority().cert_pem.bytes().decode())
    async with faults.in_tls(broker.port) as front:
        with pytest.raises(Denied, match="does not take EXTERNAL"):
            await connect(front.address, tls=trust, is_external=True).answer(depths("jobs"))


async def test_a_certificate_of_an_unknown_authority_is_not_trusted(
    connect: Connect, broker: RabbitmqServer
) -> None:
    with pytest.raises(Unreachable, match="certificate is not trusted"):
        await connect(broker.tls_address, tls=Tls()).answer(depths("jobs"))


async def test_a_certificate_for_another_name_is_not_trusted(
    connect: Connect, broker: RabbitmqServer
) -> None:
    address = broker.tls_address.replace("127.0.0.1", "elsewhere")
    adapter = connect(address, tls=Tls(ca=broker.ca_text), resolve=lambda _: "127.0.0.1")
    with pytest.raises(Unreachable, match="certificate is not trusted"):
        await adapter.answer(depths("jobs"))


async def test_an_authority_that_cannot_be_read_is_told_by_its_parameter(
    connect: Connect, broker: RabbitmqServer
) -> None:
    (answer,) = await connect(broker.tls_address, tls=Tls(ca="nonsense")).answer(depths("jobs"))
    assert isinstance(answer, Misconfigured)
    assert "TLS parameter ca" in str(answer)


async def test_tls_to_a_plain_port_and_back(connect: Connect, broker: RabbitmqServer) -> None:
    with pytest.raises(Unreachable, match="TLS failed"):
        await connect(tls=Tls(is_verified=False)).answer(depths("jobs"))
    with pytest.raises(Unreachable, match="speaks TLS"):
        await connect(broker.tls_address).answer(depths("jobs"))


# --- what a network does


@pytest.mark.parametrize("bad", faults.UNREACHABLE, ids=lambda bad: bad.__name__)
async def test_a_bad_server_is_unreachable(connect: Connect, bad: Callable[[], Any]) -> None:
    async with bad() as server:
        adapter = connect(server.address, timeout_s=0.3)
        with pytest.raises(Unreachable, match=server.address) as caught:
            await adapter.answer(depths("jobs"))
        assert "hunter2" not in str(caught.value)


async def test_a_name_that_does_not_resolve_is_unreachable(connect: Connect) -> None:
    with pytest.raises(Unreachable, match=faults.NOWHERE):
        await connect(f"{faults.NOWHERE}:5672").answer(depths("jobs"))


async def test_the_name_is_resolved_and_both_are_told(connect: Connect, broker: RabbitmqServer) -> None:
    address = f"rabbitmq.default.svc:{broker.port}"
    adapter = connect(address, resolve=lambda _: "127.0.0.1")
    assert await adapter.answer(depths("jobs")) == [3]
    (none,) = await adapter.answer(depths("none"))
    assert "rabbitmq.default.svc" in str(none)
    assert "(127.0.0.1)" in str(none)


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 400 Bad Request\r\nhunter2-echo\r\n\r\n",
        b"AMQP\x00\x00\x09\x01",
        b"+OK\r\n" * 10,
        frames.HEAD.pack(frames.METHOD, 0, 10_000_000) + b"x" * 1000,
        frames.HEAD.pack(frames.METHOD, 0, 4) + b"\x00\x0a\x00\x0a\xce",
        frames.HEAD.pack(frames.METHOD, 0, 2) + b"\x00\x0a\xce",
        frames.HEAD.pack(frames.METHOD, 0, 4) + b"\x00\x0a\x00\x0a!",
        frames.method(0, frames.SECURE, b"\x00\x00\x00\x00"),
        frames.method(0, frames.START, b"\x00\x09\xff\xff\xff\xff") * 3,
    ],
    ids=[
        "http",
        "other version",
        "text",
        "ten megabytes",
        "cut",
        "no method",
        "no end",
        "other method",
        "short",
    ],
)
async def test_what_is_not_amqp_is_malformed(connect: Connect, text: bytes) -> None:
    async with faults.saying(text) as server:
        (answer,) = await connect(server.address, timeout_s=2.0).answer(depths("jobs"))
    assert isinstance(answer, Malformed)
    assert "not AMQP 0-9-1" in str(answer)
    assert "hunter2" not in str(answer)


async def test_more_than_was_asked_for_is_not_kept(connect: Connect) -> None:
    flood = frames.method(7, frames.CHANNEL_OPEN_OK, b"\x00\x00\x00\x00") * 20_000
    async with faults.saying(flood) as server:
        (answer,) = await connect(server.address, timeout_s=2.0).answer(depths("jobs"))
    assert isinstance(answer, Malformed)


async def test_a_broker_that_stalls_is_unreachable_in_time_and_heals(
    connect: Connect, broker: RabbitmqServer, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(broker.port)
    adapter = connect(proxy.address, timeout_s=0.5)
    assert await adapter.answer(depths("jobs")) == [3]
    proxy.mode = "stall"
    with pytest.raises(Unreachable, match=r"no answer within 0\.5 s"):
        await adapter.answer(depths("jobs"))
    proxy.mode = "pass"
    assert await adapter.answer(depths("jobs")) == [3]


@pytest.mark.parametrize("mode", ["garble", "cut"])
async def test_what_breaks_in_the_middle_is_a_failure_and_heals(
    connect: Connect, broker: RabbitmqServer, proxy_for: ProxyFor, mode: str
) -> None:
    proxy = await proxy_for(broker.port)
    adapter = connect(proxy.address)
    assert await adapter.answer(depths("jobs")) == [3]
    if mode == "garble":
        proxy.mode = "garble"
        (answer,) = await adapter.answer(depths("jobs"))
        assert isinstance(answer, Malformed)
    else:
        proxy.cut_after = 3
        with pytest.raises(Unreachable, match="closed"):
            await adapter.answer(depths("jobs"))
        proxy.cut_after = None
    proxy.mode = "pass"
    assert await adapter.answer(depths("jobs")) == [3]


async def test_a_connection_that_was_cut_is_opened_again_at_once(
    connect: Connect, broker: RabbitmqServer, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(broker.port)
    adapter = connect(proxy.address)
    assert await adapter.answer(depths("jobs")) == [3]
    proxy.cut()
    assert await adapter.answer(depths("jobs")) == [3]
    assert proxy.connections == 2


async def test_a_cancelled_question_leaves_no_answer_behind(
    connect: Connect, broker: RabbitmqServer, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(broker.port)
    adapter = connect(proxy.address)
    assert await adapter.answer(depths("jobs")) == [3]
    proxy.mode = "stall"
    proxy.heard.clear()
    asking = asyncio.create_task(adapter.answer(depths("jobs", "jobs")))
    await proxy.heard.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    proxy.mode = "pass"
    assert await adapter.answer(depths("empty")) == [0]


async def test_the_operators_own_loopback_may_not_be_asked_on_a_cluster(broker: RabbitmqServer) -> None:
    host, _, port = broker.address.partition(":")
    server = AmqpServer(host, int(port), username="reader", password=broker.password)
    adapter = AmqpConnection(server, Surroundings(policy=AddressPolicy.on_a_cluster()))
    (answer,) = await adapter.answer(depths("jobs"))
    assert isinstance(answer, Misconfigured)
    assert "--allow-address" in str(answer)
    allowed = AmqpConnection(server, Surroundings(policy=AddressPolicy.on_a_cluster(["127.0.0.1"])))
    assert await allowed.answer(depths("jobs")) == [3]
    await allowed.close()


async def test_an_idle_connection_is_kept_alive(connect: Connect) -> None:
    """A broker that wants to hear of us every second does, without a question."""
    tune = struct.pack(">HIH", 0, 0, 1)
    offered = b"\x00\x09" + struct.pack(">I", 0) + struct.pack(">I", 5) + b"PLAIN" + struct.pack(">I", 0)
    told = iter(
        [
            frames.method(0, frames.START, offered),
            frames.method(0, frames.TUNE, tune),
            frames.method(0, frames.OPEN_OK, b"\x00"),
        ]
    )
    heard, beats = bytearray(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            heard.extend(piece)
            if heard.count(frames.BEAT) > 1:
                beats.set()
            elif frames.count_of(1, frames.short("jobs")) in heard:
                ready = b"\x04jobs" + struct.pack(">II", 7, 0)
                writer.write(frames.method(1, frames.DECLARE_OK, ready))
            else:
                writer.write(next(told))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    adapter = connect(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        assert await adapter.answer(depths("jobs")) == [7]
        async with asyncio.timeout(5):
            await beats.wait()
    finally:
        await adapter.close()
        server.close()


async def test_closing_is_safe_twice_and_before_opening(connect: Connect, broker: RabbitmqServer) -> None:
    adapter = connect()
    await adapter.close()
    assert await adapter.answer(depths("jobs")) == [3]
    await adapter.close()
    await adapter.close()
    assert await adapter.answer(depths("jobs")) == [3]


async def test_a_broker_that_closes_our_connection_is_asked_anew(
    connect: Connect, broker: RabbitmqServer
) -> None:
    """As `rabbitmqctl close_connection` does it, or an administrator in the browser."""
    adapter = connect(username="admin")
    assert await adapter.answer(depths("jobs")) == [3]

    def listed() -> list[Any]:
        return [one for one in broker.api("GET", "/connections") if "client_properties" in one]

    ours = await until(listed, 20.0)
    assert {one["client_properties"]["connection_name"] for one in ours} == {"tidegate"}
    for one in ours:
        broker.api("DELETE", f"/connections/{one['name'].replace(' ', '%20').replace('>', '%3E')}")
    assert await adapter.answer(depths("jobs")) == [3]


async def test_a_broker_that_restarts_is_found_again(connect: Connect, broker: RabbitmqServer) -> None:
    adapter = connect()
    assert await adapter.answer(depths("empty")) == [0]
    broker.stop()
    with pytest.raises(Unreachable):
        await adapter.answer(depths("empty"))
    broker.start()
    assert await adapter.answer(depths("empty")) == [0]
