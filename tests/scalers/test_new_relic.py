"""The new-relic trigger against a fake of NerdGraph: rows, errors by their path, many queries in a document.

Source: https://docs.newrelic.com/docs/apis/nerdgraph/examples/nerdgraph-nrql-tutorial/ and, for `errors`
and their `path`, https://spec.graphql.org/October2021/#sec-Errors
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from aiohttp import web

from parts.http_server import answering, says
from parts.http_trigger import SECRET, Elsewhere, HttpCase, build
from parts.one_round import one_round
from tidegate.testing.sheets import Sample

SAMPLES = {"new-relic": Sample(lambda _: {"latest.waiting": 7.0})}

BASE = {"account": "1234567", "nrql": "SELECT count(*) FROM T", "threshold": "10"}
AUTH = {"queryKey": SECRET}

ROWS: dict[str, list[dict[str, Any]]] = {
    "half": [{"average.x": 2.5}],
    "two": [{"count": 3}, {"count": 9}],
    "stamped": [{"beginTimeSeconds": 1.7e9, "endTimeSeconds": 1.7e9, "count": 4}],
    "faceted": [{"facet": "a", "name": "a", "count": 5, "sum": 6}],
    "none": [],
    "null": [{"average.x": None}],
    "text": [{"latest.name": "x"}],
    "nested": [{"percentile.x": {"95": 3}}],
    "truth": [{"latest.open": True}],
}


async def nerdgraph(request: web.Request) -> web.StreamResponse:
    """Runs the document as far as triggers write one; NRQL that begins with `bad` is an error by its path."""
    if request.headers.get("Api-Key") != SECRET:
        return web.json_response({"errors": [{"message": "never shown"}]}, status=401)
    body = json.loads(await request.read())
    if any(text == "syntax" for text in body["variables"].values()):
        return web.json_response({"errors": [{"message": "never shown"}], "data": {"actor": None}})
    actor: dict[str, Any] = {}
    errors = []
    for alias, number in re.findall(r"(q(\d+)): account", body["query"]):
        query = body["variables"][f"n{number}"]
        assert isinstance(body["variables"][f"a{number}"], int)
        if query.startswith("bad"):
            actor[alias] = {"nrql": None}
            errors.append({"message": "never shown", "path": ["actor", alias, "nrql"]})
        else:
            actor[alias] = {"nrql": {"results": ROWS.get(query, [{"count": 7}])}}
    return web.json_response({"data": {"actor": actor}, **({"errors": errors} if errors else {})})


HTTP = HttpCase(
    "new-relic", BASE, nerdgraph, 7, AUTH, is_fixed=True, another=lambda n: {"nrql": f"q{n}"}, apart=20
)  # fmt: skip


def made(origin: str, **metadata: str) -> Any:
    return Elsewhere(build("new-relic", {**BASE, **metadata}, AUTH), origin)


@pytest.mark.parametrize(
    ("nrql", "is_strict", "said"),
    [
        ("half", "", 2.5),
        ("two", "", 3),
        ("stamped", "", 4),
        ("faceted", "", 5),
        ("none", "", 0),
        ("none", "true", "it gives no data; check the query"),
        ("null", "", 0),
        ("null", "1", "it gives no data"),
        ("text", "", "the row has no number"),
        ("nested", "", "the row has no number"),
        ("truth", "", "the row has no number"),
        ("bad one", "", "New Relic could not run it; check `nrql` and `account`"),
        ("syntax", "", "New Relic could not run it"),
    ],
)
async def test_the_first_number_of_the_first_row_counts(nrql: str, is_strict: str, said: Any) -> None:
    async with answering(nerdgraph) as fake:
        one, other = made(fake.origin, nrql=nrql, noDataError=is_strict), made(fake.origin)
        (alone,) = (await one_round([one])).values
        beside, good = (await one_round([one, other])).values
        assert good == 7
        for value in (alone, beside):
            assert value == said or str(said) in str(value)
            assert "never shown" not in str(value)


async def test_an_error_with_its_path_costs_no_further_request() -> None:
    async with answering(nerdgraph) as fake:
        round = await one_round([made(fake.origin, nrql=text) for text in ("a", "bad", "c")])
        assert [one if isinstance(one, float) else "failed" for one in round.values] == [7, "failed", 7]
        assert len(fake.requests) == 1


async def test_accounts_of_one_key_travel_together() -> None:
    async with answering(nerdgraph) as fake:
        assert (await one_round([made(fake.origin, account=str(n)) for n in range(10)])).values == [7] * 10
        assert len(fake.requests) == 1
        assert json.loads(fake.bodies[0])["variables"]["a9"] == 9


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"actor": {}}},
        {"data": {"actor": {"q0": None}}},
        {"data": {"actor": {"q0": {"nrql": {"results": None}}}}},
        {"data": {"actor": {"q0": {"nrql": {"results": [7]}}}}},
        {"data": 7, "errors": "x"},
    ],
)
async def test_an_answer_without_results_is_a_failure(body: Any) -> None:
    async with answering(says(body)) as fake:
        assert isinstance((await one_round([made(fake.origin)])).values[0], str)


@pytest.mark.parametrize(
    ("metadata", "path"),
    [({"region": "MARS"}, "region"), ({"account": "x"}, "account"), ({"account": "99999999999"}, "account")],
)
def test_a_mistake_is_told(metadata: dict[str, str], path: str) -> None:
    assert [one.path for one in build("new-relic", {**BASE, **metadata}, AUTH)] == [path]


def test_regions_are_read_in_any_case() -> None:
    assert build("new-relic", {**BASE, "region": "eu"}, AUTH).metric_name() == "new-relic"
