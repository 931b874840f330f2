"""Statements that rows are claimed with: read as PostgreSQL does, and all that is wrong with them.

Four are needed. One takes rows off the queue, by whatever the user's table says of its rows:

    take    UPDATE orders SET state = 'claimed' WHERE id IN (
              SELECT id FROM orders WHERE state = 'waiting' ORDER BY id
              LIMIT :limit FOR UPDATE SKIP LOCKED) RETURNING id, payload AS body
    done    UPDATE orders SET state = 'done' WHERE id = :id
    failed  UPDATE orders SET state = 'failed' WHERE id = :id
    back    UPDATE orders SET state = 'waiting' WHERE id = :id

Leases are ours, in a table beside it: no statement can forget one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar

from tidegate.base.problems import Problem, join
from tidegate.core.claims.wishes import BACK, DONE, FAILED, STATEMENTS, TABLE, TAKE, Statements, Wishes
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import declared
from tidegate.kit.systems.claims import Source
from tidegate.kit.systems.postgresql import PostgresqlServer

LONGEST = 8 * 1024
"""Characters of a statement."""

_PIECE = re.compile(
    r"""
      (?P<quoted>[eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*"
        | \$(?P<tag>(?:[A-Za-z_][A-Za-z0-9_]*)?)\$.*?\$(?P=tag)\$
        | --[^\n]* | /\*(?:(?!/\*|\*/).)*\*/)
    | (?P<stray>['"] | /\* | \*/ | \$(?:[A-Za-z_][A-Za-z0-9_]*)?\$)
    | (?P<cast>::)
    | :(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<number>\$[0-9]+)
    | (?P<word>[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_$\u0080-\U0010ffff]*)
    | (?P<end>;)
    """,
    re.VERBOSE | re.DOTALL,
)
_TABLE = re.compile(r"[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?")
_BEGINNINGS = ("update", "delete", "insert", "with", "select")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement as the server takes it: `text` with `$1`, `$2` … in place of `names`, in their order."""

    text: str = field(repr=False)
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableSource:
    """Rows that `statements` take, with leases in `table`: whoever names the same one has the same queue,
    with another password, too.
    """

    server: PostgresqlServer = field(compare=False)
    table: str
    statements: Statements = field(compare=False, repr=False)
    place: PostgresqlServer = field(init=False, repr=False)

    def __post_init__(self) -> None:
        options = tuple(one for one in self.server.options if one[0] != "password")
        object.__setattr__(self, "place", PostgresqlServer(options))

    def label(self) -> str:
        return f"table {self.table} of {self.server.label()}"

    def aside(self) -> str:
        return f"its table, by {FAILED}"


@declared
class ClaimedRows(Polled):
    """A trigger whose rows may be claimed: a subclass sets whom it asks."""

    is_claimable: ClassVar[bool] = True
    claim_wishes: ClassVar[frozenset[str]] = frozenset(STATEMENTS)

    _server: PostgresqlServer = field(init=False, repr=False, compare=False)

    def claim_problem(self, wishes: Wishes) -> str:
        return join(statement_problems(wishes.statements))

    def claim_source(self, wishes: Wishes) -> Source | None:
        return TableSource(self._server, wishes.statements.table, wishes.statements)


def statement_problems(statements: Statements) -> Iterator[Problem]:
    """Everything that can be told without a server."""
    if not _TABLE.fullmatch(statements.table):
        text = "names no table: the one that leases stand in, as `orders_claims` or `shop.orders_claims`"
        yield Problem(_path(TABLE), text, "FieldValueInvalid" if statements.table else "FieldValueRequired")
    for key, given in (
        (TAKE, statements.take),
        (DONE, statements.done),
        (FAILED, statements.failed),
        (BACK, statements.back),
    ):
        problem = _problem(key, given)
        if problem:
            yield Problem(_path(key), problem, "FieldValueInvalid" if given else "FieldValueRequired")


def as_sent(text: str) -> Statement:
    """A statement without problems, for the server."""
    names: list[str] = []
    parts, place = [], 0
    for piece in _PIECE.finditer(text):
        name = piece["name"]
        if name is None and piece["end"] is None:
            continue
        parts.append(text[place : piece.start()])
        place = piece.end()
        if name is not None:
            if name not in names:
                names.append(name)
            parts.append(f"${names.index(name) + 1}")
    return Statement("".join((*parts, text[place:])), tuple(names))


def _path(key: str) -> str:
    return f"metadata.annotations.{key}"


def _problem(key: str, text: str) -> str:
    """What is wrong with one statement; "" where nothing is."""
    if not text:
        return "no statement given, see docs/claims.md"
    if len(text) > LONGEST:
        return f"has more than {LONGEST} characters"
    if "\0" in text:
        return "it holds a NUL character"
    words, names, place, is_over = list[str](), set[str](), 0, False
    while (piece := _PIECE.search(text, place)) is not None:
        place = piece.end()
        if piece["stray"]:
            return "a quote or a comment in it does not end"
        if piece["number"]:
            return f"{piece['number']} stands for nothing: parameters are written as :id and :limit"
        if piece["end"]:
            is_over = True
        elif piece["name"] or piece["word"]:
            if is_over:
                return "is more than one statement"
            words += [piece["word"].lower()] if piece["word"] else []
            names |= {piece["name"]} if piece["name"] else set()
    return _shape(words, names, is_take=key == TAKE)


def _shape(words: list[str], names: set[str], *, is_take: bool) -> str:
    wanted = "limit" if is_take else "id"
    if not words or words[0] not in _BEGINNINGS:
        return "begins with none of UPDATE, DELETE, INSERT, WITH and SELECT"
    if names - {wanted}:
        return f":{min(names - {wanted})} stands for nothing: this statement has :{wanted} alone"
    if wanted not in names:
        rows = "take at most :limit rows" if is_take else "change the one row whose id is :id"
        return f"it does not mention :{wanted}: let it {rows}"
    if is_take and words[0] != "select" and "returning" not in words:
        return "it returns nothing: let it end with RETURNING id, … AS body"
    if is_take and words[0] != "select" and ("skip", "locked") not in pairwise(words):
        return "two who take at a time would get the same rows: select them FOR UPDATE SKIP LOCKED"
    return ""
