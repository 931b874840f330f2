"""The part of kubectl's JSONPath that printer columns and scale subresources use.

Fields (`.spec.a`, `['a.b']`, `.a\\.b`), indices and slices (`[0]`, `[-1]`, `[1:3]`), `[*]`, recursive
descent (`..name`) and filters (`[?(@.type=="Ready")]`, `[?(@.port > 80)]`, `[?(@.x)]`).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

Step = Callable[[Any], Iterator[Any]]

_FIELD = re.compile(r"(?:\\.|[^.\[\]\\])+")
_FILTER = re.compile(
    r"""^@((?:[^=!<>"']|\[['"][^'"]*['"]\])*?)\s*(?:(==|!=|>=|<=|>|<)\s*(.+))?$""", re.DOTALL
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


def find(path: str, value: Any) -> list[Any]:
    """All values `path` leads to, in order; none when a field is missing. ValueError on a bad path."""
    found = [value]
    for step in compiled(path):
        found = [child for parent in found for child in step(parent)]
    return found


@lru_cache(maxsize=1024)
def compiled(path: str) -> tuple[Step, ...]:
    """The steps of a path; braces around it are optional. ValueError names what cannot be read."""
    text = path.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1].strip()
    text = text.removeprefix("$").removeprefix("@")
    steps: list[Step] = []
    position = 0
    while position < len(text):
        if text[position] == "[":
            end = _closing(text, position, path)
            steps.append(_bracket(text[position + 1 : end].strip(), path))
            position = end + 1
            continue
        is_descent = text.startswith("..", position)
        position += 2 if is_descent else int(text[position] == ".")
        if is_descent:
            steps.append(_descend)
        match = _FIELD.match(text, position)
        if match is None:
            if position < len(text) and text[position] == "[":
                continue
            raise ValueError(f"JSONPath {path!r}: a field name is missing at character {position}")
        steps.append(_field(re.sub(r"\\(.)", r"\1", match[0])))
        position = match.end()
    return tuple(steps)


def _closing(text: str, start: int, path: str) -> int:
    """The index of the bracket that closes the one at `start`, quoted text left alone."""
    depth, quote = 0, ""
    for index in range(start, len(text)):
        character = text[index]
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "[":
            depth += 1
        elif character == "]":
            depth -= 1
            if depth == 0:
                return index
    raise ValueError(f"JSONPath {path!r}: a bracket is not closed")


def _bracket(inside: str, path: str) -> Step:
    if inside == "*":
        return _children
    if inside.startswith("?"):
        return _filter(inside[1:].strip(), path)
    if len(inside) >= 2 and inside[0] in "'\"" and inside[-1] == inside[0]:
        return _field(inside[1:-1])
    if re.fullmatch(r"-?\d+", inside):
        return _item(int(inside))
    if match := re.fullmatch(r"(-?\d*):(-?\d*)(?::(-?\d+))?", inside):
        first, last, stride = (int(part) if part else None for part in match.groups())
        return _slice(slice(first, last, stride))
    raise ValueError(f"JSONPath {path!r}: [{inside}] is neither an index, a name, a slice nor a filter")


def _field(name: str) -> Step:
    if name == "*":
        return _children

    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and value.get(name) is not None:
            yield value[name]

    return step


def _item(index: int) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list) and -len(value) <= index < len(value):
            yield value[index]

    return step


def _slice(wanted: slice) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list):
            yield from value[wanted]

    return step


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _descend(value: Any) -> Iterator[Any]:
    yield value
    for child in _children(value):
        yield from _descend(child)


def _filter(condition: str, path: str) -> Step:
    if not (condition.startswith("(") and condition.endswith(")")):
        raise ValueError(f"JSONPath {path!r}: a filter is written [?(@.field==value)]")
    match = _FILTER.match(condition[1:-1].strip())
    if match is None:
        raise ValueError(f"JSONPath {path!r}: cannot read the filter {condition}")
    steps = compiled(match[1].strip())
    compare = _COMPARE.get(match[2] or "")
    right = _operand(match[3].strip(), path) if match[3] else None

    def left_of(item: Any) -> list[Any]:
        found = [item]
        for step in steps:
            found = [child for parent in found for child in step(parent)]
        return found

    def step(value: Any) -> Iterator[Any]:
        for item in _children(value):
            left = left_of(item)
            if left and (compare is None or _holds(compare, left[0], right(item) if right else None)):
                yield item

    return step


def _operand(text: str, path: str) -> Callable[[Any], Any]:
    if text.startswith("@"):
        return lambda item: next(iter(find(text, item)), None)
    if len(text) >= 2 and text[0] in "'\"" and text[-1] == text[0]:
        return lambda _: text[1:-1]
    if text in ("true", "false"):
        return lambda _: text == "true"
    try:
        literal = float(text)
    except ValueError:
        raise ValueError(f"JSONPath {path!r}: {text} is neither a number nor a quoted text") from None
    return lambda _: literal


def _holds(compare: Callable[[Any, Any], bool], left: Any, right: Any) -> bool:
    try:
        return compare(left, right)
    except TypeError:
        return False
