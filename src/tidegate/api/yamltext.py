"""One YAML or JSON text as JSON values: what kubectl would send of it, and where each field stands.

Stricter than YAML where it hurts, and looser where YAML 1.1 surprises: a key that stands twice is refused,
as is what JSON cannot say (NaN, sets, binary); dates, `1:30` and the like stay the text that was written.
Anchors and merge keys work; a text that would blow up, or nests without end, is refused before it is built.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

DEPTH_MAX = 100
ALIASED_MAX = 100_000

_TAG = "tag:yaml.org,2002:"
_CORE = frozenset(_TAG + name for name in ("null", "bool", "int", "float", "str", "merge", "seq", "map"))
_TRUE = frozenset(("y", "yes", "true", "on"))
# Beyond the first plane, JSON escapes a character as two; YAML knows no such pairs.
_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})")
UNSET, UNSET_MEANS = "<no value>", "is what Helm writes for a value that is not set: set it"
_OCTAL = re.compile(r"0[0-7]{1,18}")
# As kubectl's reader has them; it knows neither sexagesimal numbers nor dates.
_RESOLVED: tuple[tuple[str, str, str], ...] = (
    (
        "bool",
        r"y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF",
        "yYnNtTfFoO",
    ),
    ("int", r"[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]*|[1-9][0-9_]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("merge", r"<<", "<"),
    ("null", r"~|null|Null|NULL|", "~nN"),
)


class Unreadable(ValueError):
    """What is wrong with a text, and where: `mark` counts lines and columns from 0."""

    def __init__(self, mark: Any, text: str) -> None:
        self.line, self.column, self.text = mark.line + 1, mark.column + 1, text
        super().__init__(f"{self.line}:{self.column}: {text}")


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a text, from 0, as PyYAML has it."""

    line: int = 0
    column: int = 0


class Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """Composes nodes; plain scalars are what kubectl takes them for."""

    yaml_implicit_resolvers: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


class Dumper(yaml.CSafeDumper if hasattr(yaml, "CSafeDumper") else yaml.SafeDumper):  # type: ignore[misc]
    """Quotes every text that YAML 1.1 or kubectl would take for something else (`1e3`, `08`, `1:30`)."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _name, _pattern, _first in _RESOLVED:
    for _one in (Loader, Dumper):
        _one.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})$"), [*_first])
Loader.add_implicit_resolver(_TAG + "null", re.compile(r"$"), [""])


def documents(text: str, wrong: list[Unreadable] | None = None) -> Iterator[tuple[yaml.Node, Any]]:
    """Each document of the text that is not empty: its node and its value, a value of its own.

    Unreadable where it is not YAML, or says what JSON cannot. With `wrong`, what is YAML is read to its
    end: what JSON cannot say is added there, as is each key that stands twice (the first one counts).
    """
    if text.lstrip()[:1] in ("{", "["):
        text = _PAIR.sub(_joined, text)
    try:
        text.encode()
        _measure(text)
        loader = Loader(text)
        try:
            while loader.check_node():
                node = loader.get_node()
                try:
                    value = value_of(node, wrong)
                except Unreadable as error:
                    if wrong is None:
                        raise
                    wrong.append(error)
                    continue
                if value is not None:
                    yield node, value
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise explained(error, text) from error
    except UnicodeEncodeError as error:
        raise Unreadable(_mark(text, error.start), "this is not UTF-8; save the file as UTF-8") from error


def value_of(node: yaml.Node, wrong: list[Unreadable] | None = None) -> Any:
    """The JSON value of a composed node; aliases are values of their own. `wrong` as for `documents`."""
    if node.tag not in _CORE:
        name = node.tag.replace(_TAG, "!!")
        raise Unreadable(node.start_mark, f"the tag {name} has no meaning in a manifest; leave it out")
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, wrong)
    if isinstance(node, yaml.SequenceNode):
        return [value_of(item, wrong) for item in node.value]
    assert isinstance(node, yaml.ScalarNode)
    return _scalar(node)


def oddities(node: yaml.Node) -> Iterator[tuple[str, str]]:
    """Path and sentence for each value that is hardly meant: a number that a leading 0 makes another one
    (`010` is 8, as for kubectl), and what Helm writes for a value that is not set."""
    for path, scalar in _scalars(node, ""):
        text: str = scalar.value
        if text == UNSET:
            yield path, f"{UNSET} {UNSET_MEANS}"
        elif scalar.tag == _TAG + "int" and _OCTAL.fullmatch(text):
            number = value_of(scalar)
            if number != int(text):
                yield path, f'{text} is octal and means {number}; write {number}, or "{text}" if it is a text'


def _scalars(node: yaml.Node, path: str) -> Iterator[tuple[str, yaml.ScalarNode]]:
    if isinstance(node, yaml.ScalarNode):
        yield path, node
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _scalars(item, f"{path}[{index}]")
    elif isinstance(node, yaml.MappingNode):
        for key, item in node.value:
            yield from _scalars(item, f"{path}.{key.value}".removeprefix("."))


def _mapping(node: yaml.MappingNode, wrong: list[Unreadable] | None) -> dict[str, Any]:
    """The members in their order; those of merge keys come first and lose against written ones."""
    merged: dict[str, Any] = {}
    own: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for key_node, item in node.value:
        if key_node.tag == _TAG + "merge":
            for one in reversed(item.value if isinstance(item, yaml.SequenceNode) else [item]):
                if not isinstance(one, yaml.MappingNode):
                    raise Unreadable(one.start_mark, "<< merges mappings, and this is none")
                merged |= _mapping(one, wrong)
            continue
        key = _key(key_node)
        if key in own:
            text = f'the key "{key}" stands here twice, first in line {lines[key]}; remove one of them'
            error = Unreadable(key_node.start_mark, text)
            if wrong is None:
                raise error
            wrong.append(error)
            value_of(item, wrong)
            continue
        lines[key] = key_node.start_mark.line + 1
        own[key] = value_of(item, wrong)
    return {**merged, **own}


def _key(node: yaml.Node) -> str:
    """A key as JSON has it: texts only, so a number or a truth value becomes its text."""
    if not isinstance(node, yaml.ScalarNode):
        answer = "a key is a text, and this is a mapping or a list"
        raise Unreadable(node.start_mark, f"{answer}; if it is a template's {{{{ … }}}}, render it first")
    value = value_of(node)
    if value is None:
        raise Unreadable(node.start_mark, 'a key may not be null; write "null" in quotes if it is meant')
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _scalar(node: yaml.ScalarNode) -> Any:
    kind = node.tag.removeprefix(_TAG)
    text: str = node.value
    try:
        read = _READERS.get(kind)
        return text if read is None else read(text)
    except (ValueError, KeyError, OverflowError) as error:
        cause = str(error) if isinstance(error, _NoJson) else f"this is no {kind}"
        raise Unreadable(node.start_mark, f"{cause}; write it in quotes if it is a text") from error


class _NoJson(ValueError):
    """A number that JSON does not have."""


def _integer(text: str) -> int | float:
    """As Go reads it: 0b, 0x, 0o and a leading 0 say the base; beyond 64 bits it is a float."""
    plain = text.replace("_", "")
    digits = plain.lstrip("+-")
    base = {"0b": 2, "0x": 16, "0o": 8}.get(digits[:2].lower())
    if base is None:
        base = 8 if len(digits) > 1 and digits.startswith("0") else 10
    if len(digits) > 400:
        raise _NoJson("the number is too large")
    number = int(plain, base)
    return number if -(2**63) <= number < 2**64 else _real(str(number))


def _real(text: str) -> int | float:
    number = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    if not math.isfinite(number):
        raise _NoJson(f"JSON has no number such as {text}")
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _truth(text: str) -> bool:
    if text.lower() not in (*_TRUE, "n", "no", "false", "off"):
        raise ValueError(text)
    return text.lower() in _TRUE


_READERS: dict[str, Callable[[str], Any]] = {
    "null": lambda text: None,
    "bool": _truth,
    "int": _integer,
    "float": _real,
}


def _measure(text: str) -> None:
    """Refuses, by its events alone, what must not be composed: it may nest too deep or repeat itself."""
    open_nodes: list[tuple[str | None, int]] = []  # anchor, values before it
    sizes: dict[str, int | None] = {}  # None: not complete, so an alias to it never ends
    count = aliased = 0
    for event in yaml.parse(text, Loader):
        if isinstance(event, yaml.DocumentStartEvent):
            sizes, count, aliased = {}, 0, 0
        elif isinstance(event, yaml.AliasEvent):
            size = sizes.get(event.anchor or "", 1)
            if size is None:
                raise Unreadable(event.start_mark, f"*{event.anchor} contains itself")
            count, aliased = count + size, aliased + size
            if aliased > ALIASED_MAX:
                raise Unreadable(event.start_mark, f"its anchors stand for more than {ALIASED_MAX} values")
        elif isinstance(event, yaml.ScalarEvent):
            count += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            if event.anchor is not None:
                sizes[event.anchor] = None
            open_nodes.append((event.anchor, count))
            count += 1
            if len(open_nodes) > DEPTH_MAX:
                raise Unreadable(event.start_mark, f"it nests deeper than {DEPTH_MAX} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor is not None:
                sizes[anchor] = count - before


def explained(error: yaml.YAMLError, text: str) -> Unreadable:
    """The error with its place and what to do about it."""
    if isinstance(error, yaml.reader.ReaderError):
        character = _character(error)
        answer = f"the character U+{ord(character):04X} may not stand in YAML; remove it"
        return Unreadable(_mark(text, max(0, text.find(character))), answer)
    if not isinstance(error, yaml.MarkedYAMLError):
        return Unreadable(Mark(), " ".join(str(error).split()))
    mark = error.problem_mark or error.context_mark or Mark()
    said = error.problem or error.context or "it cannot be read"
    lines = text.split("\n")
    if mark.line >= len(lines):  # libyaml may be a line ahead at the end
        mark = Mark(len(lines) - 1, len(lines[-1]))
    before, line = ["", *lines][mark.line : mark.line + 2]
    if "{{" in before + line:
        advice = "this looks like a template: render it first (helm template … | tidegate validate -)"
    else:
        advice = _advice(said, line, mark.column, error.context_mark)
    return Unreadable(mark, f"{said}; {advice}")


def _mark(text: str, position: int) -> Mark:
    before = text[:position]
    return Mark(before.count("\n"), len(before) - before.rfind("\n") - 1)


def _joined(pair: re.Match[str]) -> str:
    high, low = pair[2][2:6], pair[2][8:12]
    return pair[1] + bytes.fromhex(high + low).decode("utf-16-be")


def _advice(said: str, line: str, column: int, begun: Any) -> str:
    if "cannot start any token" in said or "tab" in said:
        if "\t" in line[: column + 1]:
            return "indent with blanks, YAML allows no tabs there"
        return "put the text in quotes"
    for sign, advice in _ADVICE:
        if sign in said:
            since = f"line {begun.line + 1}, column {begun.column + 1}" if begun is not None else "before it"
            return advice.format(since=since)
    return "correct this line"


def _character(error: yaml.reader.ReaderError) -> str:
    """The one that is refused; libyaml gives its number, and its place in bytes."""
    return chr(error.character) if isinstance(error.character, int) else str(error.character)[:1]


_ADVICE = (
    ("mapping values are not allowed", "a text with a colon needs quotes; else compare the indentation"),
    ("expected key", "compare the indentation with the lines of the block that begins at {since}"),
    ("expected '-'", "compare the indentation with the list that begins at {since}"),
    ("expected ','", "close the bracket that is opened at {since}"),
    ("expected node content", "a value or a closing bracket is missing"),
    ("unexpected end of stream", "close the quotes that are opened at {since}"),
    ("document indicator", "close the quotes that are opened at {since}"),
    ("Unicode character escape", "write the character itself"),
    ("escape", "write \\\\ for a backslash, or use single quotes"),
    ("expected ':'", "write the key, a colon and a blank before the value"),
    ("undefined alias", "put a text that begins with * in quotes, or define the anchor before it"),
    ("document start", "separate documents by a line with --- alone"),
)
