"""Graphite: whom to ask, and what: the latest point of a target."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.http import HttpLogin


@dataclass(frozen=True, slots=True)
class GraphiteServer:
    """`address` is the base URL without a slash at its end."""

    system: ClassVar[str] = "graphite"

    address: str
    login: HttpLogin = field(default_factory=HttpLogin)

    def label(self) -> str:
        return f"Graphite {self.address}"


@dataclass(frozen=True, slots=True)
class LatestPoint:
    """The last value that is not null of the one series that `query` gives since `since` (`-10Minutes`):
    a float. Malformed where there is no series, or no point, or several series.
    """

    calls: ClassVar[Calls] = Calls(together=100, alike=("since",))

    server: GraphiteServer
    since: str
    query: str


def is_balanced(target: str) -> bool:
    """Whether brackets and quotes of a target are closed: Graphite answers others with an empty list."""
    opened: list[str] = []
    quote = ""
    for sign in target:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in _CLOSING:
            opened.append(_CLOSING[sign])
        elif sign in _CLOSING.values() and (not opened or opened.pop() != sign):
            return False
    return not opened and not quote


_CLOSING = {"(": ")", "[": "]", "{": "}"}
