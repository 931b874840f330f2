"""The sumologic trigger against a fake of its APIs: a job that goes through its states, rows of metrics.

Source: https://help.sumologic.com/docs/api/search-job/ and https://api.sumologic.com/docs/#operation/runMetricsQueries
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from aiohttp import web

from parts.http_server import answering, says
from parts.http_trigger import SECRET, HttpCase, build
from parts.one_round import one_round
from tidegate.testing.sheets import Sample

SAMPLES = {"sumologic": Sample(lambda _: (7.0,))}

AUTH = {"accessID": "id", "accessKey": SECRET}
METRICS = {
    "queryType": "metrics",
    "query": "m",
    "quantization": "1m",
    "timerange": "10m",
    "threshold": "10",
}
LOGS = {
    "queryType": "logs",
    "query": "error | count",
    "resultField": "_count",
    "timerange": "15m",
    "threshold": "10",
    "logsPollingInterval": "100ms",
}
VALUES: dict[str, Any] = {"many": [1, 2, 6.5], "none": [], "null": [None], "text": ["7"]}


async def metrics(request: web.Request) -> web.StreamResponse:
    """Rows that begin with `bad` are an error of the whole; `two` gives two series."""
    if request.path != "/api/v1/metricsQueries":
        return web.json_response({}, status=404)
    body = json.loads(await request.read())
    assert body["timeRange"]["type"] == "BeginBoundedTimeRange"
    since, until = (datetime.fromisoformat(body["timeRange"][n]["iso8601Time"]) for n in ("from", "to"))
    assert (until - since).total_seconds() == 600
    if any(row["query"].startswith("bad") for row in body["queries"]):
        errors = {"id": "x", "errors": [{"code": "m", "message": "never shown"}]}
        return web.json_response({"queryResult": [], "errors": errors})
    results = [
        {"rowId": row["rowId"], "timeSeriesList": {"timeSeries": series(row["query"])}}
        for row in body["queries"]
    ]
    return web.json_response({"queryResult": results, "errors": {"id": None, "errors": []}})


def series(query: str) -> list[Any]:
    values = VALUES.get(query, [7])
    one = {"points": {"timestamps": list(range(len(values))), "values": values}}
    return {"two": [one, one], "no": []}.get(query, [one])


class Jobs:
    """Log searches: gathering once, then done; with the cookie of the node that has them."""

    def __init__(self, records: list[Any], messages: int = 5, state: str = "DONE GATHERING RESULTS") -> None:
        self.records, self.messages, self.state = records, messages, state
        self.asked: list[str] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path_qs}")
        if request.path == "/api/v1/search/jobs":
            body = json.loads(await request.read())
            assert (body["timeZone"], set(body)) == ("UTC", {"query", "from", "to", "timeZone"})
            answer = web.json_response({"id": "AB12"}, status=202)
            answer.set_cookie("route", "node7")
            return answer
        assert request.cookies == {"route": "node7"}
        if request.method == "DELETE":
            return web.json_response({})
        if request.path == "/api/v1/search/jobs/AB12":
            is_first = self.asked.count("GET /api/v1/search/jobs/AB12") == 1
            state = "GATHERING RESULTS" if is_first else self.state
            count = {"messageCount": self.messages, "recordCount": len(self.records)}
            return web.json_response({"state": state, **count})
        offset, limit = (int(request.query[name]) for name in ("offset", "limit"))
        return web.json_response({"records": self.records[offset : offset + limit]})


def records(*values: Any) -> list[Any]:
    return [{"map": {"_count": value}} for value in values]


HTTP = HttpCase(
    "sumologic", {**METRICS, "host": "{origin}"}, metrics, 7, AUTH, zero_at=()
)  # fmt: skip


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"query": "many"}, 9.5 / 3),
        ({"query": "many", "queryAggregator": "Latest"}, 6.5),
        ({"query": "many", "queryAggregator": "Sum"}, 9.5),
        ({"query": "many", "queryAggregator": "Count"}, 3),
        ({"query": "many", "queryAggregator": "Min"}, 1),
        ({"query": "many", "queryAggregator": "Max"}, 6.5),
        ({"query": "none"}, "the series has no points"),
        ({"query": "null"}, "a point of the series is no number"),
        ({"query": "text"}, "a point of the series is no number"),
        ({"query": "two"}, "the row gives 2 series, not one"),
        ({"query": "no"}, "the row gives 0 series, not one"),
        ({"query": "bad"}, "Sumo Logic could not run it; check the query"),
        ({"query": "", "query.A": "x", "query.B": "many", "resultQueryRowID": "B"}, 9.5 / 3),
        ({"query": "", "query.A": "many", "resultQueryRowID": "A"}, 9.5 / 3),
    ],
)
async def test_points_become_one_value(metadata: dict[str, str], said: Any) -> None:
    async with answering(metrics) as fake:
        one = build("sumologic", {**METRICS, "host": fake.origin, **metadata}, AUTH)
        other = build("sumologic", {**METRICS, "host": fake.origin, "query": "other"}, AUTH)
        (alone,) = (await one_round([one])).values
        beside, good = (await one_round([one, other])).values
        assert good == 7
        for value in (alone, beside):
            assert value == said or str(said) in str(value)
            assert "never shown" not in str(value)


async def test_queries_of_one_window_travel_six_at_a_time() -> None:
    async with answering(metrics) as fake:
        triggers = [
            build("sumologic", {**METRICS, "host": fake.origin, "query": f"m{n}"}, AUTH) for n in range(12)
        ]
        assert (await one_round(triggers)).values == [7] * 12
        assert [len(json.loads(body)["queries"]) for body in fake.bodies] == [6, 6]


@pytest.mark.parametrize(
    ("jobs", "aggregator", "said"),
    [
        (Jobs(records("3", "4.5")), "Sum", 7.5),
        (Jobs(records("3", "4.5")), "Latest", 4.5),
        (Jobs(records(*(["1"] * 10_001))), "Count", 10_001),
        (Jobs([], messages=0), "Avg", 0),
        (Jobs([*records("3"), {"map": {"other": "9"}}]), "Sum", 3),
        (Jobs([]), "Avg", "only agg queries are supported, please check your query"),
        (Jobs([{"map": {"other": "9"}}]), "Avg", "no record has the field of resultField"),
        (Jobs(records("many")), "Avg", "the field of a record is not a number"),
        (Jobs(records("1"), state="CANCELLED"), "Avg", "the search was cancelled"),
        (Jobs([7]), "Avg", "a record that is none"),
    ],
)
async def test_a_search_runs_as_a_job_that_is_deleted(jobs: Jobs, aggregator: str, said: Any) -> None:
    async with answering(jobs) as fake:
        metadata = {**LOGS, "host": fake.origin, "queryAggregator": aggregator}
        (value,) = (await one_round([build("sumologic", metadata, AUTH)])).values
        assert value == said or str(said) in str(value)
        assert jobs.asked[0] == "POST /api/v1/search/jobs"
        assert jobs.asked[-1] == "DELETE /api/v1/search/jobs/AB12"
        assert jobs.asked.count("DELETE /api/v1/search/jobs/AB12") == 1


async def test_equal_searches_run_once() -> None:
    jobs = Jobs(records("3"))
    async with answering(jobs) as fake:
        metadata = {**LOGS, "host": fake.origin}
        triggers = [build("sumologic", {**metadata, "threshold": str(n)}, AUTH) for n in range(1, 101)]
        assert (await one_round(triggers)).values == [3] * 100
        assert len(jobs.asked) == 5


async def test_a_name_of_a_job_that_is_none_is_not_asked_for() -> None:
    async with answering(says({"id": "../users"}, 202)) as fake:
        (value,) = (await one_round([build("sumologic", {**LOGS, "host": fake.origin}, AUTH)])).values
        assert "the answer names no job" in value
        assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({**LOGS, "query": "", "resultField": ""}, {"query", "resultField"}),
        ({**LOGS, "query.A": "x"}, {"query"}),
        ({**LOGS, "timezone": "Mars/Olympus"}, {"timezone"}),
        ({**METRICS, "query": ""}, {"query"}),
        ({**METRICS, "query.A": "x"}, {"query"}),
        ({**METRICS, "query": "", "query.": "x"}, {"query"}),
        ({**METRICS, "query": "", "query.A": "x"}, {"resultQueryRowID"}),
        ({**METRICS, "query": "", "query.A": "x", "resultQueryRowID": "B"}, {"resultQueryRowID"}),
        ({**METRICS, "quantization": ""}, {"quantization"}),
        ({**METRICS, "timerange": "0s"}, {"timerange"}),
        ({**METRICS, "rollup": "avg"}, {"rollup"}),
        ({**METRICS, "host": "h"}, {"host"}),
    ],
)
def test_mistakes_are_told(metadata: dict[str, str], told: set[str]) -> None:
    assert {one.path for one in build("sumologic", {"host": "https://h", **metadata}, AUTH)} == told


def test_the_metric_is_called_after_what_is_queried() -> None:
    assert build("sumologic", {**LOGS, "host": "https://h"}, AUTH).metric_name() == "sumologic-logs"
