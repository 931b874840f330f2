"""The azure-data-explorer trigger against a fake of a cluster's query endpoint.

Source: https://learn.microsoft.com/kusto/api/rest/response-http-v2
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from parts.http_server import answering, says
from parts.http_trigger import SECRET, Elsewhere, HttpCase, build
from parts.one_round import one_round
from tidegate.kit.systems.kusto import Table
from tidegate.testing.sheets import Sample

SAMPLES = {"azure-data-explorer": Sample(lambda _: (Table(("long",), ([7],)),))}

BASE = {
    "endpoint": "https://shop.westeurope.kusto.windows.net",
    "databaseName": "orders",
    "query": "q",
    "threshold": "10",
    "tenantId": "tenant",
    "clientId": "client",
}
AUTH = {"clientSecret": SECRET}

HEADER = {"FrameType": "DataSetHeader", "IsProgressive": False, "Version": "v2.0"}
PROPERTIES = {
    "FrameType": "DataTable",
    "TableKind": "QueryProperties",
    "Columns": [{"ColumnName": "TableId", "ColumnType": "int"}],
    "Rows": [[1]],
}
END = {"FrameType": "DataSetCompletion", "HasErrors": False, "Cancelled": False}


def frames(*rows: Any, kind: str = "long", end: Any = END) -> list[Any]:
    primary = {
        "FrameType": "DataTable",
        "TableKind": "PrimaryResult",
        "Columns": [{"ColumnName": "x", "ColumnType": kind}],
        "Rows": list(rows),
    }
    return [HEADER, PROPERTIES, primary, *([end] if end else [])]


ANSWERS: dict[str, Any] = {
    "half": frames([2.5], kind="real"),
    "zero": frames([0]),
    "no table": [HEADER, PROPERTIES, END],
    "no row": frames(),
    "two rows": frames([1], [2]),
    "two tables": [*frames([1]), *frames([2])[2:3]],
    "text": frames(["7"], kind="string"),
    "moment": frames(["2026-03-04T12:00:00Z"], kind="datetime"),
    "null": frames([None]),
    "nan": frames(["NaN"], kind="real"),
    "negative": frames([-1]),
    "cut": frames([3], end=None),
    "failed": frames([3], end={**END, "HasErrors": True, "OneApiErrors": [{"error": "never shown"}]}),
    "cancelled": frames([3], end={**END, "Cancelled": True}),
}


async def cluster(request: web.Request) -> web.StreamResponse:
    body = json.loads(await request.read())
    assert (request.method, request.path, body["db"]) == ("POST", "/v2/rest/query", "orders")
    assert body["properties"]["Options"]["servertimeout"]
    if body["csl"] == "bad":
        error = {"code": "General_BadRequest", "@message": "never shown", "innererror": {"code": "SYN"}}
        return web.json_response({"error": error}, status=400)
    return web.json_response(ANSWERS.get(body["csl"], frames([7])))


HTTP = HttpCase(
    "azure-data-explorer", BASE, cluster, 7, AUTH, is_fixed=True, another=lambda n: {"query": f"q{n}"}
)  # fmt: skip


def made(origin: str, **metadata: str) -> Any:
    return Elsewhere(build("azure-data-explorer", {**BASE, **metadata}, AUTH), origin)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("half", 2.5),
        ("zero", 0),
        ("no table", "there is no results after running your query"),
        ("no row", "there is no results after running your query"),
        ("two rows", "it gives 2 rows"),
        ("text", "its first column is string"),
        ("moment", "its first column is datetime"),
        ("null", "nothing"),
        ("nan", "a text"),
        ("negative", "its number is below zero"),
        ("cut", "the answer has no end"),
        ("failed", "the query failed on its way"),
        ("cancelled", "the query failed on its way"),
        ("bad", "400 Bad Request"),
    ],
)
async def test_the_first_cell_of_the_only_row_counts(query: str, said: Any) -> None:
    async with answering(cluster) as fake:
        value, good = (await one_round([made(fake.origin, query=query), made(fake.origin)])).values
        assert good == 7
        assert value == said or str(said) in str(value)
        assert "never shown" not in str(value)


async def test_of_two_primary_tables_the_trigger_says_so() -> None:
    async with answering(cluster) as fake:
        (value,) = (await one_round([made(fake.origin, query="two tables")])).values
        assert "it gives 2 tables" in str(value)


@pytest.mark.parametrize("body", [[], [HEADER], [7], [{"TableKind": "PrimaryResult"}, END], {"error": 7}])
async def test_an_answer_of_another_shape_is_a_failure(body: Any) -> None:
    async with answering(says(body)) as fake:
        assert isinstance((await one_round([made(fake.origin)])).values[0], str)


@pytest.mark.parametrize(
    ("metadata", "path"),
    [
        ({"endpoint": "shop"}, "endpoint"),
        ({"endpoint": "http://shop.kusto.windows.net"}, "endpoint"),
        ({"tenantId": ""}, "tenantId"),
        ({"clientId": ""}, "clientId"),
        ({"cloud": "Moon"}, "cloud"),
        ({"cloud": "Private"}, "activeDirectoryEndpoint"),
        ({"cloud": "Private", "activeDirectoryEndpoint": "http://login.example"}, "activeDirectoryEndpoint"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], path: str) -> None:
    assert [one.path for one in build("azure-data-explorer", {**BASE, **metadata}, AUTH)] == [path]


def test_the_secret_comes_from_the_authentication_alone() -> None:
    texts = {**BASE, "clientSecret": SECRET}
    (problem,) = build("azure-data-explorer", texts)
    assert problem.path == "clientSecret"
