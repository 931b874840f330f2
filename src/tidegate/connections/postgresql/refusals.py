"""An error as the server gave it, without what a table may hold."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import pq
from psycopg.pq.abc import PGresult

MOST_WORDS = 200

# What is told without a place, and names nothing but what there is.
_FIXED = ("cannot insert multiple commands into a prepared statement", "permission denied for ")


@dataclass(frozen=True, slots=True)
class Refusal:
    """`state` is the SQLSTATE. `is_fatal`: the session has ended."""

    state: str
    words: str
    is_fatal: bool = False

    @property
    def is_passing(self) -> bool:
        """Whether the same may be answered another time: conflicts, limits, what somebody else does."""
        return self.state.startswith(("40", "53", "55", "58"))

    def answer(self) -> str:
        return f"{self.words} (SQLSTATE {self.state})"


def read_refusal(result: PGresult) -> Refusal:
    """What the server said. Its words stay out where they may repeat what a table holds."""

    def field(which: pq.DiagnosticField) -> str:
        return (result.error_field(which) or b"").decode(errors="replace")

    state = field(pq.DiagnosticField.SQLSTATE)
    words = field(pq.DiagnosticField.MESSAGE_PRIMARY)[:MOST_WORDS]
    # Words about the text of the query itself have a place in it. What is said while it runs may be made
    # of what a table holds: a value that is read as a table's name "does not exist", too.
    is_placed = bool(field(pq.DiagnosticField.STATEMENT_POSITION)) or words.startswith(_FIXED)
    if not (state.startswith("42") and is_placed) or field(pq.DiagnosticField.CONTEXT):
        words = _condition(state)
    is_fatal = field(pq.DiagnosticField.SEVERITY_NONLOCALIZED) in ("FATAL", "PANIC")
    return Refusal(state, words, is_fatal)


def _condition(state: str) -> str:
    """The name that PostgreSQL's documentation gives to a code, in words."""
    try:
        name = psycopg.errors.lookup(state).__name__
    except KeyError:
        return "an error"
    return "".join(f" {sign.lower()}" if sign.isupper() else sign for sign in name).strip()
