"""A rule: the line of docs/deviations.md that it is about, and what it finds in an object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.review.manifest import Review

Metadata = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Touch:
    """A field of an object by whose means it behaves otherwise. `line` begins the deviation's."""

    path: str
    text: str
    line: str


@dataclass(frozen=True, slots=True)
class Subject:
    """An object with its review."""

    object: ScaledObject | ScaledJob
    review: Review


@dataclass(frozen=True, slots=True)
class Rule:
    """`find` gives field and sentence of each place that is touched."""

    line: str
    find: Callable[[Subject], Iterable[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class TriggerRule:
    """About triggers of these types whose metadata is so. `text` says what Tidegate does, and what KEDA."""

    types: tuple[str, ...]
    line: str
    text: str
    field: str = ""
    when: Callable[[Metadata], bool] = lambda metadata: True
    in_jobs: bool | None = None
    """None: in both kinds; True: in ScaledJobs alone."""
