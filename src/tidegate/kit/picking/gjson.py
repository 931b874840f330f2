"""Values of a JSON document by path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec

from tidegate.kit.picking.pick import DEPTH, Unpicked

_BRACKETS = re.compile(rb"""[\[\]{}]|"(?:[^"\\]|\\.)*+(?:"|$)""", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Json:
    """What a path finds: `data.result.0.value`, `@this` for the whole document."""

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
        raise Unpicked("the answer is not JSON") from error


def check_depth(body: bytes) -> None:
    """Brackets outside of texts, counted before anything is built."""
    if body.count(b"[") + body.count(b"{") <= DEPTH:
        return
    depth = 0
    for token in _BRACKETS.findall(body):
        if token in (b"[", b"{"):
            depth += 1
            if depth > DEPTH:
                raise Unpicked(f"the answer nests deeper than {DEPTH} levels")
        elif token in (b"]", b"}"):
            depth -= 1


def find(document: Any, path: str) -> Any:
    if path in ("", "@this"):
        return document
    for part in path.split("."):
        if isinstance(document, list) and part == "#":
            document = len(document)
        elif isinstance(document, list) and part.isdigit() and int(part) < len(document):
            document = document[int(part)]
        elif isinstance(document, dict):
            document = document.get(part)
        else:
            return None
    return document
