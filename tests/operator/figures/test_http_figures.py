"""Requests over HTTP as an operator tells them, against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from parts.cluster import Cluster, running
from parts.loopback import free_port
from parts.memory_client import MemoryClient
from parts.memory_objects import MemoryObjects
from tidegate.auth.resolve import Options
from tidegate.connections.adapter import Surroundings
from tidegate.operator.operator import Operator
from tidegate.runtime.clock import SystemClock
from tidegate.telemetry.metrics.exposition import lines

pytestmark = pytest.mark.real


class Prometheus:
    """Answers every query with `value`, or with nothing; or with `status`."""

    def __init__(self) -> None:
        self.value: str | None = "7"
        self.status = 200
        self.requests = 0
        self.port = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Prometheus]:
        site = web.Application()
        site.router.add_route("*", "/api/v1/query", self._query)
        runner = web.AppRunner(site, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.port = runner.addresses[0][1]
            yield self
        finally:
            await runner.cleanup()

    async def _query(self, request: web.Request) -> web.Response:
        self.requests += 1
        result = [] if self.value is None else [{"metric": {}, "value": [0, self.value]}]
        body = {"status": "success", "data": {"resultType": "vector", "result": result}}
        return web.json_response(body, status=self.status)


class World:
    """A cluster whose operator asks real servers."""

    def __init__(self) -> None:
        clock = SystemClock()
        client: Any = MemoryClient(MemoryObjects(clock), clock)
        self.cluster = Cluster(clock, client)
        self.operator = Operator(client, clock, Surroundings(), Options(cluster_namespace="keda"))

    async def job(self, name: str, port: int, query: str = "up", **metadata: str) -> None:
        address = f"http://127.0.0.1:{port}"
        trigger = {
            "type": "prometheus",
            "name": "load",
            "metadata": {"serverAddress": address, "query": query, "threshold": "10", **metadata},
        }
        await self.cluster.scaled_job(name, trigger, pollingInterval=1, maxReplicaCount=1)

    async def told(self, *, is_detailed: bool = False) -> dict[str, float]:
        metrics = await self.operator.figures(has_detailed_labels=is_detailed).gather()
        text = (line.strip() for line in lines(metrics) if line.startswith("keda_scaler_"))
        return {series: float(value) for series, value in (line.rsplit(" ", 1) for line in text)}

    async def until(self, series: str, least: float = 1, *, is_detailed: bool = False) -> dict[str, float]:
        async with asyncio.timeout(15):
            while (told := await self.told(is_detailed=is_detailed)).get(series, 0) < least:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return told


def requests(status: str) -> str:
    labels = (
        'namespace="shop",scaled_resource="crunch",scaler="prometheus",trigger_name="load",'
        'metric_name="s0-prometheus"'
    )
    return f'keda_scaler_http_requests_total{{{labels},status_code="{status}"}}'


async def test_requests_are_told_by_trigger_and_status_and_a_lost_one_as_error() -> None:
    async with Prometheus().serving() as prometheus:
        world = World()
        async with running(world.operator):
            await world.job("crunch", prometheus.port)
            told = await world.until(requests("200"), 2)
            count = 'keda_scaler_http_request_duration_seconds_count{scaler="prometheus",status_code="200"}'
            assert told[count] == told[requests("200")]
            prometheus.status = 503
            await world.until(requests("503"))
            sent = sum(value for key, value in (await world.told()).items() if "requests_total" in key)
            # One may be on its way.
            assert 0 <= prometheus.requests - sent <= 1


async def test_a_server_that_is_not_there_is_an_error() -> None:
    world = World()
    async with running(world.operator):
        await world.job("crunch", free_port())
        await world.until(requests("error"))


async def test_durations_are_told_by_trigger_where_that_is_wanted() -> None:
    async with Prometheus().serving() as prometheus:
        world = World()
        async with running(world.operator):
            await world.job("crunch", prometheus.port)
            count = requests("200").replace("requests_total", "request_duration_seconds_count")
            told = await world.until(count, is_detailed=True)
            assert "keda_scaler_http_request_duration_seconds_count{scaler" not in str(told)


async def test_requests_of_a_server_that_several_triggers_share_are_counted_once() -> None:
    async with Prometheus().serving() as prometheus:
        world = World()
        async with running(world.operator):
            await world.job("one", prometheus.port)
            await world.job("two", prometheus.port)
            labels = 'namespace="",scaled_resource="",scaler="prometheus",trigger_name="",metric_name=""'
            await world.until(f'keda_scaler_http_requests_total{{{labels},status_code="200"}}', 2)
            sent = sum(value for key, value in (await world.told()).items() if "requests_total" in key)
            # One may be on its way.
            assert 0 <= prometheus.requests - sent <= 1


@pytest.mark.parametrize(("setting", "is_failure"), [("true", False), ("false", True)])
async def test_empty_results_are_counted_whether_they_count_as_zero_or_not(
    setting: str, is_failure: bool
) -> None:
    async with Prometheus().serving() as prometheus:
        prometheus.value = None
        world = World()
        async with running(world.operator):
            await world.job("crunch", prometheus.port, ignoreNullValues=setting)
            labels = (
                'namespace="shop",scaledResource="crunch",triggerName="load",metricName="s0-prometheus",'
                f'resourceType="ScaledJob",ignoreNullValues="{setting}"'
            )
            told = await world.until(f"keda_scaler_empty_upstream_responses_total{{{labels}}}", 2)
            errors = [
                value for key, value in told.items() if key.startswith("keda_scaler_detail_errors_total")
            ]
            assert (errors[0] > 0) is is_failure
