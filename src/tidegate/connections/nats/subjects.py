"""Through which subjects messages come to a consumer: its own filters, or all of its stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tidegate.base.errors import TidegateError, Unsupported
from tidegate.connections.nats.jetstream import all_told, inner, request, texts
from tidegate.connections.nats.wire import Wire
from tidegate.kit.systems.nats_client import ConsumerNews

WATCH = "watch a stream"
_AT_ONCE = 500


async def subjects_of(wire: Wire, wanted: Sequence[ConsumerNews]) -> list[tuple[str, ...] | TidegateError]:
    """For each its subjects, or why nobody could say when something comes."""
    streams = list(dict.fromkeys(one.stream for one in wanted))
    posts = [request(f"STREAM.INFO.{one}") for one in streams]
    posts += [request(f"CONSUMER.INFO.{one.stream}.{one.consumer}") for one in wanted]
    told: list[Mapping[str, Any] | TidegateError] = []
    for first in range(0, len(posts), _AT_ONCE):
        told += await all_told(wire, posts[first : first + _AT_ONCE], WATCH)
    kept = dict(zip(streams, told, strict=False))
    consumers = told[len(streams) :]
    return [
        _subjects(wire.label, kept[one.stream], consumer)
        for one, consumer in zip(wanted, consumers, strict=True)
    ]


def _subjects(
    label: str, stream: Mapping[str, Any] | TidegateError, consumer: Mapping[str, Any] | TidegateError
) -> tuple[str, ...] | TidegateError:
    for found in (stream, consumer):
        if isinstance(found, TidegateError):
            return found
    assert not isinstance(stream, TidegateError)
    assert not isinstance(consumer, TidegateError)
    config = inner(stream, "config")
    if config.get("mirror") or config.get("sources"):
        answer = "the stream copies another one, and is told of by nobody"
        return Unsupported(WATCH, on=label, answer=answer)
    wishes = inner(consumer, "config")
    one = wishes.get("filter_subject")
    filters = texts(wishes.get("filter_subjects")) or ((one,) if isinstance(one, str) and one else ())
    if config.get("subject_transform"):
        # Filters name what subjects have become; nobody publishes there.
        filters = ()
    subjects = filters or texts(config.get("subjects"))
    if not subjects:
        return Unsupported(WATCH, on=label, answer="nobody can publish to the stream")
    return subjects
