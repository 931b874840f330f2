"""Cassandra: a node to ask, a query in CQL, and the number in its answer."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar

from tidegate.base.errors import Malformed
from tidegate.kit.systems.sql import NO_ROW
from tidegate.kit.tls import Tls

CONSISTENCIES = {
    "ANY": 0,
    "ONE": 1,
    "TWO": 2,
    "THREE": 3,
    "QUORUM": 4,
    "ALL": 5,
    "LOCAL_QUORUM": 6,
    "EACH_QUORUM": 7,
    "SERIAL": 8,
    "LOCAL_SERIAL": 9,
    "LOCAL_ONE": 10,
}

_SELECT = re.compile(r"(?:\s|--[^\n]*\n|//[^\n]*\n|/\*.*?\*/)*select\b", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class CassandraServer:
    """A node, which asks the others of its cluster. `version` is that of the protocol, 3 or 4."""

    system: ClassVar[str] = "cassandra"

    host: str = ""
    port: int = 9042
    user: str = ""
    password: str = field(default="", repr=False)
    tls: Tls | None = None
    version: int = 4

    def label(self) -> str:
        return f"Cassandra {f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class CqlQuery:
    """The only column of the first row, read at a consistency: a number, `None` (NULL) or `NO_ROW`."""

    server: CassandraServer
    statement: str = field(repr=False)
    consistency: int


def is_select(statement: str) -> bool:
    """Whether it reads and changes nothing: CQL has no session that may only read."""
    return _SELECT.match(statement) is not None


def cql_number(answer: Any, question: CqlQuery) -> float:
    """The number of an answer; no row is 0. Malformed for NULL, and where there is no number."""
    if answer is NO_ROW:
        return 0.0
    if answer is None:
        raise _malformed(question, "the query gave NULL", "let it count, or read what is never empty")
    if type(answer) not in (int, float, Decimal):
        raise _malformed(question, f"a {type(answer).__name__} where a number was expected", "")
    try:
        value = float(answer)
    except (OverflowError, ValueError):
        value = math.inf
    if not math.isfinite(value):
        raise _malformed(question, "the query gave no finite number", "")
    return value


def _malformed(question: CqlQuery, answer: str, next_step: str) -> Malformed:
    return Malformed("run the query", on=question.server.label(), answer=answer, next_step=next_step)
