"""The couchdb trigger against a fake of `POST /{db}/_find`: what is sent, what is counted, what is refused.

The fake answers as CouchDB documents it: at most `limit` documents, 25 without one.
Source: https://docs.couchdb.org/en/stable/api/database/find.html
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from aiohttp import web

from parts.http_server import answering
from parts.http_trigger import SECRET, HttpCase, build
from parts.one_round import one_round

BASE = {"dbName": "orders", "query": '{"selector": {"state": "waiting"}}', "queryValue": "10"}
DOCUMENTS = 40


async def couchdb(request: web.Request) -> web.StreamResponse:
    if request.method != "POST" or request.path not in (
        "/orders/_find",
        "/couch/a%2Fb/_find",
        "/couch/a/b/_find",
    ):
        return web.json_response({"error": "not_found", "reason": "Database does not exist."}, status=404)
    asked = json.loads(await request.read())
    if not isinstance(asked.get("fields"), list):
        return web.json_response({"error": "bad_request", "reason": "invalid_fields_json"}, status=400)
    found = range(DOCUMENTS)[asked.get("skip", 0) :][: asked.get("limit", 25)]
    if asked["selector"] == {"state": "none"}:
        found = range(0)
    return web.json_response({"docs": [{"_id": str(n)} for n in found], "bookmark": "nil"})


HTTP = HttpCase(
    "couchdb",
    {**BASE, "connectionString": "{origin}"},
    couchdb,
    25,
    {"password": SECRET},
    another=lambda n: {"query": json.dumps({"selector": {"n": n}})},
)


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ('{"selector": {}}', 25),
        ('{"selector": {}, "fields": ["a"], "sort": ["a"]}', 25),
        ('{"selector": {}, "limit": 1000}', 40),
        ('{"selector": {}, "limit": 3}', 3),
        ('{"selector": {}, "limit": 1000, "skip": 30}', 10),
        ('{"selector": {"state": "none"}}', 0),
    ],
)
async def test_documents_are_counted_to_the_limit(query: str, value: int) -> None:
    async with answering(couchdb) as fake:
        made = build("couchdb", {**BASE, "connectionString": fake.origin, "query": query})
        assert (await one_round([made])).values == [value]
        (body,) = fake.bodies
        assert json.loads(body)["fields"] == ["_id"]
        assert set(json.loads(body)) <= {"selector", "fields", "limit", "skip", "use_index"}


@pytest.mark.parametrize(
    ("metadata", "user"),
    [
        ({}, "admin:pw"),
        ({"username": "scaler"}, "scaler:pw"),
        ({"connectionString": "http://u:other@{at}"}, "u:pw"),
    ],
)
async def test_the_user_is_the_one_given_or_admin(metadata: dict[str, str], user: str) -> None:
    async with answering(couchdb) as fake:
        at = fake.origin.removeprefix("http://")
        texts = {**BASE, "connectionString": fake.origin, **metadata}
        texts["connectionString"] = texts["connectionString"].replace("{at}", at)
        assert (await one_round([build("couchdb", texts, {"password": "pw"})])).values == [25]
        assert (
            fake.requests[0].headers["Authorization"] == "Basic " + base64.b64encode(user.encode()).decode()
        )


async def test_a_path_stays_before_the_database_whose_name_is_escaped() -> None:
    async with answering(couchdb) as fake:
        host, port = fake.origin.removeprefix("http://").split(":")
        parts = {"host": host, "port": port, "username": "u", "password": "p"}
        whole = {**BASE, "connectionString": f"{host}:{port}/couch/", "dbName": "a/b"}
        assert (await one_round([build("couchdb", whole), build("couchdb", {**BASE, **parts})])).values == [
            25,
            25,
        ]
        assert sorted(one.raw_path for one in fake.requests) == ["/couch/a%2Fb/_find", "/orders/_find"]


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({}, {"host": "no host given", "port": "no port given", "username": "no", "password": "no"}),
        (
            {"host": "h", "port": "x", "username": "u", "password": "p"},
            {"host": "with the port it is no URL"},
        ),
        ({"connectionString": "http://"}, {"connectionString": "its value is not an absolute URL"}),
        ({"connectionString": "http://h", "dbName": ""}, {"dbName": "no dbName given"}),
        ({"connectionString": "http://h", "query": "x"}, {"query": "it is no JSON"}),
        (
            {"connectionString": "http://h", "query": '{"limit": 3}'},
            {"query": 'no JSON object with a "selector"'},
        ),
        ({"connectionString": "http://h", "query": '{"selector": {}, "limit": 0}'}, {"query": "has a limit"}),
        ({"connectionString": "http://h", "queryValue": ""}, {"queryValue": "no queryValue given"}),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], told: dict[str, str]) -> None:
    problems: Any = build("couchdb", {**BASE, **metadata})
    assert {one.path for one in problems if one.path != "connectionString" or one.path in told} == set(told)
    assert all(told[one.path] in one.message for one in problems if one.path in told)


def test_the_metric_is_called_as_in_keda() -> None:
    made = build("couchdb", {**BASE, "connectionString": "h", "dbName": "animals/x"})
    assert (made.metric_name(), made.metric_target()) == ("coucdb-animals-x", 10)
