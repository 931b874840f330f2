"""The Loki trigger against a fake of its HTTP API: paths, tenants, logins, answers.

The fake answers as Grafana documents `GET /loki/api/v1/query`: `resultType` vector, scalar or streams.
Source: https://grafana.com/docs/loki/latest/reference/loki-http-api/
"""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from parts.http_server import answering
from parts.one_round import one_round
from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.kit import reading
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.scalers.loki import completed
from tidegate.testing.sheets import Sample

SAMPLES = {"loki": Sample(lambda _: [{"metric": {}, "value": [1764485000.1, "7"]}], zeros=([],))}

BASE = {"serverAddress": "http://loki:3100", "query": "q", "threshold": "5"}

LINES = {
    "resultType": "streams",
    "result": [{"stream": {"app": "shop"}, "values": [["1588889221000000000", "a line"]]}],
}
RESULTS: dict[str, Any] = {
    "one": {"resultType": "vector", "result": [{"metric": {}, "value": [1588889221, "137.95"]}]},
    "two": {"resultType": "vector", "result": [{"metric": {"l": x}, "value": [1, "1"]} for x in "ab"]},
    "none": {"resultType": "vector", "result": []},
    "nothing": {"resultType": "vector", "result": None},
    "scalar": {"resultType": "scalar", "result": [1588889221, "7"]},
    "lines": LINES,
    "nan": {"resultType": "vector", "result": [{"metric": {}, "value": [1588889221, "NaN"]}]},
    "null": {"resultType": "vector", "result": [{"metric": {}, "value": [1588889221, None]}]},
}


def build(metadata: dict[str, str], auth: dict[str, str] | None = None) -> Any:
    texts = {**BASE, **metadata}
    kind = scalers.find("loki")
    assert kind is not None
    sources = Sources(texts, {}, auth or {})
    return reading.build(kind, Trigger(type="loki", metadata=texts), sources, Scope("shop"))


async def loki(request: web.Request) -> web.StreamResponse:
    """As documented; a query without a tenant is 401, one that does not parse 400 with a text."""
    if request.path != "/loki/api/v1/query":
        return web.Response(status=404, text="404 page not found")
    if request.headers.get("X-Scope-OrgID") != "shop":
        return web.Response(status=401, text="no org id")
    result = RESULTS.get(request.query["query"])
    if result is None:
        return web.Response(status=400, text="parse error at line 1, col 1: syntax error")
    return web.json_response({"status": "success", "data": {**result, "stats": {}}})


@pytest.mark.parametrize(
    ("base", "path"),
    [
        ("", "/loki/api/v1/query"),
        ("/loki", "/loki/api/v1/query"),
        ("/loki/api", "/loki/api/v1/query"),
        ("/loki/api/v1", "/loki/api/v1/query"),
        ("/loki/api/v1/query", "/loki/api/v1/query"),
        ("/x/loki/api/v1/query", "/x/loki/api/v1/query"),
        ("/custom", "/custom/loki/api/v1/query"),
        ("/lo", "/lo/loki/api/v1/query"),
        ("/loki/api/v2", "/loki/api/v2/loki/api/v1/query"),
    ],
)
def test_the_path_is_completed(base: str, path: str) -> None:
    assert completed(base) == path


async def test_a_query_that_counts_gives_its_value() -> None:
    async with answering(loki) as fake:
        wanted = {"one": 137.95, "none": 0, "scalar": 7}
        round = await one_round(
            [build({"serverAddress": fake.origin, "query": q, "tenantName": "shop"}) for q in wanted]
        )
        assert dict(zip(wanted, round.values, strict=True)) == wanted


@pytest.mark.parametrize(
    ("query", "ignore", "said"),
    [
        ("two", "true", "returned multiple elements (2)"),
        ("none", "false", "the result is empty"),
        ("nothing", "true", "no result of a query"),
        ("lines", "true", "a range or lines and no single value"),
        ("nan", "true", "NaN or an infinity"),
        ("null", "true", "no sample"),
        ("(", "true", "400 Bad Request"),
    ],
)
async def test_what_is_no_single_number_is_told(query: str, ignore: str, said: str) -> None:
    async with answering(loki) as fake:
        metadata = {"serverAddress": fake.origin, "query": query, "tenantName": "shop"}
        (value,) = (await one_round([build({**metadata, "ignoreNullValues": ignore})])).values
        assert said in value
        assert "parse error" not in value


async def test_equal_queries_of_a_tenant_are_asked_once() -> None:
    async with answering(loki) as fake:
        metadata = {"serverAddress": fake.origin, "query": "one"}
        triggers = [build({**metadata, "tenantName": "shop", "threshold": str(n)}) for n in range(1, 1001)]
        round = await one_round([*triggers, build({**metadata, "tenantName": "other"}), build(metadata)])
        assert round.values[:1000] == [137.95] * 1000
        assert all("401 Unauthorized" in value for value in round.values[1000:])
        assert len(fake.requests) == 3


async def test_every_mode_of_a_login_is_sent() -> None:
    async with answering(loki) as fake:
        metadata = {"serverAddress": fake.origin, "query": "one", "tenantName": "shop"}
        auth = {"username": "u", "password": "p", "apiKey": "k"}
        assert (await one_round([build({**metadata, "authModes": "basic,apiKey"}, auth)])).values == [137.95]
        (sent,) = fake.requests
        assert sent.headers["Authorization"].startswith("Basic ")
        assert sent.headers["X-API-KEY"] == "k"


@pytest.mark.parametrize(
    ("metadata", "path", "message"),
    [
        ({"serverAddress": "loki:3100"}, "serverAddress", "is not an absolute URL"),
        ({"threshold": ""}, "threshold", "missing required parameter"),
        ({"tenantName": "a\x01b"}, "tenantName", "control character"),
        ({"ignoreNullValues": "maybe"}, "ignoreNullValues", "is not true or false"),
        ({"authModes": "bearer"}, "bearerToken", "is required when bearer auth is enabled"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], path: str, message: str) -> None:
    problems = build(metadata)
    assert [one.path for one in problems] == [path]
    assert message in problems[0].message


def test_the_metric_has_one_name() -> None:
    scaler = build({"activationThreshold": "3"})
    assert (scaler.metric_name(), scaler.metric_target(), scaler.activation_target()) == ("loki", 5, 3)
