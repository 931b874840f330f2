"""The splunk-observability trigger against a fake of SignalFlow's server-sent events.

Source: https://dev.splunk.com/observability/reference/api/signalflow/latest (`POST /v2/signalflow/execute`:
events `control-message`, `metadata`, `data`, `error`).
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from parts.http_server import Answer, answering
from parts.http_trigger import SECRET, Elsewhere, HttpCase, build
from parts.one_round import one_round
from tidegate.testing.sheets import Sample

SAMPLES = {"splunk-observability": Sample(lambda _: (3.0, 7.0), auth={"realm": "us1"})}

BASE = {"query": "data('m').publish()", "duration": "1", "queryAggregator": "max", "targetValue": "10"}
AUTH = {"accessToken": SECRET, "realm": "us1"}


def event(kind: str, data: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def data(*values: Any) -> bytes:
    return event(
        "data", {"data": [{"tsId": "A", "value": value} for value in values], "logicalTimestampMs": 1}
    )


START = event("control-message", {"event": "STREAM_START"}) + event(
    "metadata", {"tsId": "A", "properties": {}}
)
END = event("control-message", {"event": "END_OF_CHANNEL"})


def streaming(*pieces: bytes, is_held: bool = False) -> Answer:
    """Sends these one after the other; held, it then goes on without a word."""

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.headers["X-SF-Token"] == SECRET
        assert request.path == "/v2/signalflow/execute"
        stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await stream.prepare(request)
        for piece in pieces:
            await stream.write(piece)
            await asyncio.sleep(0)
        if is_held:
            await asyncio.sleep(5)
        return stream

    return answer


HTTP = HttpCase(
    "splunk-observability",
    BASE,
    streaming(START, data(3, 7), END),
    7,
    AUTH,
    is_fixed=True,
    another=lambda n: {"query": f"data('m{n}').publish()"},
)


def made(origin: str, **metadata: str) -> Any:
    return Elsewhere(build("splunk-observability", {**BASE, **metadata}, AUTH), origin)


@pytest.mark.parametrize(
    ("pieces", "aggregator", "said"),
    [
        ((START, data(1, 2.5), data(4), END), "max", 4),
        ((START, data(1, 2.5), data(4), END), "min", 1),
        ((START, data(1, 2.5), data(4), END), "avg", 2.5),
        ((START + data(1)[:20], data(1)[20:] + END), "avg", 1),
        ((START, data(0), END), "max", 0),
        ((START, END), "max", "query returned no data points; check the program"),
        ((START, data("7"), END), "max", "could not convert Splunk Observability metric value"),
        ((START, data(None), END), "max", "could not convert Splunk Observability metric value"),
        ((START, event("error", {"message": "never shown"})), "max", "the program failed; check the program"),
        ((START, event("control-message", {"event": "CHANNEL_ABORT"})), "max", "the program failed"),
        ((START, event("data", [])), "max", "an event holds no data"),
        ((START, data(5)), "max", "the stream ended before its time"),
        ((START.replace(b"\n", b"\r\n"), data(6).replace(b"\n", b"\r\n"), END), "max", 6),
    ],
)
async def test_values_become_one(pieces: tuple[bytes, ...], aggregator: str, said: Any) -> None:
    async with answering(streaming(*pieces)) as fake:
        (value,) = (await one_round([made(fake.origin, queryAggregator=aggregator)])).values
        assert value == said or str(said) in str(value)
        assert "never shown" not in str(value)


async def test_a_stream_that_goes_on_is_listened_to_for_its_duration_and_closed() -> None:
    async with answering(streaming(START, data(3), is_held=True)) as fake:
        assert (await one_round([made(fake.origin)])).values == [3]
        assert len(fake.requests) == 1


async def test_programs_are_listened_to_side_by_side() -> None:
    async with answering(streaming(START, data(3), is_held=True)) as fake:
        assert (await one_round([made(fake.origin, query=f"q{n}") for n in range(20)])).values == [3] * 20
        assert len(fake.requests) == 20


@pytest.mark.parametrize(
    ("metadata", "auth", "path"),
    [
        ({"duration": "0"}, {}, "duration"),
        ({"duration": "3600"}, {}, "duration"),
        ({"queryAggregator": "sum"}, {}, "queryAggregator"),
        ({}, {"realm": "us1/x?"}, "realm"),
        ({}, {"accessToken": ""}, "accessToken"),
    ],
)
def test_a_mistake_is_told(metadata: dict[str, str], auth: dict[str, str], path: str) -> None:
    problems = build("splunk-observability", {**BASE, **metadata}, {**AUTH, **auth})
    assert [one.path for one in problems] == [path]


def test_the_metric_has_one_name() -> None:
    assert build("splunk-observability", BASE, AUTH).metric_name() == "signalfx"
