"""Sentences with numbers in them: templates as of `str.format`, whose nouns agree with their counts."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from typing import TypeVar

Code = TypeVar("Code")


# Beyond this a float has no digits left behind its point.
_COARSE = 1e15


def written(number: float | int | str) -> str:
    """`16` for 16.0: a whole number has no point."""
    if isinstance(number, float) and abs(number) < _COARSE and number == int(number):
        return str(int(number))
    return str(number)


def counted(number: float | int | str, noun: str) -> str:
    """`1 replica`, `5 replicas`, `0 Jobs`: nouns here form their plural with an s."""
    return f"{written(number)} {noun}" if number == 1 else f"{written(number)} {noun}s"


class Sentence:
    """A template like `"{metric} failed {failed:time}"`: what follows a colon is the counted noun's singular.

    It is taken apart once: decisions write thousands of sentences a second.
    """

    __slots__ = ("_parts", "names")

    def __init__(self, template: str) -> None:
        self._parts = tuple(
            (literal, field, noun or "") for literal, field, noun, _ in Formatter().parse(template)
        )
        self.names = frozenset(field for _, field, _ in self._parts if field is not None)

    def told(self, **numbers: float | int | str) -> str:
        """The sentence with `numbers` (KeyError for one that it names and that is not given)."""
        text = []
        for literal, field, noun in self._parts:
            text.append(literal)
            if field is not None:
                number = numbers[field]
                text.append(counted(number, noun) if noun else written(number))
        return "".join(text)


def sentences(templates: Mapping[Code, str]) -> dict[Code, Sentence]:
    """A table of sentences, one for each code."""
    return {code: Sentence(template) for code, template in templates.items()}
