"""Metrics as text: both forms as their own parsers read them, in slices."""

from __future__ import annotations

import asyncio
import gzip
import math
from collections.abc import Sequence

import pytest
from prometheus_client import openmetrics, parser
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open

from tidegate.telemetry.metrics.exposition import (
    OPEN_METRICS,
    SLICE_LINES,
    TEXT,
    Answered,
    Exposition,
    lines,
    slices,
    wants_open_metrics,
)
from tidegate.telemetry.metrics.families import Distribution, Family, Histogram, Metric

assert openmetrics

VALUE = Family("keda_scaler_metrics_value", "gauge", ("namespace", "metric"), "The value.")
ERRORS = Family("keda_errors_total", "counter", ("namespace",), 'How many "errors".')
TRIGGERS = Family("keda_trigger_registered_total", "gauge", ("type",), "Triggers.")
MISNAMED = Family("keda_scaler_errors", "counter", (), "A counter of before.")
LATE = Family("late_seconds", "histogram", ("server",), "Lateness.", buckets=(0.1, 1.0))
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


def made() -> list[Metric]:
    return [
        Metric(VALUE, {("shop", "s0-redis-jobs"): 3.0, ("shop", 'a\\b"c\nd\u2192\ud800'): 0.25}),
        Metric(ERRORS, {("shop",): 1e15}),
        Metric(TRIGGERS, {("redis",): 2.0}),
        Metric(MISNAMED, {(): 4.0}),
        Metric(LATE, {}, {("redis:6379",): Distribution((1, 3), 4, 7.5)}),
        Metric(Family("unused", "gauge", (), "Nothing has it.")),
    ]


def text_of(metrics: Sequence[Metric], *, is_open: bool = False) -> str:
    return b"".join(slices(lines(metrics, is_open=is_open))).decode()


async def body_of(answered: Answered) -> list[bytes]:
    return [part async for part in answered.body]


def samples(families: object) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in families  # type: ignore[attr-defined]
        for one in family.samples
    }


@pytest.mark.parametrize("is_open", [False, True])
def test_a_parser_of_the_format_reads_what_was_told(is_open: bool) -> None:
    read = read_open if is_open else parser.text_string_to_metric_families
    found = samples(read(text_of(made(), is_open=is_open)))
    assert found == {
        ("keda_scaler_metrics_value", (("metric", "s0-redis-jobs"), ("namespace", "shop"))): 3,
        ("keda_scaler_metrics_value", (("metric", 'a\\b"c\nd\u2192?'), ("namespace", "shop"))): 0.25,
        ("keda_errors_total", (("namespace", "shop"),)): 1e15,
        ("keda_trigger_registered_total", (("type", "redis"),)): 2,
        # The parser of the older form gives every counter its suffix.
        ("keda_scaler_errors" if is_open else "keda_scaler_errors_total", ()): 4,
        ("late_seconds_bucket", (("le", "0.1"), ("server", "redis:6379"))): 1,
        ("late_seconds_bucket", (("le", "1.0"), ("server", "redis:6379"))): 3,
        ("late_seconds_bucket", (("le", "+Inf"), ("server", "redis:6379"))): 4,
        ("late_seconds_sum", (("server", "redis:6379"),)): 7.5,
        ("late_seconds_count", (("server", "redis:6379"),)): 4,
    }


def test_a_family_without_samples_is_left_out() -> None:
    assert "unused" not in text_of(made())


def test_open_metrics_names_the_family_of_a_counter_without_total_and_ends() -> None:
    text = text_of(made(), is_open=True)
    assert "# TYPE keda_errors counter\nkeda_errors_total{" in text
    assert "# TYPE keda_trigger_registered_total gauge\n" in text
    assert "# TYPE keda_scaler_errors unknown\n" in text
    assert text.endswith("\n# EOF\n")
    assert "# EOF" not in text_of(made())


@pytest.mark.parametrize(
    ("value", "text"),
    [(3.0, "3"), (0.1, "0.1"), (-2.5, "-2.5"), (1e300, "1e+300"), (math.inf, "+Inf"), (math.nan, "NaN")],
)
def test_numbers_are_written_as_prometheus_reads_them(value: float, text: str) -> None:
    assert f"keda_errors_total {text}\n" in text_of(
        [Metric(Family("keda_errors_total", "gauge", (), ""), {(): value})]
    )


@pytest.mark.parametrize(
    ("accept", "is_open"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        (PROMETHEUS_2, True),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;q=0", False),
        ("text/plain;version=0.0.4,application/openmetrics-text;version=1.0.0;q=0.5", False),
        ("application/openmetrics-text;q=nonsense", False),
    ],
)
def test_open_metrics_is_given_to_whoever_asks_for_it_first(accept: str, is_open: bool) -> None:
    assert wants_open_metrics(accept) is is_open


@pytest.mark.parametrize(
    ("accept", "encoding", "headers"),
    [
        ("", "", {"Content-Type": TEXT}),
        (PROMETHEUS_2, "gzip", {"Content-Type": OPEN_METRICS, "Content-Encoding": "gzip"}),
        ("", "deflate, gzip;q=0", {"Content-Type": TEXT}),
    ],
)
async def test_an_answer_is_as_it_was_asked_for(accept: str, encoding: str, headers: dict[str, str]) -> None:
    async def gather() -> list[Metric]:
        return made()

    answered = Exposition(gather).answer(accept, encoding)
    assert answered.headers == headers | {"Vary": "Accept, Accept-Encoding"}
    body = b"".join(await body_of(answered))
    text = (gzip.decompress(body) if "Content-Encoding" in headers else body).decode()
    assert text == text_of(made(), is_open=headers["Content-Type"] == OPEN_METRICS)


async def test_a_big_answer_comes_in_slices_and_others_run_between_them() -> None:
    count = 70_000

    async def gather() -> list[Metric]:
        return [Metric(ERRORS, {(str(one),): 1.0 for one in range(count)})]

    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    parts = await body_of(Exposition(gather).answer())
    beside.cancel()
    assert len(parts) == math.ceil((count + 2) / SLICE_LINES)
    assert turns >= len(parts)
    assert all(part.count(b"\n") <= SLICE_LINES for part in parts)


async def test_collectors_that_ask_at_once_share_one_gathering_and_one_that_leaves_ends_nothing() -> None:
    gathered, ready = 0, asyncio.Event()

    async def gather() -> list[Metric]:
        nonlocal gathered
        gathered += 1
        await ready.wait()
        return made()

    exposition = Exposition(gather)
    first, second, third = (asyncio.create_task(body_of(exposition.answer())) for _ in range(3))
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.sleep(0.01)
    ready.set()
    assert await second == await third
    assert gathered == 1
    await body_of(exposition.answer())
    assert gathered == 2


async def test_a_gathering_that_breaks_is_begun_anew_by_the_next_collector() -> None:
    broken = True

    async def gather() -> list[Metric]:
        if broken:
            raise RuntimeError("a defect")
        return made()

    exposition = Exposition(gather)
    with pytest.raises(RuntimeError):
        await body_of(exposition.answer())
    broken = False
    assert await body_of(exposition.answer())


def test_a_histogram_counts_what_is_within_each_bound() -> None:
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 3.0):
        histogram.add(value)
    assert histogram.distribution() == Distribution((2, 3), 4, 3.65)
