"""What a pick is, and how bodies are refused."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

DEPTH = 64
"""Levels that a document may nest."""


class Unpicked(ValueError):
    """Why nothing can be picked: words that read on after "cannot …: ", none of them the body's own.

    `next_step` is what to do, where a pick knows it better than "check the address, and what it answers".
    """

    def __init__(self, reason: str, next_step: str = "") -> None:
        super().__init__(reason)
        self.next_step = next_step


class Pick(Hashable, Protocol):
    """`of(read(body))` is the value wanted; picks with the same `read` share one reading of a body.

    Both raise `Unpicked` and nothing else, whatever the body is. A value that is not there is None.
    """

    format: ClassVar[str]

    @staticmethod
    def read(body: bytes) -> Any: ...

    def of(self, document: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class Nothing:
    """Whatever the body is: the answer is True. For questions whose status alone counts."""

    format: ClassVar[str] = "nothing"

    @staticmethod
    def read(body: bytes) -> None:
        return None

    def of(self, document: Any) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Text:
    """The body as a text, not longer than `longest` characters."""

    format: ClassVar[str] = "text"

    longest: int = 64 * 1024

    @staticmethod
    def read(body: bytes) -> str:
        return text_of(body)

    def of(self, document: str) -> str:
        if len(document) > self.longest:
            raise Unpicked(f"the answer is longer than {self.longest} characters")
        return document


def text_of(body: bytes) -> str:
    """The body as UTF-8, a byte order mark left out."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unpicked("the answer is no text in UTF-8") from error
