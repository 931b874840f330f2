"""What the annotations of a ScaledJob ask of claimed work."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from tidegate.base.problems import Problem
from tidegate.base.spelling import hint
from tidegate.core.claims.values import TooLarge

PREFIX = "tidegate.dev/claim"
CLAIM = PREFIX
ATTEMPTS = f"{PREFIX}-attempts"
BY = f"{PREFIX}-by"
DEAD_LETTER = f"{PREFIX}-dead-letter"
ENCODING = f"{PREFIX}-encoding"
END = f"{PREFIX}-end"
FIELD = f"{PREFIX}-field"
HOURLY = f"{PREFIX}-jobs-per-hour"
LEASE = f"{PREFIX}-lease"
TOO_LARGE = f"{PREFIX}-too-large"
# Of databases: statements of the user's, and the table that our leases stand in.
TABLE = f"{PREFIX}-table"
TAKE = f"{PREFIX}-take"
DONE = f"{PREFIX}-done"
FAILED = f"{PREFIX}-failed"
BACK = f"{PREFIX}-back"
STATEMENTS = (TABLE, TAKE, DONE, FAILED, BACK)
# Written by us: the object has claims, or may have.
HELD = "tidegate.dev/claims"

_ALL = (CLAIM, ATTEMPTS, BY, DEAD_LETTER, ENCODING, END, FIELD, HOURLY, LEASE, TOO_LARGE, *STATEMENTS)
_WORDS: Mapping[str, tuple[str, ...]] = {
    CLAIM: ("true", "false"),
    BY: ("environment", "file"),
    ENCODING: ("text", "base64"),
    END: ("head", "tail"),
    TOO_LARGE: ("reference", "dead-letter"),
}
# At most half a day: what a lost claim costs is a wait of this length.
_NUMBERS: Mapping[str, tuple[int, int]] = {ATTEMPTS: (1, 1000), HOURLY: (1, 1_000_000), LEASE: (3, 43_200)}


@dataclass(frozen=True, slots=True)
class Statements:
    """What a database is told: how rows are taken, what becomes of them when they are done, have failed for
    good, or go back. `table` is where their leases stand.
    """

    table: str = ""
    take: str = ""
    done: str = ""
    failed: str = ""
    back: str = ""


@dataclass(frozen=True, slots=True)
class Wishes:
    """The annotations as values; one that cannot be read counts as its default, and is a problem.

    `claim` None: it says nothing. `end` is the end of a list that messages are taken from, `field` the one
    of a stream's entries that is the body. `by` says how a body reaches its Job; those that no variable can
    carry come as a file anyway. `encoding` is what bodies are written in.
    """

    claim: bool | None = None
    attempts: int = 5
    lease_s: int = 120
    hourly: int | None = None
    dead_letter: str = ""
    encoding: Literal["text", "base64"] = "text"
    by: Literal["environment", "file"] = "environment"
    end: Literal["head", "tail"] = "head"
    field: str = ""
    too_large: TooLarge = "reference"
    statements: Statements = Statements()


def wishes_of(annotations: Mapping[str, str] | None) -> Wishes:
    """What is asked for."""
    given = annotations or {}

    def number(key: str) -> int | None:
        text = given.get(key, "").strip()
        if not re.fullmatch(r"[0-9]{1,9}", text):
            return None
        least, most = _NUMBERS[key]
        return int(text) if least <= int(text) <= most else None

    def word(key: str) -> str:
        text = given.get(key, "").strip()
        return text if text in _WORDS[key] else ""

    default, claim = Wishes(), word(CLAIM)
    return Wishes(
        claim={"true": True, "false": False}.get(claim),
        attempts=number(ATTEMPTS) or default.attempts,
        lease_s=number(LEASE) or default.lease_s,
        hourly=number(HOURLY),
        dead_letter=given.get(DEAD_LETTER, "").strip(),
        by="file" if word(BY) == "file" else "environment",
        encoding="base64" if word(ENCODING) == "base64" else "text",
        end="tail" if word(END) == "tail" else "head",
        field=given.get(FIELD, "").strip(),
        too_large="dead-letter" if word(TOO_LARGE) == "dead-letter" else "reference",
        statements=Statements(*(given.get(key, "").strip() for key in STATEMENTS)),
    )


def loop_problem(source: str, dead_letter: str) -> str:
    """Why dead letters would be claimed again, as messages without a count; "" where they are not."""
    if dead_letter != source:
        return ""
    return f"dead letters would be claimed again: let {DEAD_LETTER} name something else than {source}"


def wish_problems(annotations: Mapping[str, str] | None) -> Iterator[Problem]:
    """Every annotation of claimed work that cannot be read, or that nothing reads."""
    for key, text in (annotations or {}).items():
        path = f"metadata.annotations.{key}"
        if key in _WORDS and text.strip() not in _WORDS[key]:
            wanted = " nor ".join(f'"{one}"' for one in _WORDS[key])
            yield Problem(path, f'"{text}" is neither {wanted}')
        elif key in _NUMBERS and not _is_number(key, text):
            least, most = _NUMBERS[key]
            yield Problem(path, f'"{text}" is no whole number from {least} to {most}')
        elif key.startswith(f"{PREFIX}-") and key not in _ALL:
            name = key.removeprefix("tidegate.dev/")
            known = [one.removeprefix("tidegate.dev/") for one in _ALL]
            yield Problem(path, f"nothing reads this annotation{hint(name, known)}")


def _is_number(key: str, text: str) -> bool:
    least, most = _NUMBERS[key]
    return bool(re.fullmatch(r"[0-9]{1,9}", text.strip())) and least <= int(text) <= most
