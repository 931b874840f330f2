"""The InfluxDB trigger against fakes of both HTTP APIs: queries, logins, answers, mistakes.

The fakes answer as InfluxData documents it: annotated CSV from `POST /api/v2/query`, rows as JSON from
`POST /api/v3/query_sql` and `/api/v3/query_influxql`.
Source: https://docs.influxdata.com/influxdb/v2/reference/syntax/annotated-csv/
Source: https://docs.influxdata.com/influxdb3/core/reference/api/
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from parts import faults
from parts.http_server import answering
from parts.one_round import one_round
from tidegate import scalers
from tidegate.api.triggers import Trigger
from tidegate.kit import reading
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.reading import Sources
from tidegate.kit.scaler import Scope
from tidegate.kit.systems.influxdb import read_flux
from tidegate.testing.sheets import Sample

SAMPLES = {"influxdb": Sample(may_be_negative=True)}

TWO = {"serverURL": "http://influx:8086", "organizationName": "shop", "query": "q", "thresholdValue": "5"}
THREE = {
    "serverURL": "http://influx:8181",
    "influxVersion": "3",
    "database": "queues",
    "metricKey": "waiting",
    "query": "q",
    "thresholdValue": "5",
}
TOKEN = {"authToken": "hunter2-hunter2"}


def build(metadata: dict[str, str], auth: dict[str, str] | None = None, **env: str) -> Any:
    kind = scalers.find("influxdb")
    assert kind is not None
    trigger = Trigger(type="influxdb", metadata=metadata)
    return reading.build(kind, trigger, Sources(metadata, env, auth or {}), Scope("shop"))


def table(kind: str, *values: str, default: str = "") -> str:
    rows = "".join(f",,{n},2020-01-01T00:00:00Z,{value},waiting\r\n" for n, value in enumerate(values))
    return (
        f"#datatype,string,long,dateTime:RFC3339,{kind},string\r\n"
        "#group,false,false,false,false,true\r\n"
        f"#default,_result,,,{default},\r\n"
        f",result,table,_time,_value,_field\r\n{rows}\r\n"
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (table("double", "3.5", "4"), 3.5),
        (table("long", "-7"), -7),
        (table("unsignedLong", "7"), 7),
        (table("double", "", default="2"), 2),
        (table("long", "1") + table("string", "x"), 1),
        (table("long", "1").replace("\r\n", "\n"), 1),
        # What else ends lines in Unicode ends no record.
        (table("long", "1").replace(",,0,", ",a\u2028b,0,"), 1),
    ],
)
def test_the_first_record_counts(text: str, value: float) -> None:
    assert read_flux(text) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no results found from query"),
        ("\r\n", "no results found from query"),
        (table("long"), "no results found from query"),
        (table("string", "5"), "of type string and could not be converted into a float"),
        (table("boolean", "true"), "of type boolean"),
        (table("double", "NaN"), "_value is not a number"),
        (table("double", "+Inf"), "_value is not a number"),
        (table("double", ""), "_value is not a number"),
        (table("long", "5").replace("_value", "other"), "no column _value"),
        (
            "#datatype,string,string\r\n#group,,\r\n#default,,\r\n,error,reference\r\n,hunter2,897\r\n",
            "failed at",
        ),
        ("<html>hunter2</html>", "not annotated CSV"),
        ('#datatype,"x', "not CSV"),
    ],
)
def test_another_answer_has_no_value(text: str, said: str) -> None:
    with pytest.raises(Unpicked, match=said) as caught:
        read_flux(text)
    assert "hunter2" not in str(caught.value)
    # A table that is none is the address's fault: the usual words say so.
    assert bool(caught.value.next_step) != ("CSV" in said)


async def influx(request: web.Request) -> web.StreamResponse:
    """Version 2 answers the number that the query is; version 3 a row for each word of it."""
    if "hunter2-hunter2" not in request.headers.get("Authorization", ""):
        return web.json_response({"code": "unauthorized", "message": "hunter2"}, status=401)
    body = await request.json()
    if request.path == "/api/v2/query":
        assert request.query["org"] == "shop"
        assert (body["type"], body["dialect"]["annotations"]) == ("flux", ["datatype", "group", "default"])
        return web.Response(text=table("double", body["query"]), content_type="text/csv")
    assert request.path in ("/api/v3/query_sql", "/api/v3/query_influxql")
    assert (body["db"], body["format"]) == ("queues", "json")
    words = body["q"].split() if body["q"] != "none" else []
    return web.json_response([{"waiting": json.loads(word)} for word in words])


async def test_flux_is_asked_once_for_equal_queries_with_a_token() -> None:
    async with answering(influx) as fake:
        metadata = {**TWO, "serverURL": fake.origin}
        triggers = [
            build({**metadata, "query": "7", "thresholdValue": str(n)}, TOKEN) for n in range(1, 1001)
        ]
        round = await one_round([*triggers, build({**metadata, "query": "8"}, TOKEN)])
        assert round.values == [7] * 1000 + [8]
        assert len(fake.requests) == 2
        assert {one.headers["Authorization"] for one in fake.requests} == {"Token hunter2-hunter2"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("1 2 3", 3),
        ("1.5", 1.5),
        ("none", 0),
        ("1 null", "nothing where a number"),
        ('"5"', "a text where a number"),
        ("true", "a truth value where"),
    ],
)
@pytest.mark.parametrize("kind", ["InfluxQL", "FlightSQL"])
async def test_of_rows_the_last_one_counts(kind: str, query: str, expected: Any) -> None:
    async with answering(influx) as fake:
        metadata = {**THREE, "serverURL": fake.origin, "queryType": kind, "query": query}
        (value,) = (await one_round([build(metadata, TOKEN)])).values
        assert value == expected or str(expected) in str(value)
        path = "/api/v3/query_sql" if kind == "FlightSQL" else "/api/v3/query_influxql"
        assert fake.paths() == [path]
        assert fake.requests[0].headers["Authorization"] == "Bearer hunter2-hunter2"
        (said,) = (await one_round([build({**metadata, "metricKey": "other", "query": "1"}, TOKEN)])).values
        assert "no column of the name in metricKey" in said


@pytest.mark.parametrize("metadata", [TWO, THREE], ids=["2", "3"])
async def test_who_is_not_known_is_denied_and_products_without_the_api_are_told(
    metadata: dict[str, str],
) -> None:
    async with answering(influx) as fake:
        (one,) = (await one_round([build({**metadata, "serverURL": fake.origin})])).readings
        assert one.failure is not None
        assert one.failure.kind == "Denied"
        assert "hunter2" not in one.failure.message
    async with faults.answering(b"hunter2", "404 Not Found") as bad:
        (said,) = (await one_round([build({**metadata, "serverURL": f"http://{bad.address}"})])).values
        assert "404 Not Found" in said
        assert "hunter2" not in said


@pytest.mark.parametrize("body", [b"{}", b"7", b"[7]", b"<hunter2>", b""])
@pytest.mark.parametrize("metadata", [TWO, THREE], ids=["2", "3"])
async def test_an_answer_of_another_kind_is_no_number(metadata: dict[str, str], body: bytes) -> None:
    async with faults.answering(body) as bad:
        (said,) = (await one_round([build({**metadata, "serverURL": f"http://{bad.address}"})])).values
        assert "cannot" in str(said)
        assert "hunter2" not in str(said)


def test_the_token_may_come_from_a_variable() -> None:
    assert build({**TWO, "authTokenFromEnv": "T"}, T="secret").auth_token == "secret"


@pytest.mark.parametrize(
    ("metadata", "path", "message"),
    [
        ({**TWO, "serverURL": "influx"}, "serverURL", "is not an absolute URL"),
        (
            {**TWO, "organizationName": ""},
            "organizationName",
            "organizationName is required if influxVersion is 2",
        ),
        ({**TWO, "thresholdValue": "0"}, "thresholdValue", "no threshold value given"),
        ({**TWO, "influxVersion": "1"}, "influxVersion", "is not one of 2, 3"),
        ({**TWO, "authToken": "hunter2"}, "authToken", "in the metadata is not read"),
        ({**THREE, "database": ""}, "database", "database is required if influxVersion is 3"),
        ({**THREE, "metricKey": ""}, "metricKey", "metricKey is required if influxVersion is 3"),
        ({**THREE, "queryType": "flux"}, "queryType", "query type must be 'influxql' or 'flightsql'"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], path: str, message: str) -> None:
    problems = build(metadata)
    assert [one.path for one in problems] == [path]
    assert message in problems[0].message
    assert "hunter2" not in problems[0].message


def test_the_metric_is_named_after_the_organisation_or_the_database() -> None:
    assert build({**TWO, "organizationName": "a/b"}).metric_name() == "influxdb-a-b"
    assert build(THREE).metric_name() == "influxdb-queues"
