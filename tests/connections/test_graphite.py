"""The graphite trigger against a real Graphite: values, what is none, faults, counts."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from parts import faults
from parts.graphite_server import Graphite as Server
from parts.http_server import answering
from parts.one_round import one_round
from parts.proxy import Proxy
from parts.server_process import Servers
from tidegate.api.triggers import Trigger
from tidegate.connections.adapter import Surroundings
from tidegate.connections.graphite import connect
from tidegate.kit import reading
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.graphite import LatestPoint
from tidegate.scalers.graphite import Graphite

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("graphite")]

ProxyFor = Callable[[int], Awaitable[Proxy]]


@pytest.fixture(scope="module")
def graphite(servers: Servers) -> Server:
    server = servers.get(Server)
    server.push({"shop.a": 3, "shop.b": 4})
    server.push({"shop.late": 9}, time.time() - 120)
    return server


def build(address: str, query: str, *, auth: Any = None, scheme: str = "http", **more: str) -> Graphite:
    texts = {"serverAddress": f"{scheme}://{address}", "query": query, "queryTime": "-10Minutes", **more}
    trigger = Trigger(type="graphite", metadata=texts)
    made = reading.build(Graphite, trigger, Sources(texts, {}, auth or {}), Scope("s"))
    assert isinstance(made, Graphite), made
    return made


async def test_the_latest_points_of_all_targets_come_in_one_request(
    graphite: Server, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(graphite.web.port)
    wanted: dict[str, Any] = {
        "shop.a": 3,
        "sumSeries(shop.{a,b})": 7,
        'alias(scale(shop.b,2),"own name")': 8,
        "shop.late": 9,
        "constantLine(5)": 5,
        "fallbackSeries(shop.none,constantLine(0))": 0,
        "shop.*": "returned multiple series (3)",
        "shop.none": "returned no series",
    }
    round = await one_round([build(proxy.address, query) for query in wanted])
    for expected, value in zip(wanted.values(), round.values, strict=True):
        assert value == expected or str(expected) in str(value)
    assert len(proxy.requests) == 1
    alone = await one_round(
        [build(proxy.address, "shop.a"), build(proxy.address, "shop.late", queryTime="-1min")]
    )
    assert alone.values[0] == 3
    assert "no point that is not null" in alone.values[1]
    assert len(proxy.requests) == 3


async def test_a_thousand_triggers_are_a_request_for_a_hundred_targets(
    graphite: Server, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(graphite.web.port)
    triggers = [build(proxy.address, f"constantLine({n % 250})", threshold=str(n + 1)) for n in range(1000)]
    round = await one_round(triggers, timeout_s=20.0)  # each answer takes it a second on a busy machine
    assert round.values == [n % 250 for n in range(1000)]
    assert proxy.requests == ["POST /render"] * 3


async def test_a_target_that_spoils_the_request_is_found_and_kept_apart(graphite: Server) -> None:
    server = build(graphite.web.address, "x").server()
    adapter: Any = connect(server, Surroundings())
    points = [LatestPoint(server, "-10min", query) for query in ("shop.a", "nonsense(shop.a)", "shop.b")]
    for _ in range(2):
        first, second, third = await adapter.answer(points)
        assert (first, third) == (3, 4)
        assert "400 Bad Request" in str(second)
    assert adapter.client.requests == 4 + 2
    await adapter.close()


async def test_a_target_cannot_speak_for_another_trigger(graphite: Server) -> None:
    """Whatever names it gives its series, they are not those of the request."""
    server = build(graphite.web.address, "x").server()
    adapter: Any = connect(server, Surroundings())
    sly = 'shop.a,"0"),alias(shop.b'
    answers = await adapter.answer([LatestPoint(server, "-10min", query) for query in (sly, "shop.b")])
    assert answers[1] == 4
    await adapter.close()


async def test_a_user_is_sent_and_a_refusal_is_denied() -> None:
    async def guarded(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != "Basic dTpodW50ZXIy":
            return web.Response(status=401, text="hunter2")
        return web.json_response([{"target": "a", "datapoints": [[7, 1], [None, 2]]}])

    async with answering(guarded) as fake:
        address = fake.origin.removeprefix("http://")
        auth = {"username": "u", "password": "hunter2"}
        assert (await one_round([build(address, "a", auth=auth)])).values == [7]
        (one,) = (await one_round([build(address, "a", auth={"username": "u"})])).readings
        assert one.failure is not None
        assert one.failure.kind == "Denied"
        assert "hunter2" not in one.failure.message


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_server_that_cannot_be_asked_is_named(fault: Any) -> None:
    async with fault() as bad:
        (one,) = (await one_round([build(bad.address, "shop.a")], timeout_s=0.3)).readings
    assert one.failure is not None
    assert one.failure.kind == "Unreachable"
    assert bad.address in one.failure.message


async def test_names_and_tls_are_told(graphite: Server) -> None:
    (said,) = (await one_round([build(f"{faults.NOWHERE}:80", "shop.a")])).values
    assert faults.NOWHERE in said
    (said,) = (await one_round([build(graphite.web.address, "shop.a", scheme="https")])).values
    assert "TLS failed" in said


@pytest.mark.parametrize(
    "answer",
    [
        b"<hunter2>",
        b"{}",
        b"7",
        b"[7]",
        b'[{"target": "a"}]',
        b'[{"target": "a", "datapoints": [[]]}]',
        b'[{"target": "a", "datapoints": [["7", 1]]}]',
        b'[{"target": "a", "datapoints": [[NaN, 1]]}]',
        b'[{"target": "a", "datapoints": []}]',
        b"[]",
    ],
)
async def test_another_answer_is_no_number(answer: bytes) -> None:
    async with faults.answering(answer) as bad:
        triggers = [build(bad.address, "a"), build(bad.address, "b")]
        for said in (await one_round(triggers)).values:
            assert "cannot render the target" in str(said)
            assert "hunter2" not in str(said)


async def test_what_is_cut_or_too_long_is_no_number(graphite: Server, proxy_for: ProxyFor) -> None:
    proxy = await proxy_for(graphite.web.port)
    proxy.cut_after = 80
    (said,) = (await one_round([build(proxy.address, "shop.a")])).values
    assert "cannot render the target" in said
    proxy.cut_after, proxy.mode = None, "garble"
    (said,) = (await one_round([build(proxy.address, "shop.a")])).values
    assert "not HTTP" in said
    async with faults.huge(size=17 << 20) as bad:
        (said,) = (await one_round([build(bad.address, "shop.a")])).values
        assert "larger than 16 MiB" in said


async def test_after_a_restart_the_next_question_is_answered() -> None:
    with Server() as own:
        own.push({"shop.a": 3})
        server = build(own.web.address, "x").server()
        adapter = connect(server, Surroundings())
        assert await adapter.answer([LatestPoint(server, "-1h", "shop.a")]) == [3]
        own.web.stop()
        own.web.start()
        assert await adapter.answer([LatestPoint(server, "-1h", "shop.a")]) == [3]
        await adapter.close()
