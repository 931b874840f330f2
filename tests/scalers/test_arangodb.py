"""The arangodb trigger against a fake of ArangoDB's cursor and collection API, which checks logins.

Source: https://docs.arangodb.com/stable/develop/http-api/queries/aql-queries/ (cursor, error numbers) and
https://docs.arangodb.com/stable/develop/http-api/authentication/ (tokens).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from aiohttp import web

from parts.http_server import answering
from parts.http_trigger import SECRET, HttpCase, asking, build
from parts.one_round import one_round
from tidegate.base.errors import Denied
from tidegate.kit.systems.arangodb import arango_token
from tidegate.testing.sheets import Sample

SAMPLES = {"arangodb": Sample(may_be_negative=True)}

BASE = {"dbName": "shop", "collection": "orders", "query": "q", "queryValue": "10"}
ROWS: dict[str, list[Any]] = {
    "q": [{"value": 7}],
    "half": [{"value": 2.5}],
    "zero": [{"value": 0}],
    "none": [],
    "two": [{"value": 1}, {"value": 2}],
    "plain": [7],
    "null": [{"value": None}],
    "text": [{"value": "7"}],
    "other": [{"length": 7}],
}


async def arangodb(request: web.Request) -> web.StreamResponse:
    parts = request.path.split("/")
    if parts[1:3] != ["_db", "shop"]:
        return web.json_response({"error": True, "errorNum": 1228, "errorMessage": "x"}, status=404)
    if parts[3:] == ["_api", "collection", "orders"]:
        return web.json_response({"name": "orders", "status": 3, "error": False, "code": 200})
    if parts[3:] != ["_api", "cursor"]:
        return web.json_response({"error": True, "errorNum": 1203, "errorMessage": "x"}, status=404)
    asked = json.loads(await request.read())
    rows = ROWS["q" if asked["query"].startswith("q") else asked["query"]]
    kept = rows[: asked["batchSize"]]
    answer = {"result": kept, "hasMore": len(rows) > len(kept), "error": False, "code": 201}
    return web.json_response(answer | ({"count": len(rows)} if asked["count"] else {}), status=201)


HTTP = HttpCase(
    "arangodb",
    {**BASE, "endpoints": "{origin}", "authModes": "basic"},
    arangodb,
    7,
    {"username": "u", "password": SECRET},
    requests=2,
    another=lambda n: {"query": f"q{n}"},
    apart=201,
)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("half", 2.5),
        ("zero", 0),
        ("none", "the query gives no row; let it give one object"),
        ("two", "the query gives more than one row"),
        ("plain", "the query's row is no object with a value"),
        ("other", "the query's row is no object with a value"),
        ("null", "nothing where a number was expected"),
        ("text", "a text where a number was expected"),
    ],
)
async def test_one_object_with_a_number_is_read(query: str, said: Any) -> None:
    async with answering(arangodb) as fake:
        (value,) = (
            await one_round([build("arangodb", {**BASE, "endpoints": fake.origin, "query": query})])
        ).values
        assert value == said or said in str(value)


@pytest.mark.parametrize("wrong", [{"collection": "others"}, {"dbName": "bakery"}])
async def test_what_is_not_there_is_told(wrong: dict[str, str]) -> None:
    async with answering(arangodb) as fake:
        (said,) = (await one_round([build("arangodb", {**BASE, "endpoints": fake.origin, **wrong})])).values
        assert "cannot find the collection on ArangoDB" in said
        assert "404 Not Found" in said


async def test_the_next_coordinator_is_asked_where_one_is_gone() -> None:
    async with answering(arangodb) as dead:
        gone = dead.origin
    async with answering(arangodb) as fake, asking() as ask:
        assert await ask(build("arangodb", {**BASE, "endpoints": f"{gone}, {fake.origin}/"})) == 7
        assert await ask(build("arangodb", {**BASE, "endpoints": f"{fake.origin},{gone}"})) == 7


async def test_a_coordinator_that_refuses_is_not_passed_over() -> None:
    async def refusing(request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": True}, status=401)

    async with answering(refusing) as first, answering(arangodb) as second, asking() as ask:
        endpoints = f"{first.origin},{second.origin}"
        assert isinstance(await ask(build("arangodb", {**BASE, "endpoints": endpoints})), Denied)
        assert second.requests == []


async def test_a_token_is_made_of_the_secret() -> None:
    async with answering(arangodb) as fake:
        metadata = {**BASE, "endpoints": fake.origin, "authModes": "bearer", "serverID": "tidegate"}
        assert (await one_round([build("arangodb", metadata, {"bearerToken": SECRET})])).values == [7]
        scheme, token = fake.requests[0].headers["Authorization"].split()
    signed, _, signature = token.rpartition(".")
    claims = json.loads(base64.urlsafe_b64decode(signed.split(".")[1] + "=="))
    made = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).digest()
    assert (scheme.lower(), claims) == ("bearer", {"iss": "arangodb", "server_id": "tidegate"})
    assert base64.urlsafe_b64decode(signature + "=") == made
    assert arango_token(token, "other") == token


@pytest.mark.parametrize(
    ("metadata", "path", "message"),
    [
        ({"endpoints": "h:8529"}, "endpoints", "is not an absolute URL"),
        ({"endpoints": "http://h,x"}, "endpoints", "one of its values is not an absolute URL"),
        ({"queryValue": "0"}, "queryValue", "no queryValue given"),
        ({"authModes": "bearer"}, "bearerToken", "is required when bearer auth is enabled"),
        ({"authModes": "basic"}, "username", "is required when basic auth is enabled"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], path: str, message: str) -> None:
    (problem,) = build("arangodb", {**BASE, "endpoints": "http://h", **metadata})
    assert problem.path == path
    assert message in problem.message


def test_the_metric_has_one_name() -> None:
    assert build("arangodb", {**BASE, "endpoints": "http://h"}).metric_name() == "arangodb"
