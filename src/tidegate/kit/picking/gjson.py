"""Values of a JSON document by path, in the language of GJSON, which KEDA's triggers use.

    last.name        members              friends.1.age     elements, from 0
    fav\\.movie       a dot in a name      child*.name       the first member that matches
    friends.#        how many             friends.#.age     that of each, as a list
    friends.#(last=="Murphy").age         of the first that fits
    friends.#(age>40)#.age                of all that fit
    friends.#(age>40)#|#                  how many those are: `|` goes on with the list itself
    @this, @reverse, @keys, @values, @flatten

Left out: multipaths (`[…]`, `{…}`), literals (`!…`), lines (`..`), other modifiers and their arguments.
Unlike GJSON it reads whole documents only: half an answer is none.

Source: https://github.com/tidwall/gjson/blob/master/SYNTAX.md
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec

from tidegate.kit.picking.gjson_query import Query, is_match, read_query, split_pipe
from tidegate.kit.picking.patterns import glob
from tidegate.kit.picking.pick import DEPTH, Unpicked

LONGEST_PATH = 500

_BRACKETS = re.compile(rb"""[\[\]{}]|"(?:[^"\\]|\\.)*+(?:"|$)""", re.DOTALL)


class _Missing:
    """Nothing is there; null is something else within a path."""


MISSING = _Missing()


@dataclass(frozen=True, slots=True)
class Json:
    """What a path finds: `data.result.0.value`, `@this` for the whole document. None where nothing is."""

    format: ClassVar[str] = "json"

    path: str = "@this"

    @staticmethod
    def read(body: bytes) -> Any:
        return read_json(body)

    def of(self, document: Any) -> Any:
        return find(document, self.path)


def read_json(body: bytes) -> Any:
    """The document; Unpicked where it is none, or nests deeper than `DEPTH`."""
    check_depth(body)
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unpicked("the answer is not JSON" if body.strip() else "the answer is empty") from error


def check_depth(body: bytes) -> None:
    """Brackets outside of texts, counted before anything is built."""
    if body.count(b"[") + body.count(b"{") <= DEPTH:
        return
    depth = 0
    for found in _BRACKETS.finditer(body):
        token = found[0]
        if token in (b"[", b"{"):
            depth += 1
            if depth > DEPTH:
                raise Unpicked(f"the answer nests deeper than {DEPTH} levels")
        elif token in (b"]", b"}"):
            depth -= 1


def find(document: Any, path: str) -> Any:
    """The value, None where there is none. A path that `path_problem` refuses finds nothing."""
    found = _get(document, path)
    return None if found is MISSING else found


def path_problem(path: str) -> str:
    """Why this path would find nothing in any document; "" where it may. Reads on after the path."""
    if len(path) > LONGEST_PATH:
        return f"is longer than {LONGEST_PATH} characters"
    if path.startswith(".."):
        return "asks for JSON lines (..), which are not supported"
    for part in _parts(path):
        if part[:1] in ("[", "{"):
            return "has a multipath ([…] or {…}), which is not supported; name one value"
        if part[:1] == "!":
            return "has a literal (!…), which is not supported"
        if part[:1] == "@" and part[1:] not in _MODIFIERS:
            return f"has the modifier {part.partition(':')[0]}, which is not supported" + (
                " with arguments" if part[1:].partition(":")[0] in _MODIFIERS else ""
            )
        if part[:2] in ("#(", "#[") and read_query(part) is None:
            return "has a query without its end"
    return ""


def _parts(path: str) -> Iterator[str]:
    """Components, as far as they can be told without a document: dots and pipes outside of queries."""
    depth, start, position = 0, 0, 0
    while position < len(path):
        sign = path[position]
        if sign == "\\":
            position += 1
        elif sign == '"' and depth:
            end = path.find('"', position + 1)
            position = end if end > 0 else len(path)
        elif sign in "([" and (depth or path[start:position] == "#"):
            depth += 1
        elif sign in ")]" and depth:
            depth -= 1
        elif sign in ".|" and not depth:
            yield path[start:position]
            start = position + 1
        position += 1
    yield path[start:]


def _get(value: Any, path: str) -> Any:
    """Walks on as long as there is one value; lists of values are made by `_from_list`."""
    rest: str | None = path
    while rest is not None:
        path = rest
        name, follows = _modifier(path)
        if name in _MODIFIERS:
            value, rest = _MODIFIERS[name](value), follows
        elif isinstance(value, dict):
            part, rest, is_wild = _member(path)
            if is_wild:
                return _first_like(value, part, rest)
            value = value.get(part, MISSING)
        elif isinstance(value, list):
            element = _element(path)
            rest = element.rest
            if element.is_listing:
                value = _from_list(value, element)
            else:
                value = value[element.index] if 0 <= element.index < len(value) else MISSING
        else:
            return MISSING
    return value


@functools.lru_cache(4096)
def _member(path: str) -> tuple[str, str | None, bool]:
    """The name that a path begins with, what follows (None: nothing), and whether it has wildcards.

    A backslash takes the meaning of the next character away; in a name with wildcards it stays, for them.
    """
    name: list[str] = []
    is_wild, position = False, 0
    while position < len(path):
        sign = path[position]
        if sign in ".|":
            return "".join(name), path[position + 1 :], is_wild
        if sign == "\\" and position + 1 < len(path):
            position += 1
            name.append(path[position])
        else:
            is_wild = is_wild or sign in "*?"
            name.append(sign)
        position += 1
    return "".join(name), None, is_wild


def _first_like(value: dict[str, Any], name: str, rest: str | None) -> Any:
    """What is found in the first member that matches and has it."""
    try:
        wanted = glob(name)
    except ValueError:
        return MISSING
    for key, item in value.items():
        if wanted.is_all_of(key):
            found = item if rest is None else _get(item, rest)
            if found is not MISSING:
                return found
    return MISSING


@dataclass(frozen=True, slots=True)
class _Element:
    """What a path wants of a list. `rest` follows for one value, `each` for each of several."""

    index: int = -1
    rest: str | None = None
    is_listing: bool = False
    is_count: bool = False
    each: str | None = None
    query: Query | None = None


@functools.lru_cache(4096)
def _element(path: str) -> _Element:
    if path[:2] == "#.":
        each, rest = split_pipe(path[2:])
        return _Element(rest=rest, is_listing=True, each=each)
    if path[:2] in ("#(", "#["):
        return _queried(path)
    end = next((position for position, sign in enumerate(path) if sign in ".|"), len(path))
    part, rest = path[:end], path[end + 1 :] if end < len(path) else None
    if part == "#":
        return _Element(rest=rest, is_listing=True, is_count=True)
    is_index = part.isascii() and part.isdigit() and len(part) < 10
    return _Element(index=int(part) if is_index else -1, rest=rest)


def _queried(path: str) -> _Element:
    query = read_query(path)
    if query is None:
        return _Element()
    follows = path[query.length :]
    if not follows:
        return _Element(is_listing=True, query=query)
    if follows[0] == "|":
        return _Element(rest=follows[1:], is_listing=True, query=query)
    each, rest = split_pipe(follows[1:])
    return _Element(rest=rest, is_listing=True, each=each, query=query)


def _from_list(values: list[Any], element: _Element) -> Any:
    """A count, a list of what was found in each, or the first that fits."""
    if element.is_count:
        return len(values)
    query = element.query
    fitting = values if query is None else (one for one in values if _fits(one, query))
    found: list[Any] = []
    for one in fitting:
        value = one if element.each is None else _get(one, element.each)
        if query is not None and not query.is_all:
            return value
        if value is not MISSING:
            found.append(value)
    if query is not None and not query.is_all:
        return MISSING
    return found


def _fits(value: Any, query: Query) -> bool:
    if isinstance(value, dict | list):
        value = _get(value, query.path)
    elif query.path:
        return False
    return is_match(None if value is MISSING else value, query, exists=value is not MISSING)


def _modifier(path: str) -> tuple[str, str | None]:
    """The name of the modifier that a path begins with ("" where it does not), and what follows."""
    if path[:1] != "@" or len(path) < 2:
        return "", None
    end = next((position for position, sign in enumerate(path) if sign in ".|"), len(path))
    return path[1:end], path[end + 1 :] if end < len(path) else None


def _flattened(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [inner for one in value for inner in (one if isinstance(one, list) else [one])]


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        return dict(reversed(value.items()))
    return value[::-1] if isinstance(value, list) else value


def _keys(value: Any) -> Any:
    if isinstance(value, dict):
        return list(value)
    if isinstance(value, list):
        return [None] * len(value)
    return [] if value is MISSING else [None]


def _values(value: Any) -> Any:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else ([] if value is MISSING else [value])


_MODIFIERS: dict[str, Callable[[Any], Any]] = {
    "this": lambda value: value,
    "reverse": _reversed,
    "keys": _keys,
    "values": _values,
    "flatten": _flattened,
}
