"""Values of a TriggerAuthentication that somebody else keeps: what is asked of them, and what comes back.

A source is a server like any other: its questions are frozen values in `kit/systems/<system>.py`, answered by
`connections/<system>` with `Fetched`. They are asked when a trigger needs them and again before they end,
never per poll; see `measure/fetching.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tidegate.base.errors import Failure
from tidegate.kit.question import Question


class SourceQuestion(Question, Protocol):
    """A question whose answer is `Fetched`."""

    def label(self) -> str:
        """Source and path for people, never a secret: "hashiCorpVault secret/data/redis"."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a source gave: texts by key, for `life_s` seconds from now; None: they have no end of their own.

    `look_s` is when to look again, where that should be sooner than their end asks for. `other_keys` are
    there too, and their values are no texts. `complaint` says why a value that still serves could not be
    renewed. Equal texts are the same news, however long they live.
    """

    values: Mapping[str, str] = field(repr=False)
    life_s: float | None = field(default=None, compare=False)
    look_s: float | None = field(default=None, compare=False)
    other_keys: frozenset[str] = frozenset()
    complaint: str = ""


class Fetches(Protocol):
    """Who keeps what was fetched."""

    def held(self, question: SourceQuestion) -> Fetched | Failure | None:
        """What is known now; None where the first answer is still to come."""


def where(question: SourceQuestion) -> str:
    """Source, path and server, for people."""
    return f"{question.label()} on {question.server.label()}"
