"""Two clusters looked at in the same way: what one says and the other does not.

compare(sides, status("deploy", "web"), printed("get", "pods"), events("web"))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from parts.compared import differences
from parts.side import Side
from parts.waiting import wait_until

SETTLED_S = 10.0
# What docs/local-mode.md gives a reason for: annotations are lines of their own.
NOTES = ("tidegate.dev/ended-attempts", "endpoints.kubernetes.io/last-change-trigger-time")

Sides = tuple[Side, Side]
"""Local mode's, and the real one's."""
Look = Callable[[Sides], list[str]]


def compare(sides: Sides, *looks: Look) -> None:
    """Fails with all differences that are there to stay: a cluster says some things a little later."""
    found: list[str] = []

    def is_equal() -> bool:
        found[:] = [line for look in looks for line in look(sides)]
        return not found

    with suppress(AssertionError):
        wait_until(is_equal, "both are the same", SETTLED_S)
    assert not found, "\n".join(found)


def status(*words: str) -> Look:
    """Where the statuses of an object differ."""

    def look(sides: Sides) -> list[str]:
        return status_lines(*(side.status(*words) for side in sides))

    return look


def status_lines(ours: Any, right: Any) -> list[str]:
    lines = differences(ours, right)
    return [line for line in lines if not line.endswith("missing, is null")]


def printed(*words: str) -> Look:
    """Lines of kubectl that only one of the two has."""
    return lambda sides: list(_only(" ".join(words), [side.lines(*words) for side in sides]))


def events(*names: str) -> Look:
    """Events that only one of the two has."""
    return lambda sides: list(_only("events", [side.events(*names) for side in sides]))


def _only(what: str, found: Sequence[list[Any]]) -> Iterator[str]:
    ours, right = ([one for one in lines if not _is_note(one)] for lines in found)
    yield from (f"{what}: ours: {one}" for one in ours if one not in right)
    yield from (f"{what}: real: {one}" for one in right if one not in ours)


def _is_note(line: Sequence[str]) -> bool:
    """Whether a line is such an annotation, or tells that there is none."""
    text = " ".join(line)
    return text == "Annotations: <none>" or any(note in text for note in NOTES)
