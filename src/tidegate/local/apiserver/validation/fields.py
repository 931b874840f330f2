"""Which fields the built-in kinds have, and of which type: unknown ones are pruned, wrong ones named.

The table is `fields.json`, generated from the official client's models by
tests/local/apiserver/validation/make_fields.py.
Explicit nulls are absent fields, as Go reads them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from tidegate.base.bytetext import to_bytes, to_text
from tidegate.base.problems import Problem
from tidegate.local.apiserver.kinds import Kind

TYPE_INVALID = "FieldValueTypeInvalid"
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})")
# A null is a value in a schema's own values only.
_NULL_MATTERS = ("default", "example")


@dataclass(slots=True)
class Findings:
    """What a walk found: paths of fields that no kind has, and values of a wrong type.

    `known` has the fields that could stand in the place of an unknown one, by its path.
    """

    unknown: list[str] = field(default_factory=list)
    known: dict[str, Iterable[str]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    is_secret: bool = False

    def wrong(self, path: str, value: Any, wanted: str) -> Any:
        """Notes the value and returns it as it is."""
        shown = "" if self.is_secret else f" {show(value)}:"
        self.problems.append(Problem(path, f"Invalid value:{shown} is not {wanted}", TYPE_INVALID))
        return value


Walk = Callable[[Any, str, Findings], Any]


def show(value: Any) -> str:
    """A value as it stands in a message: JSON, shortened."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 80 else text[:77] + "..."


def prune(kind: Kind, body: dict[str, Any]) -> Findings:
    """Prunes a built-in object (or only a custom object's metadata) in place; says what was wrong."""
    findings = Findings(is_secret=kind.key == "secrets")
    root = None if kind.is_custom else table()[0].get(kind.fields_key)
    if root is not None:
        _walks()[root](body, "", findings)
    elif isinstance(body.get("metadata"), dict):
        _walks()["V1ObjectMeta"](body["metadata"], "metadata", findings)
    return findings


def prune_template(template: dict[str, Any], path: str) -> Findings:
    """Prunes a pod template that stands at `path`, in place; says what was wrong."""
    findings = Findings()
    _walks()["V1PodTemplateSpec"](template, path, findings)
    return findings


class _Walks(dict[str, Walk]):
    """Walks by type name, made when first used (types may contain themselves)."""

    def __missing__(self, text: str) -> Walk:
        walk = self[text] = self._make(text)
        return walk

    def _make(self, text: str) -> Walk:
        if text.startswith("["):
            return self._list(text[1:-1])
        if text.startswith("{"):
            return self._map(text[1:-1])
        if text in _PLAIN:
            return _PLAIN[text]
        return self._struct(table()[1][text])

    def _list(self, inner: str) -> Walk:
        def walk(value: Any, path: str, findings: Findings) -> Any:
            if not isinstance(value, list):
                return findings.wrong(path, value, "a list")
            item = self[inner]
            for index, element in enumerate(value):
                value[index] = item(element, f"{path}[{index}]", findings)
            return value

        return walk

    def _map(self, inner: str) -> Walk:
        def walk(value: Any, path: str, findings: Findings) -> Any:
            if not isinstance(value, dict):
                return findings.wrong(path, value, "a map")
            item = self[inner]
            for name, element in value.items():
                # Go reads a null in a map of strings as the empty string.
                text = "" if element is None and inner in ("str", "bytes") else element
                value[name] = item(text, f"{path}.{name}", findings)
            return value

        return walk

    def _struct(self, fields: dict[str, str]) -> Walk:
        def walk(value: Any, path: str, findings: Findings) -> Any:
            if not isinstance(value, dict):
                return findings.wrong(path, value, "a map")
            prefix = f"{path}." if path else ""
            for name in list(value):
                type_text = fields.get(name)
                if type_text is None:
                    findings.unknown.append(prefix + name)
                    findings.known[prefix + name] = fields
                    del value[name]
                elif value[name] is None and name not in _NULL_MATTERS:
                    del value[name]
                else:
                    value[name] = self[type_text](value[name], prefix + name, findings)
                    if value[name] == {} and type_text.startswith("{"):
                        # Go leaves an empty map out, and cannot tell it from none.
                        del value[name]
            return value

        return walk


def _str(value: Any, path: str, findings: Findings) -> Any:
    return value if isinstance(value, str) else findings.wrong(path, value, "a text")


def _bytes(value: Any, path: str, findings: Findings) -> Any:
    """Base64 as Kubernetes stores it, in one line."""
    if not isinstance(value, str):
        return findings.wrong(path, value, "a text")
    try:
        return to_text(to_bytes(value))
    except ValueError:
        # It may be a secret: it is not shown.
        findings.problems.append(Problem(path, "Invalid value: is not base64", TYPE_INVALID))
        return value


def _int(value: Any, path: str, findings: Findings) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return findings.wrong(path, value, "a whole number")


def _float(value: Any, path: str, findings: Findings) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return findings.wrong(path, value, "a number")


def _bool(value: Any, path: str, findings: Findings) -> Any:
    return value if isinstance(value, bool) else findings.wrong(path, value, "true or false")


def _any(value: Any, path: str, findings: Findings) -> Any:
    return value


def _time(value: Any, path: str, findings: Findings) -> Any:
    if isinstance(value, str) and _TIME.fullmatch(value):
        return value
    return findings.wrong(path, value, "a time such as 2026-01-31T08:00:00Z")


def _quantity(value: Any, path: str, findings: Findings) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else findings.wrong(path, value, "a quantity")


_PLAIN: dict[str, Walk] = {
    "str": _str,
    "bytes": _bytes,
    "int": _int,
    "float": _float,
    "bool": _bool,
    "any": _any,
    "time": _time,
    "quantity": _quantity,
}


@cache
def table() -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    raw = files(__package__).joinpath("fields.json").read_bytes()
    found = msgspec.json.decode(raw)
    return found["roots"], found["types"]


@cache
def _walks() -> _Walks:
    return _Walks()
