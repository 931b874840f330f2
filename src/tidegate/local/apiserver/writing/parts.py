"""Objects that show parts of this program: whoever writes or deletes them, they stay as they are.

What clients say of labels and annotations is kept. A part that nobody has installed yet can be created
once, as if it were not there, so that manifests, charts and tutorials that install it go through.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.storage.stored_object import Place, Row
from tidegate.local.apiserver.validation.custom_resources import CRD_KEY
from tidegate.local.apiserver.writing.asked import Options, Target
from tidegate.local.objects import BUILT_IN, Object

SHOWN, INSTALLED = "shown", "installed"
_ENVELOPE = ("apiVersion", "kind", "metadata", "status")
_NAMESPACES = "namespaces"


@dataclass(frozen=True, slots=True)
class Part:
    """`body` is the object as this program makes it."""

    kind: Kind
    body: Object

    @property
    def place(self) -> Place:
        meta = self.body["metadata"]
        return (meta.get("namespace", ""), meta["name"])

    @property
    def is_definition(self) -> bool:
        return self.kind.key == CRD_KEY

    def fresh(self) -> Object:
        return copy.deepcopy(self.body)

    def past(self) -> Object:
        """What was deleted while nothing is there: not the one that comes."""
        body = self.fresh()
        body["metadata"]["uid"] = str(uuid.uuid4())
        return body

    def kept(self, wanted: Object, old: Object | None, *, is_installed: bool = False) -> Object:
        """The object with what `wanted` says of labels and annotations; all else is as it was."""
        mine = self.body if old is None else old
        meta = dict(wanted["metadata"])
        is_installed = is_installed or (old is not None and _state(old["metadata"]) == INSTALLED)
        own = self.body["metadata"].get("labels") or {}
        meta["labels"] = {**own, **(meta.get("labels") or {}), BUILT_IN: INSTALLED if is_installed else SHOWN}
        envelope = {name: value for name, value in wanted.items() if name in _ENVELOPE}
        return {**envelope, "metadata": meta, **copy.deepcopy(_content(mine))}

    def said(self, wanted: Object, old: Object | None) -> list[str]:
        """What is told of content that has no effect; `old` is None where `wanted` is to be a new object."""
        if self.kind.key == _NAMESPACES:
            return [] if old is not None else [f"{self._called} and is there already"]
        if old is not None and _content(wanted) == _content(old):
            return []
        return [f"{self._called} and stays as it is: only labels and annotations are taken"]

    def farewell(self) -> str:
        left = ", with all objects of its kind" if self.is_definition else ""
        return f"{self._called} and is there again at once{left}"

    @property
    def _called(self) -> str:
        if self.is_definition:
            return f"the definition of {self.place[1]} is this program's own"
        return f"the {self.kind.resource.kind} {self.place[1]} shows a part of this program"


class Parts:
    """All of them, by kind and place."""

    def __init__(self, parts: Iterable[Part] = ()) -> None:
        self._parts = {(part.kind.key, part.place): part for part in parts}

    def find(self, target: Target) -> Part | None:
        return self._parts.get((target.kind.key, target.place))

    def asked_for(self, target: Target, options: Options) -> Part | None:
        """The part that a client writes to; this program may do with its parts what it likes."""
        return self.find(target) if options.writer and not target.subresource else None

    def lost_with(self, target: Target) -> Iterator[Part]:
        """What is missing when this object is gone: it, and what lived in it."""
        for (key, place), part in self._parts.items():
            is_it = (key, place) == (target.kind.key, target.place)
            if is_it or (target.kind.key == _NAMESPACES and place[0] == target.name):
                yield part


def is_free(row: Row | None) -> bool:
    """Whether a part is there that nobody has installed."""
    return row is not None and row.labels.get(BUILT_IN) == SHOWN


def _state(meta: Mapping[str, Any]) -> str:
    return str((meta.get("labels") or {}).get(BUILT_IN) or "")


def _content(body: Object) -> Object:
    return {name: value for name, value in body.items() if name not in _ENVELOPE}
