"""The influxdb trigger against a real InfluxDB and its Flux: values, refusals, faults, what a round costs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from parts import faults
from parts.influxdb_server import TOKEN, EncryptedInflux, InfluxServer
from parts.one_round import one_round
from parts.proxy import Proxy
from parts.server_process import Servers
from tidegate.api.triggers import Trigger
from tidegate.base.errors import TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.http.connection import HttpConnection
from tidegate.kit import reading
from tidegate.kit.question import ASK, drive
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.scalers.influxdb import Influxdb

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("influxdb")]

ProxyFor = Callable[[int], Awaitable[Proxy]]

# A busy machine's own; the trigger's 20 s are for queries over a long range.
PATIENT_S = 2.0
ORDERS = 'from(bucket: "queues/autogen") |> range(start: -1h) |> filter(fn: (r) => r._measurement == "orders"'


@pytest.fixture(scope="module")
def influx(servers: Servers) -> InfluxServer:
    server = servers.get(InfluxServer)
    server.put('orders,shop=a waiting=7.5,taken=3i,state="open",is_late=true')
    server.put("orders,shop=b waiting=4")
    return server


def build(address: str, query: str, *, token: str = TOKEN, scheme: str = "http", **more: str) -> Influxdb:
    texts = {
        "serverURL": f"{scheme}://{address}",
        "organizationName": "shop",
        "query": query,
        "thresholdValue": "5",
        **more,
    }
    trigger = Trigger(type="influxdb", metadata=texts)
    made = reading.build(Influxdb, trigger, Sources(texts, {}, {"authToken": token}), Scope("s"))
    assert isinstance(made, Influxdb), made
    return made


def of(field: str, then: str = "last()", shop: str = "a") -> str:
    return f'{ORDERS} and r._field == "{field}" and r.shop == "{shop}") |> {then}'


async def test_a_number_of_each_kind_is_read(influx: InfluxServer) -> None:
    wanted = {
        of("waiting"): 7.5,
        of("taken"): 3,
        of("waiting", "count()"): 1,
        of("waiting", "map(fn: (r) => ({r with _value: uint(v: r._value)}))"): 7,
        of("waiting", "map(fn: (r) => ({r with _value: -r._value}))"): -7.5,
        f'{ORDERS} and r._field == "waiting") |> group() |> sum()': 11.5,
        # Two series are two tables: the first record of the first counts.
        f'{ORDERS} and r._field == "waiting") |> last()': 7.5,
    }
    round = await one_round([build(influx.address, query) for query in wanted])
    assert dict(zip(wanted, round.values, strict=True)) == wanted


async def test_a_query_that_adds_a_record_of_its_own_is_zero_where_there_is_none(
    influx: InfluxServer,
) -> None:
    """The page of the trigger has it so."""

    def with_zero(shop: str) -> str:
        waiting = f'waiting = {of("waiting", shop=shop)} |> keep(columns: ["_value"])'
        none = "array.from(rows: [{_value: 0.0}])"
        return f'import "array"\n{waiting}\nunion(tables: [waiting, {none}]) |> sum()'

    round = await one_round([build(influx.address, with_zero(shop)) for shop in ("a", "b", "none")])
    assert round.values == [7.5, 4, 0]


async def test_what_is_no_number_is_told_with_what_to_do(influx: InfluxServer) -> None:
    wanted = {
        of("waiting", shop="none"): "no results found from query; check bucket, range and filters",
        of("state"): "_value is of type string and could not be converted into a float; end the query in",
        of("is_late"): "_value is of type boolean and could not be converted",
        of("waiting", 'drop(columns: ["_value"])'): "the first table has no column _value; end the query in",
        of(
            "waiting", "map(fn: (r) => ({_value: r._value / 0.0}))"
        ): "_value is not a number; check the query",
        of("taken", "map(fn: (r) => ({_value: r._value / 0}))"): "500 Internal Server Error; check the query",
        "from(": "500 Internal Server Error; check the query and the parameters",
        f"{ORDERS}) |> hunter3()": "500 Internal Server Error; check the query",
        ORDERS.replace("queues", "nowhere") + ")": "500 Internal Server Error; check the query",
    }
    round = await one_round([build(influx.address, query) for query in [*wanted, of("waiting")]])
    *told, value = round.values
    assert value == 7.5  # the mistakes of others are theirs
    for text, said in zip(wanted.values(), told, strict=True):
        assert f"cannot run the query on InfluxDB http://{influx.address}: {text}" in str(said)
        assert "hunter" not in str(said)


async def test_why_a_query_cannot_be_run_is_kept_for_poll_alone(influx: InfluxServer) -> None:
    async with asking(build(influx.address, "from(")) as ask:
        error = await ask()
    assert "expected RPAREN, got EOF" in error.excerpt
    assert "RPAREN" not in str(error)


async def test_who_is_not_known_is_denied_and_the_others_are_not(influx: InfluxServer) -> None:
    tokens = ["admin:hunter2-wrong", "hunter2-hunter2", "", "nobody:hunter2-hunter2"]
    strangers = [build(influx.address, of("waiting"), token=token) for token in tokens]
    round = await one_round([*strangers, build(influx.address, of("waiting"))])
    assert round.values[-1] == 7.5
    for one in round.readings[:-1]:
        assert one.failure is not None
        assert one.failure.kind == "Denied"
        assert "401 Unauthorized; check the credentials" in one.failure.message
        assert "hunter2" not in one.failure.message


async def test_a_server_without_the_api_of_version_3_is_told(influx: InfluxServer) -> None:
    three = build(influx.address, "q", influxVersion="3", database="queues", metricKey="waiting")
    (said,) = (await one_round([three])).values
    assert "404 Not Found; check the address and the path" in said


async def test_a_thousand_triggers_ask_each_query_once_over_sixteen_connections(
    influx: InfluxServer, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(influx.port)
    same = [build(proxy.address, of("waiting"), thresholdValue=str(n + 1)) for n in range(1000)]
    assert (await one_round(same)).values == [7.5] * 1000
    assert proxy.requests == ["POST /api/v2/query?org=shop"]
    different = [
        build(proxy.address, of("taken", f"map(fn: (r) => ({{r with _value: {n}}}))")) for n in range(200)
    ]
    assert (await one_round(different)).values == list(range(200))
    assert (len(proxy.requests), proxy.connections) == (1 + 200, 1 + 16)


@asynccontextmanager
async def asking(trigger: Influxdb) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    """The number as one adapter answers it again and again, or the error that it answers or raises."""
    asked: list[Any] = []
    drive(trigger.measure(ASK, None), lambda question: asked.append(question) or 0)  # type: ignore[arg-type]
    adapter = HttpConnection(asked[0].server, Surroundings())
    adapter.client.timeout_s = PATIENT_S

    async def ask() -> Any:
        try:
            (answer,) = await adapter.answer(asked)
        except TidegateError as error:
            return error
        return answer

    try:
        yield ask
    finally:
        await adapter.close()


async def test_half_an_answer_is_a_failure_and_the_next_question_is_answered(
    influx: InfluxServer, proxy_for: ProxyFor
) -> None:
    proxy = await proxy_for(influx.port)
    async with asking(build(proxy.address, of("waiting"))) as ask:
        assert await ask() == 7.5
        for broken in (150, 400):
            proxy.cut_after = broken
            proxy.cut()
            assert isinstance(await ask(), Unreachable)
        proxy.cut_after = None
        assert await ask() == 7.5


async def test_a_server_that_hangs_and_one_that_restarts_answer_again_what_they_held() -> None:
    with InfluxServer() as own:
        own.put("orders,shop=a waiting=7.5")
        async with asking(build(own.address, of("waiting"))) as ask:
            assert await ask() == 7.5
            own.freeze()
            late = await ask()
            assert isinstance(late, Unreachable)
            assert f"no answer within {PATIENT_S:g} s" in str(late)
            own.thaw()
            assert await ask() == 7.5
            own.stop()
            assert isinstance(await ask(), Unreachable)
            own.start()
            assert await ask() == 7.5


async def test_tls_is_spoken_and_a_certificate_checked_unless_the_trigger_says_otherwise() -> None:
    query = 'import "array"\narray.from(rows: [{_value: 3}])'
    with EncryptedInflux() as own:
        checked = build(own.address, query, scheme="https")
        unchecked = build(own.address, query, scheme="https", unsafeSsl="true")
        plain = build(own.address, query)
        told, value, at_plain = (await one_round([checked, unchecked, plain])).values
    assert "its certificate is not trusted" in told
    assert value == 3
    assert "400 Bad Request" in at_plain


async def test_tls_to_a_plain_port_is_told(influx: InfluxServer) -> None:
    (said,) = (await one_round([build(influx.address, of("waiting"), scheme="https")])).values
    assert "TLS failed" in said


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_a_server_that_cannot_be_asked_is_named(fault: Any) -> None:
    async with fault() as bad, asking(build(bad.address, of("waiting"))) as ask:
        error = await ask()
    assert isinstance(error, Unreachable)
    assert bad.address in str(error)
