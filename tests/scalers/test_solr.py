"""The solr trigger against a fake of `/select`: what is sent, which answers are whole.

Source: https://solr.apache.org/guide/solr/latest/query-guide/response-writers.html
"""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from parts.http_server import answering, says
from parts.http_trigger import SECRET, HttpCase, build
from parts.one_round import one_round

BASE = {"host": "http://h", "collection": "orders", "targetQueryValue": "10"}
AUTH = {"username": "u", "password": SECRET}


async def solr(request: web.Request) -> web.StreamResponse:
    if request.path != "/solr/orders/select":
        return web.Response(status=404, text="no")
    assert (request.query["rows"], request.query["wt"]) == ("0", "json")
    return web.json_response(answer())


def answer(header: dict[str, Any] | None = None, **response: Any) -> dict[str, Any]:
    found = {"numFound": 7, "start": 0, "numFoundExact": True, "docs": [], **response}
    return {"responseHeader": {"status": 0, "QTime": 1, **(header or {})}, "response": found}


HTTP = HttpCase(
    "solr", {**BASE, "host": "{origin}"}, solr, 7, AUTH, another=lambda n: {"query": f"n:{n}"}
)  # fmt: skip


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (answer(numFound=0), 0),
        (answer({"partialResults": True}), "the answer is not whole"),
        (answer({"partialResults": "omitted"}), "the answer is not whole"),
        (answer(numFoundExact=False), "the answer is not whole"),
        ({"responseHeader": {}, "response": {}}, "the answer holds no number of documents"),
        (answer(numFound=None), "a NoneType where a count was expected"),
        (answer(numFound="7"), "a str where a count was expected"),
        (answer(numFound=-1), "-1 where a count was expected"),
    ],
)
async def test_only_a_whole_number_of_documents_counts(body: dict[str, Any], said: Any) -> None:
    async with answering(says(body)) as fake:
        (value,) = (await one_round([build("solr", {**BASE, "host": fake.origin + "/"}, AUTH)])).values
        assert value == said or said in str(value)
        assert dict(fake.requests[0].query) == {"q": "*:*", "rows": "0", "wt": "json"}


async def test_queries_and_names_are_encoded() -> None:
    async with answering(says(answer())) as fake:
        made = build("solr", {**BASE, "host": fake.origin, "collection": "a b/c", "query": 'x:"a&b"'}, AUTH)
        assert (await one_round([made])).values == [7]
        assert fake.requests[0].raw_path.startswith("/solr/a%20b%2Fc/select?")
        assert fake.requests[0].query["q"] == 'x:"a&b"'


@pytest.mark.parametrize(
    ("metadata", "auth", "path", "message"),
    [
        ({"host": "solr:8983"}, AUTH, "host", "is not an absolute URL"),
        ({"targetQueryValue": "0"}, AUTH, "targetQueryValue", "no targetQueryValue given"),
        ({}, {"username": "u"}, "password", "missing required parameter"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], auth: dict[str, str], path: str, message: str) -> None:
    (problem,) = build("solr", {**BASE, **metadata}, auth)
    assert problem.path == path
    assert message in problem.message


def test_the_metric_has_one_name() -> None:
    assert build("solr", BASE, AUTH).metric_name() == "solr"
