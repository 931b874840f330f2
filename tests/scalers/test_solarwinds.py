"""The solarwinds trigger against a fake of the measurements of a metric.

Source: https://documentation.solarwinds.com/en/success_center/observability/content/api/api-swagger.htm
(`GET /v1/metrics/{name}/measurements`)
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from aiohttp import web

from parts.http_server import answering, says
from parts.http_trigger import SECRET, HttpCase, build
from parts.one_round import one_round
from tidegate.testing.sheets import Sample

SAMPLES = {"solarwinds": Sample(may_be_negative=True)}

BASE = {"metricName": "a.b", "aggregation": "MAX", "intervalS": "120", "targetValue": "10"}
AUTH = {"apiToken": SECRET}


def one(value: Any) -> dict[str, Any]:
    return {"time": "2026-03-04T12:00:00Z", "value": value}


async def solarwinds(request: web.Request) -> web.StreamResponse:
    if request.headers.get("Authorization") != f"Bearer {SECRET}":
        return web.json_response({"message": "never shown"}, status=401)
    query = request.query
    assert (query["aggregateBy"], query["seriesType"]) == ("MAX", "SCALAR")
    length = datetime.fromisoformat(query["endTime"]) - datetime.fromisoformat(query["startTime"])
    assert length.total_seconds() == 120
    return web.json_response({"groupings": [{"attributes": [], "measurements": [one(7)]}], "pageInfo": {}})


HTTP = HttpCase(
    "solarwinds", {**BASE, "host": "{origin}"}, solarwinds, 7, AUTH, another=lambda n: {"metricName": f"m{n}"}
)  # fmt: skip


@pytest.mark.parametrize(
    ("groupings", "said"),
    [
        ([{"measurements": [one(2.5), one(9)]}], 2.5),
        ([{"measurements": [one(0)]}], 0),
        ([{"measurements": [one(None), one(3)]}], 3),
        ([{"measurements": []}, {"measurements": [one(4)]}], 4),
        (None, "no groupings found in response"),
        ([], "no measurements found in response; check `metricName`"),
        ([{"measurements": [one(None)]}], "no measurements found in response"),
        ([{"measurements": None}, {"measurements": [one(4)]}], "a grouping has no measurements"),
        ([{"measurements": [one("7")]}], "a text where a number was expected"),
    ],
)
async def test_the_first_measurement_counts(groupings: Any, said: Any) -> None:
    async with answering(says({"groupings": groupings})) as fake:
        (value,) = (await one_round([build("solarwinds", {**BASE, "host": fake.origin}, AUTH)])).values
        assert value == said or str(said) in str(value)


async def test_names_and_filters_are_encoded() -> None:
    async with answering(solarwinds) as fake:
        metadata = {**BASE, "host": f"{fake.origin}/", "metricName": "a/b c", "filter": "queue:a&b"}
        assert (await one_round([build("solarwinds", metadata, AUTH)])).values == [7]
        assert fake.requests[0].raw_path.startswith("/v1/metrics/a%2Fb%20c/measurements?")
        assert fake.requests[0].query["filter"] == "queue:a&b"


@pytest.mark.parametrize(
    ("metadata", "path"),
    [({"host": "h"}, "host"), ({"aggregation": "max"}, "aggregation"), ({"intervalS": "0"}, "intervalS")],
)
def test_a_mistake_is_told(metadata: dict[str, str], path: str) -> None:
    assert [one.path for one in build("solarwinds", {"host": "https://h", **BASE, **metadata}, AUTH)] == [
        path
    ]


def test_the_metric_has_one_name() -> None:
    assert build("solarwinds", {"host": "https://h", **BASE}).metric_name() == "solarwinds"
