"""The predictkube trigger against fakes of Prometheus' range queries and of PredictKube's service.

Source: https://github.com/dysnix/predictkube-proto (ml_engine.proto) and
https://prometheus.io/docs/prometheus/latest/querying/api/#range-queries
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import grpc
import pytest
from aiohttp import web

from parts import faults
from parts.grpc_fake import GrpcFake, Reply, grpc_answering
from parts.http_server import HttpFake, answering, says
from parts.http_trigger import build
from tidegate.base.errors import Denied, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.pool import Connections
from tidegate.connections.predictkube import ml_engine_pb2 as wire
from tidegate.connections.predictkube.connection import METHOD
from tidegate.kit.question import ASK, drive
from tidegate.kit.systems.predictkube import Prediction, read_long_duration
from tidegate.testing.sheets import Sample

TOKEN = "aHVudGVyMg.aHVudGVyMg.aHVudGVyMg"
SAMPLES = {"predictkube": Sample(lambda _: (7, 3.0), is_active=True, auth={"apiKey": TOKEN})}

BASE = {
    "query": "up",
    "predictHorizon": "2h",
    "historyTimeWindow": "1d",
    "queryStep": "2m",
    "threshold": "10",
}
AUTH = {"apiKey": TOKEN}


def history(*values: str, name: str = "up") -> dict[str, Any]:
    series = {
        "metric": {"__name__": name},
        "values": [[1000 + 60.5 * n, one] for n, one in enumerate(values)],
    }
    return {"status": "success", "data": {"resultType": "matrix", "result": [series]}}


def service(result: int = 9, status: grpc.StatusCode | None = None) -> dict[str, Reply]:
    async def reply(body: bytes, context: grpc.aio.ServicerContext) -> bytes:
        if status is not None:
            await context.abort(status, f"no {TOKEN}")
        request = wire.GetPredictMetricRequest.FromString(body)
        assert request.forecast_horizon == 60
        assert [one.value for one in request.observations] == [1.0, 2.0, 3.0]
        assert [one.timestamp.nanos for one in request.observations] in (
            [0, 500_000_000, 0],
            [0, 0, 500_000_000],
        )
        assert {one.metric_name for one in request.observations} == {"up"}
        return bytes(wire.GetPredictMetricReply(result_metric=result).SerializeToString())

    return {METHOD: reply}


@asynccontextmanager
async def both(
    body: Any = None, replies: dict[str, Reply] | None = None
) -> AsyncIterator[tuple[HttpFake, GrpcFake]]:
    told = says(history("1", "2", "3") if body is None else body)
    async with answering(told) as prometheus, grpc_answering(replies or service()) as predictkube:
        yield prometheus, predictkube


def asked(origin: str, address: str, auth: dict[str, str] | None = None, **metadata: str) -> Prediction:
    made = build("predictkube", {**BASE, "prometheusAddress": origin, **metadata}, {**AUTH, **(auth or {})})
    questions: list[Any] = []
    drive(made.measure(ASK, None), lambda question: questions.append(question) or (1, 1.0))
    (question,) = questions
    return replace(question, server=replace(question.server, service=address, is_encrypted=False))


async def answered(*questions: Prediction, patient_s: float = 10.0, **around: Any) -> list[Any]:
    connections = Connections(Surroundings(**around))
    try:
        adapter: Any = connections.adapter(questions[0].server).adapter
        adapter.client.timeout_s = patient_s
        return list(await adapter.answer(questions))
    except TidegateError as error:
        return [error] * len(questions)
    finally:
        await connections.close()


async def test_the_history_is_sent_and_the_prediction_taken() -> None:
    async with both() as (prometheus, predictkube):
        assert await answered(asked(prometheus.origin, predictkube.address)) == [(9, 3.0)]
        sent = dict(parse_qsl(prometheus.bodies[0].decode()))
        assert (sent["query"], sent["step"]) == ("up", "120")
        assert 86399 < float(sent["end"]) - float(sent["start"]) < 86401
        assert predictkube.seen[0][1]["x-auth-api-key"] == TOKEN


async def test_where_nothing_may_be_posted_it_is_got() -> None:
    async def getting(request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            return web.Response(status=405)
        return web.json_response(history("1", "2", "3"))

    async with answering(getting) as prometheus, grpc_answering(service()) as predictkube:
        assert await answered(asked(prometheus.origin, predictkube.address)) == [(9, 3.0)]
        assert [one.method for one in prometheus.requests] == ["POST", "GET"]


async def test_equal_queries_are_asked_once() -> None:
    async with both() as (prometheus, predictkube):
        some = [asked(prometheus.origin, predictkube.address, threshold=str(n)) for n in range(1, 11)]
        assert await answered(*some) == [(9, 3.0)] * 10
        assert (len(prometheus.requests), len(predictkube.seen)) == (1, 1)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (history("1", "NaN", "2", "3"), (9, 3.0)),
        (history("1", "2", "NaN"), "the last sample is NaN"),
        (history(), "the query has no history"),
        (history("many"), "a series cannot be read"),
        ({"data": {"resultType": "vector", "result": []}}, "the answer holds no history"),
        ({"data": 7}, "the answer holds no history"),
        ("{", "the answer is not JSON"),
        ("<html>", "the answer is not JSON"),
    ],
)
async def test_only_a_history_of_numbers_is_sent(body: Any, said: Any) -> None:
    async with both(body) as (prometheus, predictkube):
        (answer,) = await answered(asked(prometheus.origin, predictkube.address))
        assert answer == said if isinstance(said, tuple) else said in str(answer)


async def test_a_service_that_refuses_is_told_without_the_key() -> None:
    async with both(replies=service(status=grpc.StatusCode.UNAUTHENTICATED)) as (prometheus, predictkube):
        (error,) = await answered(asked(prometheus.origin, predictkube.address))
        assert isinstance(error, Denied)
        assert TOKEN not in f"{error} {error.excerpt}"


@pytest.mark.parametrize("fault", faults.UNREACHABLE)
async def test_servers_that_cannot_be_asked_are_named(fault: Any) -> None:
    async with both() as (prometheus, predictkube), fault() as bad:
        (error,) = await answered(asked(f"http://{bad.address}", predictkube.address), patient_s=0.5)
        assert isinstance(error, Unreachable)
        assert bad.address in str(error)
        assert prometheus.requests == []


async def test_a_service_that_is_not_there_is_named_and_back_it_is_asked() -> None:
    async with answering(says(history("1", "2", "3"))) as prometheus:
        async with faults.nobody() as bad:
            (error,) = await answered(asked(prometheus.origin, bad.address))
            assert isinstance(error, Unreachable)
            assert bad.address in str(error)
        async with grpc_answering(service()) as predictkube:
            assert await answered(asked(prometheus.origin, predictkube.address)) == [(9, 3.0)]


def test_more_of_what_is_foreseen_and_seen_counts_and_what_is_seen_activates() -> None:
    made = build("predictkube", {**BASE, "prometheusAddress": "http://h", "activationThreshold": "4"}, AUTH)
    for answer, values, is_active in (
        ((9, 5.0), (9,), True),
        ((9, 4.0), (9,), False),
        ((-2, 0.5), (0.5,), False),
    ):
        measured = drive(made.measure(ASK, None), lambda _, answer=answer: answer)
        assert (measured.values, measured.active) == (values, is_active)


def test_the_key_is_never_sent_to_prometheus() -> None:
    question = asked("http://h", "p:1", {"username": "u"}, authModes="apiKey,basic")
    assert [name for name, _ in question.server.prometheus.login.headers] == ["Authorization"]
    assert question.server.prometheus.login.query == ()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2h", 7200),
        ("7d", 604800),
        ("1w2d3h", 788400),
        ("1d12h", 129600),
        ("90s", 90),
        ("0", 0),
        ("1w", 604800),
    ],
)
def test_durations_know_weeks_and_days(text: str, seconds: float) -> None:
    assert read_long_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "1d7", "1x", "-1h", "1h1d"])
def test_what_is_no_duration_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is"):
        read_long_duration(text)


@pytest.mark.parametrize(
    ("metadata", "auth", "path"),
    [
        ({"prometheusAddress": "h"}, AUTH, "prometheusAddress"),
        ({"predictHorizon": "soon"}, AUTH, "predictHorizon"),
        ({"historyTimeWindow": "0"}, AUTH, "historyTimeWindow"),
        ({"threshold": "0"}, AUTH, "threshold"),
        ({}, {"apiKey": "hunter2"}, "apiKey"),
        ({}, {}, "apiKey"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], auth: dict[str, str], path: str) -> None:
    problems = build("predictkube", {**BASE, "prometheusAddress": "http://h", **metadata}, auth)
    assert [one.path for one in problems] == [path]
    assert "hunter2" not in str(problems)


def test_the_metric_has_one_name() -> None:
    made = build("predictkube", {**BASE, "prometheusAddress": "http://h"}, AUTH)
    assert made.metric_name() == "predictkube-predictkube_metric"
