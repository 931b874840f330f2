"""The splunk trigger against a fake of `search/jobs/export`: rows, previews, messages, logins.

Source: https://docs.splunk.com/Documentation/Splunk/latest/RESTREF/RESTsearch (search/v2/jobs/export),
and the stream of JSON objects that it shows: `preview`, `offset`, `lastrow`, `result`.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web

from parts.http_server import answering, says
from parts.http_trigger import SECRET, HttpCase, build
from parts.one_round import one_round
from tidegate.testing.sheets import Sample

SAMPLES = {"splunk": Sample(may_be_negative=True)}

BASE = {
    "host": "http://h",
    "savedSearchName": "waiting",
    "valueField": "count",
    "targetValue": "10",
    "activationValue": "0",
}
AUTH = {"username": "scaler", "apiToken": SECRET}


def lines(*objects: Any) -> str:
    return "\n".join(json.dumps(one) for one in objects) + "\n"


def row(preview: bool = False, **result: Any) -> dict[str, Any]:
    return {"preview": preview, "offset": 0, "lastrow": True, "result": result}


async def splunk(request: web.Request) -> web.StreamResponse:
    if request.path != "/servicesNS/scaler/search/search/jobs/export":
        return web.Response(status=404, text="not found")
    assert request.query["output_mode"] == "json"
    return web.Response(text=lines(row(count="7")))


HTTP = HttpCase(
    "splunk",
    {**BASE, "host": "{origin}"},
    splunk,
    7,
    AUTH,
    another=lambda n: {"savedSearchName": f"search{n}"},
)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (lines(row(count="7.5")), 7.5),
        (lines(row(count="0")), 0),
        (lines(row(count=" 3 "), row(count="9")), 3),
        (lines(row(preview=True, count="1"), row(count="8")), 8),
        (lines(row(preview=True, count="1")), "field: count not found in search results"),
        (lines(row(other="1")), "field: count not found in search results; check `valueField`"),
        (lines({"preview": False, "lastrow": True}), "field: count not found in search results"),
        ("", "field: count not found in search results"),
        (lines(row(count=["1", "2"])), "the field has no single value"),
        (lines(row(count="many")), "is not a number"),
        (lines(row(count="NaN")), "is not a number"),
        (lines({"messages": [{"type": "FATAL", "text": "never shown"}]}), "the search failed at the server"),
        (lines(row(count="7")) + "{", "the answer is not JSON"),
        (lines([1]), "the answer is no list of rows"),
    ],
)
async def test_the_first_row_of_the_end_counts(body: str, said: Any) -> None:
    async with answering(says(body)) as fake:
        (value,) = (await one_round([build("splunk", {**BASE, "host": fake.origin}, AUTH)])).values
        assert value == said or said in str(value)
        assert "never shown" not in str(value)


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("waiting", "savedsearch waiting"),
        ("waiting orders", 'savedsearch "waiting orders"'),
        ('a"b & c', 'savedsearch "a\\"b & c"'),
    ],
)
async def test_a_search_is_named_so_that_nothing_else_runs(name: str, sent: str) -> None:
    async with answering(splunk) as fake:
        made = build("splunk", {**BASE, "host": fake.origin, "savedSearchName": name}, AUTH)
        assert (await one_round([made])).values == [7]
        assert parse_qs(fake.bodies[0].decode()) == {"search": [sent]}


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        (AUTH, f"Bearer {SECRET}"),
        ({"username": "scaler", "password": "p"}, "Basic c2NhbGVyOnA="),
        ({"username": "scaler"}, "Basic c2NhbGVyOg=="),
    ],
)
async def test_a_token_or_a_password_logs_in(auth: dict[str, str], header: str) -> None:
    async with answering(splunk) as fake:
        assert (await one_round([build("splunk", {**BASE, "host": fake.origin}, auth)])).values == [7]
        assert fake.requests[0].headers["Authorization"] == header


async def test_triggers_that_read_other_fields_share_a_search() -> None:
    async with answering(says(lines(row(count="7", errors="2")))) as fake:
        texts = {**BASE, "host": fake.origin}
        both = [build("splunk", texts, AUTH), build("splunk", {**texts, "valueField": "errors"}, AUTH)]
        assert (await one_round(both)).values == [7, 2]
        assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("metadata", "auth", "path", "message"),
    [
        ({"host": "splunk"}, AUTH, "host", "invalid value for host"),
        ({"targetValue": "1.5"}, AUTH, "targetValue", "is not a whole number"),
        ({}, {**AUTH, "password": "p"}, "apiToken", "API token and Password were all set"),
        ({}, {"apiToken": "t"}, "username", "missing required parameter"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], auth: dict[str, str], path: str, message: str) -> None:
    (problem,) = build("splunk", {**BASE, **metadata}, auth)
    assert problem.path == path
    assert message in problem.message


def test_the_metric_is_called_after_the_search() -> None:
    assert build("splunk", {**BASE, "savedSearchName": "a.b"}, AUTH).metric_name() == "splunk-a-b"
