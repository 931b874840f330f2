"""The elastic-forecast trigger against a fake of `_forecast` and `_msearch`: made, read, renewed.

Source: https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-ml-forecast (the answer names a
`forecast_id`) and the fields of `model_forecast` results.
"""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from parts.http_server import answering
from parts.http_trigger import SECRET, HttpCase, asking, build
from parts.one_round import one_round
from tidegate.connections.adapter import Surroundings
from tidegate.connections.elastic_forecast import connect
from tidegate.kit.question import ASK, drive
from tidegate.testing.sheets import Sample

SAMPLES = {"elastic-forecast": Sample(may_be_negative=True)}

BASE = {"addresses": "https://h:9200", "username": "u", "jobID": "orders", "targetValue": "10"}
AUTH = {"password": SECRET}
CLOUD_ID = "shop:" + base64.b64encode(b"eu.example.org:443$abc$def").decode()


class Cluster:
    """`predictions` are by forecast; a forecast without any is still being made."""

    def __init__(self, **predictions: Any) -> None:
        self.predictions = predictions
        self.made: list[Any] = []
        self.searches: list[Any] = []
        self.status = 200

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.path.startswith("/_ml/anomaly_detectors/"):
            if self.status != 200:
                return web.json_response({"error": {"reason": "never shown"}}, status=self.status)
            self.made.append((request.path.split("/")[3], json.loads(body)))
            return web.json_response({"acknowledged": True, "forecast_id": f"f{len(self.made)}"})
        if request.path == "/_msearch":
            lines = [json.loads(line) for line in body.splitlines()]
            return web.json_response({"responses": [self.found(one) for one in lines[1::2]]})
        assert request.path == "/.ml-anomalies-*/_search", request.path
        return web.json_response(self.found(json.loads(body)))

    def found(self, search: Any) -> Any:
        terms = {}
        for one in search["query"]["bool"]["filter"]:
            terms |= one.get("term", {})
        self.searches.append(terms)
        value = self.predictions.get(terms["forecast_id"], self.predictions.get("all"))
        hits = [] if value is None else [{"_source": {"forecast_prediction": value, "timestamp": 1}}]
        return {"hits": {"hits": hits}, "_shards": {"failed": 0}, "status": 200, "timed_out": False}


HTTP = HttpCase(
    "elastic-forecast",
    {**BASE, "addresses": "{origin}"},
    Cluster(all=7.0),
    7,
    AUTH,
    requests=2,
    another=lambda n: {"byFieldValue": f"v{n}"},
    apart=3,
)


async def test_triggers_of_one_job_share_a_forecast_that_is_twice_as_long() -> None:
    cluster = Cluster(all=2.5)
    async with answering(cluster) as fake, asking() as ask:
        texts = {**BASE, "addresses": fake.origin, "lookAhead": "90s"}
        some = [build("elastic-forecast", {**texts, "partitionFieldValue": str(n)}, AUTH) for n in range(10)]
        assert (await one_round(some)).values == [2.5] * 10
        assert cluster.made == [("orders", {"duration": "180s", "expires_in": "180s"})]
        assert {one["partition_field_value"] for one in cluster.searches} == {str(n) for n in range(10)}
        assert {one["result_type"] for one in cluster.searches} == {"model_forecast"}
        assert await ask(some[0]) == await ask(some[0]) == 2.5
        assert len(cluster.made) == 2  # the second is the asker's own: kept between its polls


async def test_what_is_not_foreseen_yet_is_unknown_and_no_zero() -> None:
    cluster = Cluster()
    async with answering(cluster) as fake, asking() as ask:
        trigger = build("elastic-forecast", {**BASE, "addresses": fake.origin}, AUTH)
        assert "it has no prediction for that moment yet; wait for it" in str(await ask(trigger))
        cluster.predictions["f1"] = 4
        assert await ask(trigger) == 4
        assert len(cluster.made) == 1


async def test_a_forecast_is_renewed_and_the_one_before_speaks_until_the_new_one_does() -> None:
    cluster = Cluster(f1=3)
    async with answering(cluster) as fake:
        trigger = build("elastic-forecast", {**BASE, "addresses": fake.origin, "lookAhead": "1ms"}, AUTH)
        asked: list[Any] = []
        drive(trigger.measure(ASK, None), lambda question: asked.append(question) or 1)
        adapter = connect(asked[0].server, Surroundings(timeout_s=10))
        assert list(await adapter.answer(asked)) == [3]
        await asyncio.sleep(0.002)  # the look-ahead is over
        assert list(await adapter.answer(asked)) == [3]
        assert len(cluster.made) == 2
        cluster.predictions["f3"] = 9
        await asyncio.sleep(0.002)
        assert list(await adapter.answer(asked)) == [9]
        other = replace(asked[0], job="others")
        cluster.status = 404
        (error,) = await adapter.answer([other])
        assert "cannot make the forecast" in str(error)
        assert "404 Not Found; check `jobID`" in str(error)
        await adapter.close()


async def test_a_forecast_that_cannot_be_renewed_serves_on() -> None:
    cluster = Cluster(f1=3)
    async with answering(cluster) as fake:
        trigger = build("elastic-forecast", {**BASE, "addresses": fake.origin, "lookAhead": "1ms"}, AUTH)
        asked: list[Any] = []
        drive(trigger.measure(ASK, None), lambda question: asked.append(question) or 1)
        adapter = connect(asked[0].server, Surroundings(timeout_s=10))
        assert list(await adapter.answer(asked)) == [3]
        cluster.status = 409
        await asyncio.sleep(0.002)
        assert list(await adapter.answer(asked)) == [3]
        await adapter.close()


@pytest.mark.parametrize("value", [None, "7", True, [1]])
async def test_a_prediction_that_is_no_number_is_a_failure(value: Any) -> None:
    async with answering(Cluster(all=value)) as fake:
        trigger = build("elastic-forecast", {**BASE, "addresses": fake.origin}, AUTH)
        assert isinstance((await one_round([trigger])).values[0], str)


@pytest.mark.parametrize(
    ("metadata", "auth", "path", "message"),
    [
        ({"cloudID": CLOUD_ID}, AUTH, "cloudID", "cannot provide both cloud config"),
        ({"addresses": "", "cloudID": CLOUD_ID}, {}, "apiKey", "must both be provided together"),
        ({"addresses": "", "cloudID": "x"}, {"apiKey": "k"}, "cloudID", "not that of a deployment"),
        ({"addresses": ""}, AUTH, "addresses", "username and password provided but no addresses"),
        ({"addresses": "", "username": ""}, {}, "addresses", "must provide either cloud config"),
        ({}, {}, "password", "must both be provided when addresses is used"),
        ({"addresses": "h"}, AUTH, "addresses", "an address is not an absolute URL"),
        ({"lookAhead": "0s"}, AUTH, "lookAhead", "lookAhead must be positive"),
        ({"targetValue": "0"}, AUTH, "targetValue", "targetValue must be greater than 0"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], auth: dict[str, str], path: str, message: str) -> None:
    (problem,) = build("elastic-forecast", {**BASE, **metadata}, auth)
    assert problem.path == path
    assert message in problem.message


def test_in_the_cloud_the_key_is_sent_to_the_deployment() -> None:
    made = build(
        "elastic-forecast", {**BASE, "addresses": "", "username": "", "cloudID": CLOUD_ID}, {"apiKey": "k"}
    )
    asked: list[Any] = []
    drive(made.measure(ASK, None), lambda question: asked.append(question) or 1)
    cluster = asked[0].server.cluster
    assert cluster.addresses == ("https://abc.eu.example.org",)
    assert cluster.login.headers == (("Authorization", "ApiKey k"),)
    assert made.metric_name() == "elastic-forecast-orders"
