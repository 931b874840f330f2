"""Samples of the Prometheus text format by a selector: `name`, `name{a="b",c=~"d.*"}`.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from tidegate.kit.picking.patterns import pattern
from tidegate.kit.picking.pick import Unpicked, text_of

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_TEXT = r'"(?:[^"\\\n]|\\.)*"'
_LABEL = re.compile(rf"\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*({_TEXT})\s*")
# Nothing is tried twice (`*+`, `++`): a line may be as long as the answer.
_SAMPLE = re.compile(
    rf"({_NAME}+)[ \t]*+(?:\{{((?:[^\"}}\n]|{_TEXT})*+)\}})?+[ \t]*+([^ \t#]++)(?:[ \t]++(-?[0-9]++))?[ \t]*+"
)
_SELECTOR = re.compile(rf"\s*({_NAME})\s*(?:\{{(.*)\}})?\s*", re.DOTALL)
_MATCHER = re.compile(rf"\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*({_TEXT}|'(?:[^'\\\n]|\\.)*')\s*(,|$)")
_NUMBER = re.compile(
    r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?|[+-]?(?:Inf|inf|Infinity)|NaN|nan"
)
_ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}

Labels = dict[str, str]


@dataclass(frozen=True, slots=True)
class Sample:
    """The value of the first series in the text that a selector fits; None where none does."""

    format: ClassVar[str] = "prometheus"

    selector: str

    @staticmethod
    def read(body: bytes) -> Any:
        return read_exposition(body)

    def of(self, document: dict[str, list[tuple[str, float]]]) -> float | None:
        name, matchers = read_selector(self.selector)
        for labels, value in document.get(name, ()):
            if all(fits(given) for given in (_labels(labels),) for fits in matchers):
                return value
        return None


def read_exposition(body: bytes) -> dict[str, list[tuple[str, float]]]:
    """Series by name, in their order: labels as written, and the value. One bad line spoils it all."""
    series: dict[str, list[tuple[str, float]]] = {}
    for number, line in enumerate(text_of(body).splitlines(), 1):
        line = line.strip(" \t")
        if not line or line.startswith("#"):
            continue
        found = _SAMPLE.fullmatch(line)
        value = _number(found[3]) if found is not None else None
        if found is None or value is None:
            raise Unpicked(f"line {number} of the answer is not in the Prometheus text format")
        series.setdefault(found[1], []).append((found[2] or "", value))
    return series


@functools.lru_cache(4096)
def read_selector(text: str) -> tuple[str, tuple[Callable[[Labels], bool], ...]]:
    """Name and matchers. ValueError reads on after the selector."""
    found = _SELECTOR.fullmatch(text)
    if found is None:
        raise Unpicked('is no metric selector such as name or name{label="value"}')
    matchers, rest, position = [], found[2] or "", 0
    while position < len(rest.rstrip()):
        matcher = _MATCHER.match(rest, position)
        if matcher is None:
            raise Unpicked('has labels that cannot be read; write them as {label="value", other="value"}')
        matchers.append(_matcher(matcher[1], matcher[2], _unescaped(matcher[3])))
        position = matcher.end()
    return found[1], tuple(matchers)


def _matcher(label: str, operator: str, wanted: str) -> Callable[[Labels], bool]:
    if operator == "=":
        return lambda labels: labels.get(label, "") == wanted
    if operator == "!=":
        return lambda labels: labels.get(label, "") != wanted
    try:
        compiled = pattern(wanted)
    except ValueError as error:
        raise Unpicked(f"has a pattern for {label} that {error}") from error
    return lambda labels: compiled.is_all_of(labels.get(label, "")) == (operator == "=~")


def _labels(text: str) -> Labels:
    found: Labels = {}
    position = 0
    while position < len(text.rstrip(" \t,")):
        label = _LABEL.match(text, position)
        if label is None:
            raise Unpicked("the answer has labels that cannot be read")
        found[label[1]] = _unescaped(label[2])
        position = label.end()
        if position < len(text) and text[position] == ",":
            position += 1
    return found


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _unescaped(quoted: str) -> str:
    text = quoted[1:-1]
    return re.sub(r"\\.", lambda found: _ESCAPES.get(found[0], found[0]), text) if "\\" in text else text
