"""The azure-log-analytics trigger against a fake of the query interface: alone and in batches.

Source: https://learn.microsoft.com/azure/azure-monitor/logs/api/batch-queries and
https://learn.microsoft.com/azure/azure-monitor/logs/api/response-format
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

SAMPLES = {"azure-log-analytics": Sample(lambda _: (Table(("long",), ([7],)),))}

BASE = {"workspaceId": "space", "query": "q", "threshold": "10", "tenantId": "tenant", "clientId": "client"}
AUTH = {"clientSecret": SECRET}


def table(rows: list[Any], kind: str = "long", name: str = "PrimaryResult") -> dict[str, Any]:
    return {"name": name, "columns": [{"name": "x", "type": kind}], "rows": rows}


ANSWERS: dict[str, Any] = {
    "half": {"tables": [table([[2.5]], "real")]},
    "zero": {"tables": [table([[0]])]},
    "two columns": {"tables": [{"columns": [{"type": "int"}, {"type": "string"}], "rows": [[4, "x"]]}]},
    "no table": {"tables": []},
    "no row": {"tables": [table([])]},
    "two rows": {"tables": [table([[1], [2]])]},
    "two tables": {"tables": [table([[1]]), table([[2]])]},
    "text": {"tables": [table([["7"]], "string")]},
    "decimal": {"tables": [table([["7.5"]], "decimal")]},
    "null": {"tables": [table([[None]])]},
    "nan": {"tables": [table([["NaN"]], "real")]},
    "negative": {"tables": [table([[-1]])]},
    "partial": {"tables": [table([[3]])], "error": {"code": "PartialError", "message": "never shown"}},
}


def told(workspace: str, query: str) -> tuple[int, Any]:
    error = {"message": "never shown", "code": "BadArgumentError", "innererror": {"code": "SyntaxError"}}
    if workspace == "closed":
        return 403, {"error": {"code": "InsufficientAccessError", "message": "never shown"}}
    if query == "bad":
        return 400, {"error": error}
    if query == "busy":
        return 504, {"error": {"code": "GatewayTimeout"}}
    return 200, ANSWERS.get(query, {"tables": [table([[7]])]})


async def logs(request: web.Request) -> web.StreamResponse:
    """Single queries and batches, as far as triggers ask them."""
    body = json.loads(await request.read())
    if request.path != "/v1/$batch":
        assert "timespan" not in body
        status, found = told(request.path.split("/")[3], body["query"])
        return web.json_response(found, status=status)
    assert 1 < len(body["requests"]) <= 20
    answers = []
    for one in body["requests"]:
        assert (one["method"], one["path"]) == ("POST", "/query")
        status, found = told(one["workspace"], one["body"]["query"])
        if one["body"]["query"] != "lost":
            answers.append({"id": one["id"], "status": status, "body": found})
    return web.json_response({"responses": answers[::-1]})


HTTP = HttpCase(
    "azure-log-analytics", BASE, logs, 7, AUTH, is_fixed=True, another=lambda n: {"query": f"q{n}"}, apart=10
)  # fmt: skip


def made(origin: str, **metadata: str) -> Any:
    return Elsewhere(build("azure-log-analytics", {**BASE, **metadata}, AUTH), origin)


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"query": "half"}, 2.5),
        ({"query": "zero"}, 0),
        ({"query": "two columns"}, 4),
        ({"query": "no table"}, "there is no results after running your query"),
        ({"query": "no row"}, "there is no results after running your query"),
        ({"query": "two rows"}, "it gives 2 rows"),
        ({"query": "two tables"}, "it gives 2 tables"),
        ({"query": "text"}, "its first column is string"),
        ({"query": "decimal"}, "its first column is decimal"),
        ({"query": "null"}, "nothing"),
        ({"query": "nan"}, "a text"),
        ({"query": "negative"}, "its number is below zero"),
        ({"query": "partial"}, "the answer is incomplete (PartialError)"),
        ({"query": "bad"}, "400 Bad Request (SyntaxError)"),
        ({"query": "busy"}, "504 Gateway Timeout"),
        ({"workspaceId": "closed"}, "give the identity the role Log Analytics Reader"),
    ],
)
async def test_the_first_cell_of_the_only_row_counts(metadata: dict[str, str], said: Any) -> None:
    async with answering(logs) as fake:
        asked, beside = made(fake.origin, **metadata), made(fake.origin)
        alone = (await one_round([asked])).values[0]
        together, good = (await one_round([asked, beside])).values
        assert good == 7
        for value in (alone, together):
            assert value == said or str(said) in str(value)
            assert "never shown" not in str(value)


async def test_workspaces_travel_together_and_a_lost_answer_is_a_failure_of_its_own() -> None:
    async with answering(logs) as fake:
        triggers = [made(fake.origin, workspaceId=f"space{n}") for n in range(18)]
        round = await one_round([*triggers, made(fake.origin, query="lost")])
        assert round.values[:-1] == [7] * 18
        assert "leaves this query out" in str(round.values[-1])
        assert len(fake.requests) == 1


@pytest.mark.parametrize(
    "body", [{"tables": 7}, {"tables": [7]}, {"tables": [{"columns": []}]}, {"responses": 7}]
)
async def test_an_answer_of_another_shape_is_a_failure(body: Any) -> None:
    async with answering(says(body)) as fake:
        assert isinstance((await one_round([made(fake.origin)])).values[0], str)
        both = (await one_round([made(fake.origin), made(fake.origin, query="r")])).values
        assert all(isinstance(one, str) for one in both)


@pytest.mark.parametrize(
    ("metadata", "path"),
    [
        ({"tenantId": ""}, "tenantId"),
        ({"clientId": ""}, "clientId"),
        ({"cloud": "AzureGermanCloud"}, "cloud"),
        ({"cloud": "Private"}, "logAnalyticsResourceURL"),
        ({"cloud": "Private", "logAnalyticsResourceURL": "https://a:b@c"}, "logAnalyticsResourceURL"),
        ({"timeout": "-1s"}, "timeout"),
        ({"unsafeSsl": "maybe"}, "unsafeSsl"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], path: str) -> None:
    assert [one.path for one in build("azure-log-analytics", {**BASE, **metadata}, AUTH)] == [path]


def test_azures_own_hosts_are_always_verified() -> None:
    (notice,) = build("azure-log-analytics", {**BASE, "unsafeSsl": "true"}, AUTH).notices()
    assert notice.path == "unsafeSsl"
    private = {"cloud": "Private", "logAnalyticsResourceURL": "https://logs.example"}
    assert not list(build("azure-log-analytics", {**BASE, **private, "unsafeSsl": "true"}, AUTH).notices())
