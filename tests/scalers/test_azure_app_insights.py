"""The azure-app-insights trigger against a fake of the metrics interface: one metric, and many at once.

Source: https://learn.microsoft.com/rest/api/application-insights/metrics/get and get-multiple
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from parts.http_server import answering, says
from parts.http_trigger import SECRET, Elsewhere, HttpCase, build
from parts.one_round import one_round
from tidegate.testing.sheets import Sample

SAMPLES = {"azure-app-insights": Sample(may_be_negative=True, zeros=(None,))}

BASE = {
    "applicationInsightsId": "app",
    "tenantId": "tenant",
    "metricId": "requests/count",
    "metricAggregationType": "sum",
    "metricAggregationTimespan": "0:5",
    "targetValue": "100",
    "activeDirectoryClientId": "client",
}
AUTH = {"activeDirectoryClientPassword": SECRET}

VALUES: dict[str, Any] = {
    "half": {"sum": 2.5},
    "zero": {"sum": 0},
    "null": {"sum": None},
    "other": {"avg": 7},
    "text": {"sum": "7"},
    "list": [7],
}


def told(metric: str, aggregation: str) -> tuple[int, Any]:
    if metric == "bad":
        return 400, {"error": {"code": "BadArgumentError", "message": "never shown"}}
    if metric == "closed":
        return 403, {"error": {"code": "InsufficientAccessError", "message": "never shown"}}
    span = {"start": "2026-03-04T11:55:00Z", "end": "2026-03-04T12:00:00Z"}
    value = {} if metric == "missing" else {metric: VALUES.get(metric, {aggregation: 7})}
    return 200, {"value": span | value}


async def insights(request: web.Request) -> web.StreamResponse:
    """One metric by GET, several by POST."""
    root = "/v1/apps/app/metrics"
    if request.method == "GET":
        assert request.path.startswith(f"{root}/")
        status, body = told(request.path.removeprefix(f"{root}/"), request.query["aggregation"])
        return web.json_response(body, status=status)
    assert request.path == root
    answers = []
    for one in json.loads(await request.read()):
        parameters = one["parameters"]
        (aggregation,) = parameters["aggregation"]
        status, body = told(parameters["metricId"], aggregation)
        answers.append({"id": one["id"], "status": status, "body": body})
    assert 1 < len(answers) <= 20
    return web.json_response(answers[::-1])


HTTP = HttpCase(
    "azure-app-insights",
    BASE,
    insights,
    7,
    AUTH,
    is_fixed=True,
    another=lambda n: {"metricId": f"m/{n}"},
    apart=10,
)


def made(origin: str, **metadata: str) -> Any:
    return Elsewhere(build("azure-app-insights", {**BASE, **metadata}, AUTH), origin)


@pytest.mark.parametrize(
    ("metric", "ignores", "said"),
    [
        ("half", "", 2.5),
        ("zero", "", 0),
        ("null", "", "nothing"),
        ("null", "true", 0),
        ("missing", "", "nothing"),
        ("missing", "true", 0),
        ("other", "", "nothing"),
        ("other", "true", 0),
        ("text", "true", "a text"),
        ("list", "", "nothing"),
        ("bad", "true", "400 Bad Request (BadArgumentError)"),
        ("closed", "true", "give the identity the role Monitoring Reader"),
    ],
)
async def test_the_aggregation_of_the_span_counts(metric: str, ignores: str, said: Any) -> None:
    async with answering(insights) as fake:
        asked = made(fake.origin, metricId=metric, ignoreNullValues=ignores)
        alone = (await one_round([asked])).values[0]
        together, good = (await one_round([asked, made(fake.origin)])).values
        assert good == 7
        for value in (alone, together):
            assert value == said or str(said) in str(value)
            assert "never shown" not in str(value)


async def test_the_question_is_written_as_the_service_wants_it() -> None:
    async with answering(insights) as fake:
        trigger = made(
            fake.origin,
            metricId="customMetrics/a b",
            metricAggregationTimespan="01:2",
            metricFilter="name eq 'a%20b+c'",
        )
        assert (await one_round([trigger])).values == [7]
        (request,) = fake.requests
        assert request.path == "/v1/apps/app/metrics/customMetrics/a b"
        assert dict(request.query) == {
            "aggregation": "sum",
            "timespan": "PT01H02M",
            "filter": "name eq 'a b c'",
        }


@pytest.mark.parametrize("body", [{"value": 7}, {"value": {}}, {"value": {"requests/count": {"sum": 7}}}])
async def test_an_answer_of_another_shape_is_a_failure(body: Any) -> None:
    async with answering(says(body)) as fake:
        trigger = made(fake.origin, ignoreNullValues="true")
        assert isinstance((await one_round([trigger])).values[0], str)


@pytest.mark.parametrize(
    ("metadata", "path"),
    [
        ({"metricAggregationTimespan": "5m"}, "metricAggregationTimespan"),
        ({"metricAggregationTimespan": "0:x"}, "metricAggregationTimespan"),
        ({"metricAggregationTimespan": "0:1:2"}, "metricAggregationTimespan"),
        ({"targetValue": "0"}, "targetValue"),
        ({"tenantId": ""}, "tenantId"),
        ({"activeDirectoryClientId": ""}, "activeDirectoryClientId"),
        ({"cloud": "Moon"}, "cloud"),
        ({"cloud": "Private", "activeDirectoryEndpoint": "https://login.example"}, "appInsightsResourceURL"),
        ({"cloud": "Private", "appInsightsResourceURL": "https://a.example"}, "activeDirectoryEndpoint"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], path: str) -> None:
    assert [one.path for one in build("azure-app-insights", {**BASE, **metadata}, AUTH)] == [path]


def test_the_secret_is_not_read_from_the_manifest() -> None:
    (problem,) = build("azure-app-insights", {**BASE, "activeDirectoryClientPassword": SECRET})
    assert problem.path == "activeDirectoryClientPassword"
