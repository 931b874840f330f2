"""The dynatrace trigger against a fake of the Metrics API and of Grail's queries, with states in a row.

Source: https://docs.dynatrace.com/docs/dynatrace-api/environment-api/metric-v2/get-data-points and
https://developer.dynatrace.com/platform-services/services/grail-service/ (query:execute, query:poll)
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from parts.http_server import answering
from parts.http_trigger import SECRET, HttpCase, build
from parts.one_round import one_round
from tidegate.connections.adapter import Surroundings
from tidegate.connections.dynatrace import connect
from tidegate.kit.systems.dynatrace import DynatraceServer, MetricSelector
from tidegate.testing.sheets import Sample

SAMPLES = {"dynatrace": Sample(may_be_negative=True)}

SELECTOR = {"metricSelector": "m", "threshold": "10"}
DQL = {"query": "timeseries", "threshold": "10", "queryPollingWait": "1ms"}
AUTH = {"token": SECRET}

DATA: dict[str, Any] = {
    "half": [{"values": [2.5, 9]}, {"values": [3]}],
    "zero": [{"values": [0]}],
    "null": [{"values": [None]}],
    "noseries": [],
    "novalues": [{"values": []}],
    "text": [{"values": ["7"]}],
}


async def metrics(request: web.Request) -> web.StreamResponse:
    """Selectors that begin with `renamed` come back under another name, `bad` ones are 400."""
    if request.path != "/e/abc/api/v2/metrics/query":
        return web.json_response({"error": {"code": 404}}, status=404)
    if request.headers.get("Authorization") != f"Api-Token {SECRET}":
        return web.json_response({"error": {"code": 401}}, status=401)
    selectors = request.query["metricSelector"].split(",")
    if len(selectors) > 10 or any(one.startswith("bad") for one in selectors):
        return web.json_response({"error": {"code": 400, "message": "never shown"}}, status=400)
    result = [
        {"metricId": one.replace("renamed", "r:"), "data": DATA.get(one, [{"values": [7]}])}
        for one in selectors
        if one != "nothing"
    ]
    return web.json_response({"totalCount": 1, "result": result})


def grail(*states: dict[str, Any], start: dict[str, Any] | None = None, status: int = 202) -> Any:
    """Answers polls with these, the last for good."""
    left = list(states)

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {SECRET}":
            return web.json_response({}, status=401)
        if request.path.endswith("query:execute"):
            assert request.method == "POST"
            return web.json_response(start or {"state": "RUNNING", "requestToken": "a/b=="}, status=status)
        assert request.query["request-token"] == "a/b=="
        return web.json_response(left.pop(0) if len(left) > 1 else left[0])

    return answer


def done(*records: Any) -> dict[str, Any]:
    return {"state": "SUCCEEDED", "progress": 100, "result": {"records": list(records), "types": []}}


HTTP = HttpCase(
    "dynatrace",
    {**SELECTOR, "host": "{origin}/e/abc/"},
    metrics,
    7,
    AUTH,
    another=lambda n: {"metricSelector": f"m{n}"},
    apart=20,
)
HTTP_DQL = HttpCase(
    "dynatrace",
    {**DQL, "host": "{origin}"},
    grail(done({"r": 7})),
    7,
    AUTH,
    requests=2,
    another=lambda n: {"query": f"q{n}"},
    apart=400,
)


@pytest.mark.parametrize(
    ("selector", "said"),
    [
        ("half", 2.5),
        ("zero", 0),
        ("null", "nothing where a number was expected"),
        ("text", "a text where a number was expected"),
        ("nothing", "dynatrace response does not contain any results"),
        ("noseries", "dynatrace response does not contain any metric series"),
        ("novalues", "dynatrace response does not contain any values for the metric series"),
        ("bad", "400 Bad Request; check the query"),
        ("renamed", 7),
    ],
)
async def test_the_first_value_counts_alone_and_beside_others(selector: str, said: Any) -> None:
    async with answering(metrics) as fake:
        host = {"host": f"{fake.origin}/e/abc"}
        one = build("dynatrace", {**SELECTOR, **host, "metricSelector": selector}, AUTH)
        other = build("dynatrace", {**SELECTOR, **host}, AUTH)
        (alone,) = (await one_round([one])).values
        beside, good = (await one_round([one, other])).values
        assert good == 7
        for value in (alone, beside):
            assert value == said or str(said) in str(value)


async def test_what_comes_back_under_another_name_is_asked_apart_from_then_on() -> None:
    async with answering(metrics) as fake:
        server = DynatraceServer(f"{fake.origin}/e/abc", SECRET)
        names = ("m1", "m2", "renamed")
        questions = [MetricSelector(server, one, "now-2h") for one in names]
        adapter = connect(server, Surroundings(timeout_s=10))
        for requests in (1 + 3, 2, 2):
            assert list(await adapter.answer(questions)) == [7, 7, 7]
            assert len(fake.requests) == requests
            fake.requests.clear()
        await adapter.close()


async def test_selectors_with_another_beginning_are_asked_apart() -> None:
    async with answering(metrics) as fake:
        host = {"host": f"{fake.origin}/e/abc"}
        triggers = [
            build(
                "dynatrace",
                {**SELECTOR, **host, "metricSelector": f"m{n}", "from": f"now-{n % 2 + 1}h"},
                AUTH,
            )
            for n in range(20)
        ]
        assert (await one_round([*triggers, build("dynatrace", {**SELECTOR, **host}, AUTH)])).values == [
            7
        ] * 21
        assert sorted({one.query["from"] for one in fake.requests}) == ["now-1h", "now-2h"]
        assert len(fake.requests) == 3


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (grail(done({"r": 2.5})), 2.5),
        (grail({"state": "NOT_STARTED"}, {"state": "RUNNING"}, done({"r": 3})), 3),
        (grail(start=done({"r": 4}), status=200), 4),
        (grail({"state": "RUNNING"}), "DQL query did not complete within 5 attempts"),
        (grail({"state": "FAILED"}), "the query is FAILED"),
        (grail({"state": "RESULT_GONE"}), "the query is RESULT_GONE"),
        (grail({"state": "hunter3"}), "the query is in a state that is not known"),
        (grail(done()), "empty result; let the query give one record"),
        (grail(done({"x": 1})), "nothing where a number was expected"),
        (grail(done({"r": None})), "nothing where a number was expected"),
        (grail(done({"r": "7"})), "a text where a number was expected"),
        (grail(start={"state": "FAILED"}), "the query was not started"),
        (grail(start={"state": "RUNNING"}), "the query was not started"),
        (grail(start={}, status=400), "400 Bad Request"),
    ],
)
async def test_a_query_is_polled_to_its_end(answer: Callable[..., Any], said: Any) -> None:
    async with answering(answer) as fake:
        (value,) = (await one_round([build("dynatrace", {**DQL, "host": fake.origin}, AUTH)])).values
        assert value == said or str(said) in str(value)
        assert json.loads(fake.bodies[0]) == {"query": "timeseries", "fetchTimeoutSeconds": 10}


@pytest.mark.parametrize(
    ("metadata", "path", "message"),
    [
        ({"threshold": "1"}, "metricSelector", "either 'metricSelector' or 'query' must be provided"),
        ({**SELECTOR, "query": "x"}, "query", "are mutually exclusive"),
        ({**DQL, "from": "now-1h"}, "from", "'from' can't be used with query"),
        ({**DQL, "queryPollingTries": "0"}, "queryPollingTries", "would never be asked"),
        ({**SELECTOR, "host": "dynatrace"}, "host", "is not an absolute URL"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], path: str, message: str) -> None:
    (problem,) = build("dynatrace", {"host": "https://h", **metadata}, AUTH)
    assert problem.path == path
    assert message in problem.message


def test_the_metric_has_one_name() -> None:
    assert build("dynatrace", {**SELECTOR, "host": "https://h"}, AUTH).metric_name() == "dynatrace"
