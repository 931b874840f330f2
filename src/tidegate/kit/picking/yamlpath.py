"""Values of a YAML document by a path of dots. No aliases, one document, not too many values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

import yaml

from tidegate.api.yamltext import Unreadable, value_of
from tidegate.kit.picking.pick import DEPTH, Unpicked, text_of
from tidegate.kit.picking.tree import walk

MOST_VALUES = 50_000
"""Scalars and collections; each costs a kilobyte while the text is read."""

LONGEST = 1 << 20

_RESOLVED = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", [*"tTfF"]),
    ("int", r"[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]*|[1-9][0-9_]*)", [*"-+0123456789"]),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        [*"-+0123456789."],
    ),
)


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """Plain `on`, `y` and their like are texts, as KEDA reads them; in manifests kubectl's rules count."""

    yaml_implicit_resolvers: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _name, _pattern, _begin in _RESOLVED:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"(?:{_pattern})$"), _begin)


@dataclass(frozen=True, slots=True)
class Yaml:
    """What a path such as `queue.waiting` or `queues.0.waiting` finds; None where nothing is."""

    format: ClassVar[str] = "yaml"

    path: str

    @staticmethod
    def read(body: bytes) -> Any:
        return read_yaml(body)

    def of(self, document: Any) -> Any:
        return walk(document, self.path)


def read_yaml(body: bytes) -> Any:
    """The first document as JSON values; Unpicked where it is none or asks for too much."""
    if len(body) > LONGEST:
        raise Unpicked(f"the answer is larger than {LONGEST >> 20} MiB, the most that is read as YAML")
    text = text_of(body)
    try:
        _measure(text)
        return _first(text)
    except (yaml.YAMLError, Unreadable, RecursionError) as error:
        raise Unpicked("the answer is not YAML") from error


def _first(text: str) -> Any:
    loader = _Loader(text)
    try:
        return value_of(loader.get_node(), []) if loader.check_node() else None
    finally:
        loader.dispose()


def _measure(text: str) -> None:
    """Looks at the events alone, before anything is built."""
    depth = count = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.AliasEvent):
            raise Unpicked("the answer has YAML aliases, which are not read")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if isinstance(event, yaml.NodeEvent):
            count += 1
        if depth > DEPTH:
            raise Unpicked(f"the answer nests deeper than {DEPTH} levels")
        if count > MOST_VALUES:
            raise Unpicked(f"the answer has more than {MOST_VALUES} values")
