"""Real brokers' Jolokia: ActiveMQ Classic and Artemis; packs, logins, origins, and what a network does."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from parts import faults
from parts.http_server import answering
from parts.jolokia_servers import ORIGIN, ActivemqServer, ArtemisServer, JolokiaProcess
from parts.proxy import Proxy
from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.base.errors import Denied, Malformed, Misconfigured, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.jolokia import JolokiaConnection
from tidegate.kit import reading
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.http import HttpLogin, HttpServer, basic
from tidegate.kit.systems.jolokia import JolokiaServer
from tidegate.kit.systems.kubernetes import PodCount
from tidegate.kit.tls import Tls

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("jolokia")]

Connect = Callable[..., JolokiaConnection]
ProxyFor = Callable[[int], Awaitable[Proxy]]


@pytest.fixture(scope="module", params=[ActivemqServer, ArtemisServer], ids=["activemq", "artemis"])
def broker(request: pytest.FixtureRequest) -> Iterator[JolokiaProcess]:
    """One after the other: each is a JVM."""
    with request.param() as server:
        server.make_queue("jobs", 3)
        server.make_queue("empty", 0)
        server.make_queue("a b+c&d", 1)
        yield server


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    made: list[JolokiaConnection] = []

    def make(server: JolokiaServer, timeout_s: float = 5.0) -> JolokiaConnection:
        made.append(JolokiaConnection(server, Surroundings(timeout_s=timeout_s)))
        return made[-1]

    yield make
    for adapter in made:
        await adapter.close()


def questions(broker: JolokiaProcess, *queues: str, address: str = "", **more: str) -> list[Any]:
    """What triggers for these queues ask, whose settings are as users write them."""
    asked: list[Any] = []
    for queue in queues:
        if isinstance(broker, ActivemqServer):
            kind, names = "activemq", {"destinationName": queue}
        else:
            kind, names = "artemis-queue", {"queueName": queue, "brokerAddress": queue}
        metadata = {
            "managementEndpoint": address or broker.jolokia,
            "brokerName": broker.token,
            "corsHeader": ORIGIN,
            **names,
            **more,
        }
        auth = {"username": broker.login, "password": broker.password}
        auth |= {key: more[key] for key in auth if key in more}
        found = scalers.find(kind)
        assert found is not None
        made: Any = reading.build(
            found, Trigger(type=kind, metadata=metadata), Sources(metadata, {}, auth), Scope("shop")
        )
        drive(made.measure(ASK, datetime.now(UTC)), lambda one: asked.append(one) or 0)
    return asked


async def test_each_queue_has_its_messages(broker: JolokiaProcess, connect: Connect) -> None:
    asked = questions(broker, "jobs", "empty", "a b+c&d", "jobs")
    adapter = connect(asked[0].server)
    for _ in range(2):
        assert await adapter.answer(asked) == [3, 0, 1, 3]
        assert await adapter.answer(asked[2:3]) == [1]


@pytest.mark.parametrize("others", [(), ("jobs", "empty")], ids=["by itself", "packed"])
async def test_a_missing_queue_fails_alone_and_is_no_zero(
    broker: JolokiaProcess, connect: Connect, others: tuple[str, ...]
) -> None:
    asked = questions(broker, *others, "none")
    *found, none = await connect(asked[0].server).answer(asked)
    assert found == [3, 0][: len(others)]
    assert isinstance(none, Misconfigured)
    assert "no such queue or broker" in str(none)
    assert ("its address" in str(none)) is isinstance(broker, ArtemisServer)


async def test_a_thousand_triggers_are_one_request_a_batch(
    broker: JolokiaProcess, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(broker.ports[1])
    names = [name for n in range(500) for name in ("jobs", f"none-{n}")]
    asked = questions(broker, *names, address=proxy.address)
    adapter = connect(asked[0].server)
    for begin in range(0, len(asked), adapter.batch):
        answers = await adapter.answer(asked[begin : begin + adapter.batch])
        assert answers[::2] == [3] * (adapter.batch // 2)
        assert all(isinstance(one, Misconfigured) for one in answers[1::2])
    assert proxy.requests == [f"POST {broker.path}/"] * (1000 // adapter.batch)
    assert proxy.connections == 1


@pytest.mark.parametrize("queues", [("jobs",), ("jobs", "empty")], ids=["by itself", "packed"])
async def test_whom_the_broker_does_not_know_is_denied(
    broker: JolokiaProcess, connect: Connect, queues: tuple[str, ...]
) -> None:
    asked = questions(broker, *queues, password="hunter2-wrong")
    with pytest.raises(Denied, match=broker.jolokia) as caught:
        await connect(asked[0].server).answer(asked)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("queues", [("jobs",), ("jobs", "empty")], ids=["by itself", "packed"])
async def test_an_origin_that_jolokia_does_not_allow_is_denied(
    broker: JolokiaProcess, connect: Connect, queues: tuple[str, ...]
) -> None:
    asked = questions(broker, *queues, corsHeader="http://elsewhere.example")
    with pytest.raises(Denied):
        await connect(asked[0].server).answer(asked)


async def test_a_url_of_the_users_own_is_read_as_it_is(broker: JolokiaProcess, connect: Connect) -> None:
    if isinstance(broker, ActivemqServer):
        name = "restAPITemplate"
        bean = f"type=Broker,brokerName={broker.token},destinationType=Queue,destinationName=jobs"
        url = f"http://{broker.jolokia}/api/jolokia/read/org.apache.activemq:{bean}/QueueSize"
    else:
        name = "restApiTemplate"
        bean = f'broker="{broker.token}",component=addresses,address="jobs",subcomponent=queues,'
        bean += 'routing-type="anycast",queue="jobs"'
        url = f"http://{broker.jolokia}/console/jolokia/read/org.apache.activemq.artemis:{bean}/MessageCount"
    asked = questions(broker, "ignored", **{name: url})
    assert await connect(asked[0].server).answer(asked) == [3]


async def test_a_broker_that_stalls_or_cuts_heals(
    broker: JolokiaProcess, connect: Connect, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(broker.ports[1])
    asked = questions(broker, "jobs", "empty", address=proxy.address)
    adapter = connect(asked[0].server, timeout_s=1.0)
    assert await adapter.answer(asked) == [3, 0]
    proxy.mode = "stall"
    with pytest.raises(Unreachable, match="no answer within 1 s"):
        await adapter.answer(asked)
    proxy.mode = "pass"
    proxy.cut()
    assert await adapter.answer(asked) == [3, 0]
    proxy.cut_after = 150
    proxy.cut()
    with pytest.raises(Unreachable):
        await adapter.answer(asked)
    proxy.cut_after = None
    assert await adapter.answer(asked) == [3, 0]


async def test_behind_tls(broker: JolokiaProcess, connect: Connect) -> None:
    async with faults.in_tls(broker.ports[1]) as front:
        (one,) = questions(broker, "jobs")
        login = one.server.http.login
        authority = faults.authority().cert_pem.bytes().decode()
        for tls, expected in ((Tls(ca=authority), 3), (Tls(), "not trusted")):
            server = JolokiaServer(HttpServer(f"https://{front.address}", login, tls), broker.path, ORIGIN)
            adapter = connect(server)
            if expected == 3:
                assert await adapter.answer([one]) == [3]
            else:
                with pytest.raises(Unreachable, match=str(expected)):
                    await adapter.answer([one])


async def test_a_broker_that_restarts_is_found_again(broker: JolokiaProcess, connect: Connect) -> None:
    asked = questions(broker, "jobs", "empty")
    adapter = connect(asked[0].server)
    assert await adapter.answer(asked) == [3, 0]
    broker.kill()
    with pytest.raises(Unreachable):
        await adapter.answer(asked)
    broker.start()
    for queue, messages in (("jobs", 3), ("empty", 0)):
        broker.make_queue(queue, messages)
    assert await adapter.answer(asked) == [3, 0]


# --- servers that are none


def fake(address: str) -> tuple[JolokiaServer, list[Any]]:
    metadata = {
        "managementEndpoint": address,
        "brokerName": "b",
        "destinationName": "jobs",
        "username": "u",
        "password": "hunter2-hunter2",
    }
    found = scalers.find("activemq")
    assert found is not None
    made: Any = reading.build(
        found, Trigger(type="activemq", metadata=metadata), Sources(metadata), Scope("shop")
    )
    asked: list[Any] = []
    drive(made.measure(ASK, datetime.now(UTC)), lambda one: asked.append(one) or 0)
    return made.server(), asked


@pytest.mark.parametrize("bad", faults.UNREACHABLE, ids=lambda bad: bad.__name__)
async def test_a_bad_server_is_unreachable(connect: Connect, bad: Callable[[], Any]) -> None:
    async with bad() as place:
        server, asked = fake(place.address)
        with pytest.raises(Unreachable, match=place.address) as caught:
            await connect(server, timeout_s=0.3).answer(asked)
        assert "hunter2" not in str(caught.value)


async def test_a_name_that_does_not_resolve_is_unreachable(connect: Connect) -> None:
    server, asked = fake(f"{faults.NOWHERE}:8161")
    with pytest.raises(Unreachable, match=faults.NOWHERE):
        await connect(server).answer(asked)


@pytest.mark.parametrize(
    "body",
    [b"<html>hunter2-login</html>", b"[]", b"7", b"{}", b'{"status": 200}', b'{"status": "200", "value": 1}']
    + [json.dumps({"status": 200, "value": value}).encode() for value in (None, 1.5, "3", {}, [], True, -1)]
    + [json.dumps({"status": 500, "error": "hunter2-echo"}).encode()],
)
async def test_an_answer_of_another_kind_is_malformed_and_no_zero(connect: Connect, body: bytes) -> None:
    async with faults.answering(body) as place:
        server, asked = fake(place.address)
        (answer,) = await connect(server).answer(asked)
    assert isinstance(answer, Malformed)
    assert "hunter2" not in str(answer)


async def test_an_answer_of_ten_megabytes_is_not_read(connect: Connect) -> None:
    async with faults.huge() as place:
        server, asked = fake(place.address)
        (answer,) = await connect(server).answer(asked)
    assert isinstance(answer, Malformed)
    assert "larger than" in str(answer)


async def test_a_policy_that_forbids_packs_is_found_out_once(connect: Connect) -> None:
    """The first batch asks twice, the following ones each attribute by itself."""

    async def answer(request: web.Request) -> web.StreamResponse:
        is_get = request.method == "GET"
        return web.json_response({"status": 200, "value": 5} if is_get else {}, status=200 if is_get else 403)

    async with answering(answer) as place:
        server, (first,) = fake(place.origin.removeprefix("http://"))
        second = type(first)(server, first.bean.replace("jobs", "more"), first.attribute, first.about)
        adapter = connect(server)
        for _ in range(2):
            assert await adapter.answer([first, second, first]) == [5, 5, 5]
    assert sorted(one.method for one in place.requests) == ["GET"] * 4 + ["POST"]


async def test_a_question_of_another_system_is_refused_alone(connect: Connect) -> None:
    async with faults.answering(b'{"status": 200, "value": 5}') as place:
        server, asked = fake(place.address)
        other, five = await connect(server).answer([PodCount("shop", "app=web"), *asked])
    assert isinstance(other, Unsupported)
    assert five == 5


def test_the_login_is_basic() -> None:
    server, _ = fake("h:1")
    assert server.http.login == HttpLogin((basic("u", "hunter2-hunter2"),))
    assert "hunter2" not in repr(server) + server.label()
