"""Metrics as text for Prometheus, in slices: a big answer never holds the loop.

Two forms, by what is asked for: Prometheus' text format 0.0.4, and OpenMetrics 1.0.0, where a counter's
family has no `_total` and the text ends with `# EOF`.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/ and
https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
"""

from __future__ import annotations

import asyncio
import math
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tidegate.telemetry.metrics.families import Distribution, Family, Labels, Metric

SLICE_LINES = 300
"""Lines made at once: at some 2 us a line well under a millisecond, compressed about two."""

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_GZIP_LEVEL = 1
_GZIP_BITS = 31

Gather = Callable[[], Awaitable[Sequence[Metric]]]


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer to whoever collects: its headers, and its body in slices."""

    headers: Mapping[str, str]
    body: AsyncIterator[bytes]


class Exposition:
    """Answers collectors with what `gather` brings. Those who ask at once share one gathering."""

    def __init__(self, gather: Gather) -> None:
        self._gather = gather
        self._gathering: asyncio.Task[Sequence[Metric]] | None = None

    def answer(self, accept: str = "", accept_encoding: str = "") -> Answered:
        """The answer to a request with these headers."""
        is_open = wants_open_metrics(accept)
        headers = {"Content-Type": OPEN_METRICS if is_open else TEXT, "Vary": "Accept, Accept-Encoding"}
        body = self._slices(is_open)
        if _weights(accept_encoding).get("gzip", 0.0) > 0:
            headers["Content-Encoding"] = "gzip"
            body = _compressed(body)
        return Answered(headers, body)

    async def _slices(self, is_open: bool) -> AsyncIterator[bytes]:
        metrics = await self._gathered()
        for part in slices(lines(metrics, is_open=is_open)):
            yield part
            # Whoever takes the slices may never wait for anything.
            await asyncio.sleep(0)

    async def _gathered(self) -> Sequence[Metric]:
        if self._gathering is None or self._gathering.done():
            self._gathering = asyncio.ensure_future(self._gather())
        # A collector that goes away does not take the gathering from the others.
        return await asyncio.shield(self._gathering)


def slices(made: Iterable[str], size: int = SLICE_LINES) -> Iterator[bytes]:
    """The lines joined, `size` at a time."""
    part: list[str] = []
    for line in made:
        part.append(line)
        if len(part) >= size:
            yield _encoded(part)
            part = []
    if part:
        yield _encoded(part)


def lines(metrics: Iterable[Metric], *, is_open: bool = False) -> Iterator[str]:
    """The text, line by line; each ends with its line break. Families without samples are left out."""
    known: dict[tuple[Labels, Labels], str] = {}
    for metric in metrics:
        if not metric.samples and not metric.distributions:
            continue
        family = metric.family
        base, sample = _names(family, is_open=is_open)
        yield f"# HELP {base} {_help(family.help, is_open=is_open)}\n"
        yield f"# TYPE {base} {_type(family, is_open=is_open)}\n"
        for labels, value in metric.samples.items():
            text = known.get((family.labels, labels))
            if text is None:
                text = known[family.labels, labels] = label_text(family.labels, labels)
            yield f"{sample}{text} {number(value)}\n"
        for labels, distribution in metric.distributions.items():
            yield from _histogram(family, labels, distribution)
    if is_open:
        yield "# EOF\n"


def label_text(names: Labels, values: Labels) -> str:
    """`{namespace="shop",type="redis"}`, or nothing without labels."""
    if not names:
        return ""
    return "{" + ",".join([f'{n}="{escaped(v)}"' for n, v in zip(names, values, strict=True)]) + "}"


def escaped(text: str) -> str:
    """A label's value: a name may hold anything, and must not end its line or its quotes."""
    if "\\" not in text and '"' not in text and "\n" not in text:
        return text
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def wants_open_metrics(accept: str) -> bool:
    """Whether OpenMetrics is asked for, and the older text is not asked for more."""
    weights = _weights(accept)
    asked = weights.get("application/openmetrics-text", 0.0)
    return asked > 0 and asked >= weights.get("text/plain", 0.0)


def _weights(header: str) -> dict[str, float]:
    """What a header such as Accept names, with the largest weight that each has."""
    found: dict[str, float] = {}
    for entry in header.split(","):
        name, *parameters = (part.strip() for part in entry.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = float(parameter[2:])
                except ValueError:
                    weight = 0.0
        if name:
            found[name.lower()] = max(weight, found.get(name.lower(), 0.0))
    return found


def _names(family: Family, *, is_open: bool) -> tuple[str, str]:
    """The family's name and that of its samples."""
    if is_open and family.type == "counter" and family.name.endswith("_total"):
        return family.name.removesuffix("_total"), family.name
    return family.name, family.name


def _type(family: Family, *, is_open: bool) -> str:
    """OpenMetrics knows no counter whose name does not end in `_total`."""
    is_misnamed = family.type == "counter" and not family.name.endswith("_total")
    return "unknown" if is_open and is_misnamed else family.type


def _help(text: str, *, is_open: bool) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if is_open else text


def _histogram(family: Family, labels: Labels, distribution: Distribution) -> Iterator[str]:
    names = (*family.labels, "le")
    for bound, count in zip(family.buckets, distribution.within, strict=True):
        yield f"{family.name}_bucket{label_text(names, (*labels, repr(float(bound))))} {count}\n"
    yield f"{family.name}_bucket{label_text(names, (*labels, '+Inf'))} {distribution.count}\n"
    own = label_text(family.labels, labels)
    yield f"{family.name}_sum{own} {number(distribution.sum)}\n"
    yield f"{family.name}_count{own} {distribution.count}\n"


def _encoded(part: Sequence[str]) -> bytes:
    # A lone surrogate in somebody's label must not take everybody's metrics away.
    return "".join(part).encode("utf-8", "replace")


async def _compressed(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_BITS)
    async for part in body:
        packed = packer.compress(part)
        if packed:
            yield packed
    yield packer.flush()
