"""Which part of a part's log is read, and how."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.kube.resource import ApiError
from tidegate.local.nodes.built_in import BuiltInPods
from tidegate.local.objects import PART
from tidegate.local.streams import LogOptions
from tidegate.telemetry.recent import RecentLines

POD: dict[str, Any] = {
    "metadata": {"name": "sea-1", "namespace": "keda", "uid": "u", "labels": {PART: "sea"}},
    "spec": {"containers": [{"name": "sea"}]},
}


class Clock:
    """At noon; each pause of a reader is `happens`."""

    def __init__(self, happens: Any = None) -> None:
        self.happens = happens

    def now(self) -> datetime:
        return datetime(2026, 1, 31, 12, 0, tzinfo=UTC)

    async def sleep(self, seconds: float) -> None:
        self.happens()


class Found:
    """The pods that are there."""

    def __init__(self) -> None:
        self.pod: dict[str, Any] | None = POD

    def get(self, resource: Any, namespace: str, name: str) -> dict[str, Any] | None:
        return self.pod


def lines() -> RecentLines:
    made, noon = RecentLines(), Clock().now().timestamp()
    for ago, text in ((60, "one"), (10, "two"), (1, "three")):
        made.add(noon - ago, text)
    return made


def shown(log: RecentLines, objects: Any = None, clock: Any = None) -> BuiltInPods:
    pods = BuiltInPods(objects or Found(), clock or Clock())
    pods.logs = {"sea": log}
    return pods


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (LogOptions(), "one\ntwo\nthree\n"),
        (LogOptions(tail_lines=1), "three\n"),
        (LogOptions(tail_lines=0), ""),
        (LogOptions(since_s=30), "two\nthree\n"),
        (LogOptions(since_s=30, tail_lines=1), "three\n"),
        (LogOptions(since_time=datetime(2026, 1, 31, 11, 59, 59, tzinfo=UTC)), "three\n"),
        (LogOptions(limit_bytes=5), "one\nt"),
        (LogOptions(tail_lines=1, timestamps=True), "2026-01-31T11:59:59.000000000Z three\n"),
    ],
)
async def test_the_part_of_the_log_that_is_asked_for(options: LogOptions, text: str) -> None:
    assert b"".join([chunk async for chunk in shown(lines()).read(POD, options)]).decode() == text


@pytest.mark.parametrize(("tail", "first"), [(None, b"one\ntwo\nthree\n"), (0, b"")])
async def test_a_follower_reads_on_until_the_pod_is_gone(tail: int | None, first: bytes) -> None:
    log, objects, pauses = lines(), Found(), iter(("four", "", "five"))

    def happens() -> None:
        text = next(pauses, None)
        if text is None:
            objects.pod = None
        elif text:
            log.add(0.0, text)

    reader = shown(log, objects, Clock(happens)).read(POD, LogOptions(follow=True, tail_lines=tail))
    assert b"".join([chunk async for chunk in reader]) == first + b"four\nfive\n"


async def test_a_part_has_no_previous_container() -> None:
    with pytest.raises(ApiError, match='previous terminated container "sea" in pod "sea-1" not found'):
        [chunk async for chunk in shown(lines()).read(POD, LogOptions(previous=True))]


@pytest.mark.parametrize(
    "meta",
    [
        {"namespace": "default", "labels": {PART: "sea"}},
        {"namespace": "keda", "labels": {PART: "x"}},
        {"namespace": "keda"},
    ],
)
def test_pods_of_others_are_no_parts(meta: dict[str, Any]) -> None:
    assert shown(lines()).lines_of({"metadata": meta}) is None
