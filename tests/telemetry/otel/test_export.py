"""A real receiver gets the metrics, over HTTP and gRPC; one that is away costs a line."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from threading import Event
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as Grpc
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as Http
from opentelemetry.sdk.metrics.export import MetricExportResult
from opentelemetry.sdk.resources import Resource

from parts.loopback import free_port
from parts.otlp_receiver import OtlpReceiver
from tidegate.base.errors import Misconfigured, Unsupported
from tidegate.runtime.clock import SystemClock
from tidegate.telemetry.metrics import catalogue as known
from tidegate.telemetry.metrics.families import Metric
from tidegate.telemetry.otel.export import Export, Settings, exporting, settings_from

pytestmark = pytest.mark.real
WEB = ("shop", "s0-redis-jobs", "web", "redisScaler", "0", "scaledobject")


async def gather() -> Sequence[Metric]:
    return [
        Metric(known.SCALER_VALUE, {WEB: 3.0}),
        Metric(known.SCALER_ERRORS, {WEB: 2.0}),
        Metric(known.TRIGGERS, {("redis",): 1.0}),
    ]


def export(endpoint: str, protocol: str = "http", interval_s: float = 60.0) -> Export:
    def make(protocol: str) -> tuple[Any, Any]:
        resource = Resource({"service.name": "test"})
        if protocol == "grpc":
            return Grpc(endpoint=endpoint, insecure=True, timeout=1), resource
        return Http(endpoint=endpoint, timeout=1), resource

    return Export(gather, Settings(protocol, interval_s), SystemClock(), make)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
async def test_a_receiver_gets_what_was_gathered(protocol: str) -> None:
    async with OtlpReceiver().serving() as receiver:
        endpoint = receiver.endpoint if protocol == "http" else f"http://127.0.0.1:{receiver.grpc_port}"
        async with exporting(export(endpoint, protocol, 0.05)):
            await receiver.until(2)
        value = receiver.last("keda.scaler.metrics.value", scaledObject="web", scalerIndex="0")
        assert value is not None
        assert (value.value, value.kind) == (3, "gauge")
        counted = receiver.last("keda.scaler.errors", scaledObject="web")
        assert counted is not None
        assert (counted.value, counted.kind, counted.is_monotonic, counted.is_delta) == (
            2,
            "sum",
            True,
            False,
        )
        assert counted.start_ns < counted.time_ns <= time.time_ns()
        triggers = receiver.last("keda.trigger.registered.count", type="redis")
        assert triggers is not None
        assert (triggers.value, triggers.is_monotonic) == (1, False)
        assert receiver.scope == "keda-open-telemetry-metrics"
        assert receiver.resource["service.name"] == "test"
        # Each time all of it: no gauge is gone between two polls.
        assert [point.name for point in receiver.requests[0]] == [
            point.name for point in receiver.requests[1]
        ]


@pytest.mark.parametrize("protocol", ["http", "grpc"])
async def test_a_receiver_that_is_away_costs_one_line(protocol: str, caplog: Any) -> None:
    caplog.set_level(logging.INFO)
    endpoint = f"http://127.0.0.1:{free_port()}"
    away = export(endpoint if protocol == "grpc" else f"{endpoint}/v1/metrics", protocol)
    for _ in range(3):
        await away.send()
    await away.close()
    lines = [record.getMessage() for record in caplog.records if record.name.startswith(("tide", "opentel"))]
    assert lines == ["metrics are not taken"]


async def test_a_receiver_that_comes_back_gets_the_next_numbers(caplog: Any) -> None:
    caplog.set_level(logging.INFO, "tidegate")
    async with OtlpReceiver().serving() as receiver:
        receiver.status = 400
        sending = export(receiver.endpoint)
        await sending.send()
        receiver.status = 200
        await sending.send()
        await sending.send()
        await sending.close()
        assert len(receiver.requests) == 2
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told == [("WARNING", "metrics are not taken"), ("INFO", "metrics are taken again")]
    assert "400" in caplog.records[0].failure


async def test_a_gathering_that_breaks_ends_nothing(caplog: Any) -> None:
    async def broken() -> Sequence[Metric]:
        raise RuntimeError("a defect")

    async with OtlpReceiver().serving() as receiver:
        made = Export(
            broken, Settings(), SystemClock(), lambda _: (Http(endpoint=receiver.endpoint), Resource({}))
        )
        await made.send()
        await made.close()
    assert "unexpectedly" in caplog.text


async def test_the_last_words_of_an_exporter_that_is_shut_down_are_not_logged(caplog: Any) -> None:
    is_sending, is_shut_down = Event(), Event()

    class Slow:
        def export(self, _: Any) -> MetricExportResult:
            is_sending.set()
            assert is_shut_down.wait(10)
            time.sleep(0.1)
            logging.getLogger("opentelemetry.exporter").warning("shutdown in progress")
            return MetricExportResult.FAILURE

        def shutdown(self) -> None:
            is_shut_down.set()

    made = Export(gather, Settings(), SystemClock(), lambda _: (Slow(), Resource({})))
    sending = asyncio.create_task(made.send())
    await asyncio.to_thread(is_sending.wait, 10)
    await made.close()
    await sending
    assert "shutdown in progress" not in caplog.messages


def test_without_the_extra_it_says_what_to_install() -> None:
    def make(protocol: str) -> tuple[Any, Any]:
        raise ModuleNotFoundError(name="opentelemetry.sdk")

    with pytest.raises(Unsupported, match=r"install tidegate\[otel\]"):
        Export(gather, Settings(), SystemClock(), make)


@pytest.mark.parametrize(
    ("environment", "settings"),
    [
        ({}, Settings()),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, Settings("grpc")),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, Settings("http")),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf"},
            Settings("http"),
        ),
        ({"OTEL_METRIC_EXPORT_INTERVAL": "5000"}, Settings(interval_s=5.0)),
        ({"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "DELTA"}, Settings(is_delta=True)),
        ({"OTEL_SDK_DISABLED": "true"}, Settings(is_disabled=True)),
    ],
)
def test_the_standard_variables_are_read(environment: dict[str, str], settings: Settings) -> None:
    assert settings_from(environment) == settings


@pytest.mark.parametrize(
    "environment",
    [{"OTEL_EXPORTER_OTLP_PROTOCOL": "carrier-pigeon"}, {"OTEL_METRIC_EXPORT_INTERVAL": "5s"}],
)
def test_a_variable_that_cannot_be_read_is_told(environment: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match=next(iter(environment))):
        settings_from(environment)
