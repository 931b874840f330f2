"""The datadog trigger against fakes of Datadog's query API and of its Cluster Agent.

The fake gives each series of a query a `query_index`, counts what it is asked, and knows bad queries.
Source: https://docs.datadoghq.com/api/latest/metrics/#query-timeseries-points and
https://docs.datadoghq.com/containers/guide/cluster_agent_autoscaling_metrics/
"""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from parts.http_server import answering, says
from parts.http_trigger import SECRET, Elsewhere, HttpCase, asking, build
from parts.one_round import one_round
from tidegate.base.errors import Malformed, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.datadog import connect
from tidegate.kit.systems.datadog import DatadogQuery, DatadogServer, queries_in
from tidegate.testing.sheets import Sample

SAMPLES = {"datadog": Sample(lambda _: ((1.0, 7.0, None),), zeros=())}

KEYS = {"apiKey": SECRET, "appKey": f"{SECRET}-app"}
REST = {"query": "sum:waiting{*}", "targetValue": "10"}
AGENT = {
    "useClusterAgentProxy": "true",
    "datadogMetricName": "waiting",
    "datadogMetricNamespace": "shop",
    "targetValue": "10",
}
SERVICE = {"datadogNamespace": "datadog", "datadogMetricsService": "agent"}

SERIES: dict[str, list[list[float | None]]] = {
    "sum:one{*}": [[1, 2.5, None]],
    "sum:two{*}": [[1, 2], [4, 6, None]],
    "sum:none{*}": [],
    "sum:empty{*}": [[]],
    "sum:nulls{*}": [[None, None]],
    "sum:gap{*}": [[None, 3]],
    "sum:negative{*}": [[-4]],
}


async def datadog(request: web.Request) -> web.StreamResponse:
    """As documented; a query that begins with `bad` spoils the whole request."""
    if request.path != "/api/v1/query":
        return web.Response(status=404)
    if (request.headers.get("DD-API-KEY"), request.headers.get("DD-APPLICATION-KEY")) != tuple(KEYS.values()):
        return web.json_response({"errors": ["Forbidden"]}, status=403)
    queries = split(request.query["query"])
    if any(one.startswith("bad") for one in queries):
        return web.json_response({"errors": ["Error parsing query"]}, status=400)
    if any(one.startswith("unknown") for one in queries):
        return web.json_response({"errors": ["unavailable"]}, status=422)
    series = [
        {
            "metric": query,
            "query_index": index,
            "pointlist": [[1575317847000.0 + n, value] for n, value in enumerate(values)],
        }
        for index, query in enumerate(queries)
        for values in SERIES.get(query, [[7.0, None]])
    ]
    until, since = int(request.query["to"]), int(request.query["from"])
    assert until > since
    return web.json_response(
        {"status": "ok", "res_type": "time_series", "series": series, "from_date": since}
    )


def split(text: str) -> list[str]:
    found, depth = [""], 0
    for sign in text:
        depth += (sign in "{(") - (sign in "})")
        if sign == "," and not depth:
            found.append("")
        else:
            found[-1] += sign
    return found


async def agent(request: web.Request) -> web.StreamResponse:
    at = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/datadogmetric@shop:"
    assert request.path.startswith(at)
    name = request.path.removeprefix(at)
    if name == "unknown":
        return web.json_response({"kind": "Status", "message": "never shown"}, status=422)
    values: dict[str, Any] = {"milli": "7500m", "plain": 3, "text": "many", "none": None}
    items = [{"metricName": name, "value": values.get(name, "7")}] if name != "empty" else []
    return web.json_response({"kind": "ExternalMetricValueList", "items": items})


HTTP = HttpCase(
    "datadog", REST, datadog, 7, KEYS, is_fixed=True, another=lambda n: {"query": f"sum:m{n}{{*}}"}, apart=4
)
HTTP_AGENT = HttpCase(
    "datadog",
    AGENT,
    agent,
    7,
    {**SERVICE, "authMode": "bearer", "token": SECRET},
    is_fixed=True,
    another=lambda n: {"datadogMetricName": f"m{n}"},
)


def made(origin: str, auth: dict[str, str] | None = None, **metadata: str) -> Any:
    return Elsewhere(build("datadog", {**REST, **metadata}, auth or KEYS), origin)


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"query": "sum:one{*}"}, 2.5),
        ({"query": "sum:one{*}", "lastAvailablePointOffset": "1"}, 1),
        ({"query": "sum:one{*}", "lastAvailablePointOffset": "2"}, "index is smaller than the lastAvailable"),
        ({"query": "sum:two{*}"}, "more than one series (2); set `queryAggregator`"),
        ({"query": "sum:two{*}", "queryAggregator": "average"}, 4),
        ({"query": "sum:two{*}", "queryAggregator": "max"}, 6),
        ({"query": "sum:one{*},sum:two{*}", "queryAggregator": "max"}, 6),
        ({"query": "sum:none{*}"}, "no Datadog metrics returned for the given time window"),
        ({"query": "sum:none{*}", "metricUnavailableValue": "0"}, 0),
        ({"query": "sum:none{*}", "metricUnavailableValue": "1.5"}, 1.5),
        ({"query": "sum:empty{*}", "metricUnavailableValue": "0"}, "a series has no points"),
        ({"query": "sum:nulls{*}"}, "no Datadog metrics returned"),
        ({"query": "sum:nulls{*}", "metricUnavailableValue": "3"}, 3),
        ({"query": "sum:gap{*}", "lastAvailablePointOffset": "1"}, "no Datadog metrics returned"),
        ({"query": "sum:negative{*}"}, -4),
        ({"query": "unknown:x{*}"}, "no Datadog metrics returned"),
        ({"query": "unknown:x{*}", "metricUnavailableValue": "2"}, 2),
        ({"query": "bad:x{*}", "metricUnavailableValue": "2"}, "400 Bad Request; check the query"),
    ],
)
async def test_the_latest_point_counts(metadata: dict[str, str], said: Any) -> None:
    async with answering(datadog) as fake:
        alone, beside = (await one_round([made(fake.origin, **metadata)])).values, None
        together = await one_round([made(fake.origin, **metadata), made(fake.origin), made(fake.origin)])
        beside, *others = together.values
        assert others == [7, 7]
        for value in (*alone, beside):
            assert value == said or str(said) in str(value)


async def test_queries_of_one_window_travel_together_and_a_bad_one_fails_alone() -> None:
    async with answering(datadog) as fake:
        server = DatadogServer(fake.origin, *KEYS.values())
        texts = [*(f"sum:m{n}{{*}}" for n in range(10)), "bad:x{*}"]
        questions = [DatadogQuery(server, text, 90, 0) for text in texts]
        adapter = connect(server, Surroundings(timeout_s=10))
        for requests in (1 + 11, 2):  # each alone to find the bad one, which is asked alone from then on
            *good, bad = await adapter.answer(questions)
            assert good == [((7, None),)] * 10
            assert isinstance(bad, Malformed)
            assert len(fake.requests) == requests
            fake.requests.clear()
        await adapter.close()


async def test_one_that_cannot_be_evaluated_is_asked_apart_and_a_mended_one_joins_the_others() -> None:
    is_broken = True

    async def sometimes(request: web.Request) -> web.StreamResponse:
        if is_broken and "sum:m1{*}" in request.query["query"]:
            return web.json_response({"errors": []}, status=400)
        return await datadog(request)

    async with answering(sometimes) as fake:
        server = DatadogServer(fake.origin, *KEYS.values())
        questions = [DatadogQuery(server, f"sum:m{n}{{*}}", 90, 0) for n in range(5)]
        questions.append(DatadogQuery(server, "unknown:x{*}", 90, 0))
        adapter = connect(server, Surroundings(timeout_s=10))
        counts = []
        for number in range(4):
            is_broken = number < 2
            answers = await adapter.answer(questions)
            assert answers[0] == ((7, None),)
            assert answers[5] is None
            assert isinstance(answers[1], Malformed) is is_broken
            counts.append(len(fake.requests))
            fake.requests.clear()
        assert counts == [1 + 6, 3, 3, 2]
        await adapter.close()


async def test_other_windows_and_other_keys_are_asked_apart() -> None:
    async with answering(datadog) as fake:
        triggers = [made(fake.origin, age=str(60 + n % 3)) for n in range(9)]
        strangers = [
            made(fake.origin, {**KEYS, "apiKey": "hunter2-wrong"}, query=f"sum:m{n}{{*}}") for n in (1, 2)
        ]
        round = await one_round([*triggers, *strangers])
        assert round.values[:9] == [7] * 9
        assert all("403 Forbidden; check `apiKey`, `appKey`" in said for said in round.values[9:])
        windows = sorted(int(one.query["to"]) - int(one.query["from"]) for one in fake.requests)
        assert windows == [60, 61, 62, 90]


async def test_a_window_ends_as_long_ago_as_it_should() -> None:
    async with answering(datadog) as fake:
        triggers = [made(fake.origin, timeWindowOffset=offset) for offset in ("0", "3600")]
        assert (await one_round(triggers)).values == [7, 7]
        ends = sorted(int(one.query["to"]) for one in fake.requests)
        assert 3599 <= ends[1] - ends[0] <= 3602


async def test_a_used_up_limit_lets_the_organisation_rest_until_its_reset() -> None:
    body = {"errors": ["Rate limit exceeded"]}
    async with answering(says(body, 429, **{"X-RateLimit-Reset": "40"})) as fake, asking() as ask:
        error = await ask(made(fake.origin))
        assert isinstance(error, Unreachable)
        assert error.retry_after_s == 40
        assert "used up its requests, to be asked again in 40 s" in str(error)


async def test_a_series_of_nobodys_query_gives_no_number() -> None:
    point = [[1.0, 5.0]]
    answer = {"status": "ok", "series": [{"query_index": 9, "pointlist": point}, {"pointlist": point}]}
    async with answering(says(answer)) as fake:
        triggers = [made(fake.origin, query=f"sum:m{n}{{*}}") for n in range(2)]
        assert all(isinstance(one, str) for one in (await one_round(triggers)).values)


@pytest.mark.parametrize(
    ("name", "filler", "said"),
    [
        ("waiting", "", 7),
        ("milli", "", 7.5),
        ("plain", "", 3),
        ("text", "", "a text that is no quantity"),
        ("none", "4", "the answer holds no value of the metric"),
        ("empty", "4", "the answer holds no value of the metric"),
        ("unknown", "", "no Datadog metrics returned"),
        ("unknown", "4", 4),
    ],
)
async def test_the_agent_is_asked_for_a_metric(name: str, filler: str, said: Any) -> None:
    async with answering(agent) as fake:
        metadata = {**AGENT, "datadogMetricName": name, "metricUnavailableValue": filler}
        trigger = Elsewhere(
            build("datadog", metadata, {**SERVICE, "authMode": "bearer", "token": "t"}), fake.origin
        )
        (value,) = (await one_round([trigger])).values
        assert value == said or str(said) in str(value)
        assert fake.requests[0].headers["Authorization"] == "Bearer t"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a{*}", 1),
        ("a{x:1,y:2}", 1),
        ("a{*},b{*}", 2),
        ("top(a{*}, 10, 'mean', 'desc'),b{*}", 2),
        ("a{*}/b{*}", 1),
    ],
)
def test_queries_in_a_text_are_counted(text: str, count: int) -> None:
    assert queries_in(text) == count


@pytest.mark.parametrize(
    ("metadata", "auth", "told"),
    [
        (REST, {}, {"apiKey", "appKey"}),
        ({}, KEYS, {"query", "targetValue"}),
        ({**REST, "query": "sum:x"}, KEYS, {"query"}),
        ({**REST, "query": "sum:x{\n}"}, KEYS, {"query"}),
        ({**REST, "age": "-1", "timeWindowOffset": "-1", "lastAvailablePointOffset": "-1"}, KEYS,
         {"age", "timeWindowOffset", "lastAvailablePointOffset"}),
        ({**REST, "queryAggregator": "sum"}, KEYS, {"queryAggregator"}),
        (REST, {**KEYS, "datadogSite": "x/y"}, {"datadogSite"}),
        (REST, {**KEYS, "authMode": "bearer"}, {"token"}),
        ({**REST, "type": "other"}, KEYS, {"type"}),
        ({"useClusterAgentProxy": "true", "targetValue": "1"}, {},
         {"datadogMetricsService", "datadogMetricName", "datadogNamespace", "datadogMetricNamespace"}),
        ({**AGENT, "datadogMetricName": "a/b"}, SERVICE, {"datadogMetricName"}),
        (AGENT, {**SERVICE, "datadogMetricsServicePort": "0"}, {"datadogMetricsServicePort"}),
    ],
)  # fmt: skip
def test_mistakes_are_told(metadata: dict[str, str], auth: dict[str, str], told: set[str]) -> None:
    assert {one.path for one in build("datadog", metadata, auth)} == told


def test_names_and_activations_are_those_of_the_mode() -> None:
    both = {"activationQueryValue": "3", "activationTargetValue": "4"}
    rest, agent = build("datadog", {**REST, **both}, KEYS), build("datadog", {**AGENT, **both}, SERVICE)
    assert (rest.metric_name(), rest.activation_target()) == ("datadog-sum-waiting", 3)
    assert (agent.metric_name(), agent.activation_target()) == ("datadogmetric@shop-waiting", 4)
    assert build("datadog", {"query": "a{*}", "queryValue": "2"}, KEYS).metric_target() == 2
