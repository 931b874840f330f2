"""The entries of `metadata.managedFields`: who has set which fields, by applying or by other writes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from tidegate.local.apiserver.ownership.paths import NOTHING, BadFields, Path, Paths, read, written

FIELDS = "managedFields"
UPDATES_MAX = 10
ANCIENT = "ancient-changes"
_OPERATIONS = ("Apply", "Update")
# What is nobody's: the object's identity, and what only the server writes.
_SERVERS: frozenset[Path] = frozenset(
    {
        ("f:apiVersion",),
        ("f:kind",),
        ("f:metadata",),
        *(
            ("f:metadata", f"f:{name}")
            for name in (
                "name",
                "namespace",
                "creationTimestamp",
                "selfLink",
                "uid",
                "generation",
                "managedFields",
                "resourceVersion",
            )
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, and how. Who applies is the same in every version of the API."""

    name: str
    operation: Literal["Apply", "Update"]
    api_version: str
    subresource: str = ""

    def is_same(self, other: Writer) -> bool:
        if self.operation == "Apply":
            return replace(self, api_version="") == replace(other, api_version="")
        return self == other

    def __str__(self) -> str:
        """As a conflict names them."""
        text = f'"{self.name}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        return f"{text} using {self.api_version}" if self.operation == "Update" else text


@dataclass(frozen=True, slots=True)
class Entry:
    writer: Writer
    time: str
    paths: Paths


def entries_of(managed: Any) -> list[Entry]:
    """`BadFields` for what is none."""
    if not isinstance(managed, list):
        raise BadFields("managedFields is not a list")
    return [_entry(one) for one in managed]


def _entry(one: Any) -> Entry:
    if not isinstance(one, dict) or one.get("operation") not in _OPERATIONS:
        raise BadFields("an entry of managedFields has the operation Apply or Update")
    if one.get("fieldsType") not in (None, "", "FieldsV1"):
        raise BadFields("an entry of managedFields has the fieldsType FieldsV1")
    texts = [one.get(name) or "" for name in ("manager", "apiVersion", "subresource", "time")]
    if not all(isinstance(text, str) for text in texts):
        raise BadFields("an entry of managedFields has texts")
    name, version, subresource, time = texts
    writer = Writer(name, one["operation"], version, subresource)
    return Entry(writer, time, read(one.get("fieldsV1") or {}))


def chosen(sent: Any, live: Any) -> list[Entry]:
    """The entries that a write begins with: those it sends, or the object's where it sends none that count.

    No entry, or one that is empty, is how a client lets go of them all.
    """
    if sent in ([], [{}]):
        return []
    for managed in (sent, live):
        try:
            found = entries_of(managed)
        except BadFields:
            continue
        if found:
            return found
    return []


def listed(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """`managedFields` of the entries, in Kubernetes' order; entries that own nothing are left out."""
    return [_listed(entry) for entry in sorted((one for one in entries if one.paths), key=_rank)]


def _rank(entry: Entry) -> tuple[str, ...]:
    writer = entry.writer
    return (writer.operation, entry.time, writer.name, writer.api_version, writer.subresource)


def _listed(entry: Entry) -> dict[str, Any]:
    writer = entry.writer
    one: dict[str, Any] = {
        "manager": writer.name,
        "operation": writer.operation,
        "apiVersion": writer.api_version,
        "time": entry.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": written(entry.paths),
        "subresource": writer.subresource,
    }
    return {name: value for name, value in one.items() if value or name == "fieldsV1"}


def capped(entries: Iterable[Entry]) -> list[Entry]:
    """At most `UPDATES_MAX` writers that do not apply: the oldest become one."""
    kept = [entry for entry in entries if entry.writer.operation == "Apply"]
    updates = sorted((one for one in entries if one.writer.operation == "Update"), key=lambda one: one.time)
    while len(updates) > UPDATES_MAX:
        old, next_old = updates[:2]
        if old.writer.api_version != next_old.writer.api_version:
            kept.append(updates.pop(0))
            continue
        writer = Writer(ANCIENT, "Update", old.writer.api_version)
        updates[:2] = [Entry(writer, next_old.time, old.paths | next_old.paths)]
    return kept + updates


def owned(paths: Iterable[Path], ignored: str) -> Paths:
    """The paths that can have owners. `ignored` is the top field that this endpoint does not write."""
    top = f"f:{ignored}"
    return frozenset(path for path in paths if path and path not in _SERVERS and path[0] != top)


def of(entries: Iterable[Entry], writer: Writer) -> Paths:
    """What a writer owns."""
    return next((entry.paths for entry in entries if entry.writer.is_same(writer)), NOTHING)


def with_mine(entries: list[Entry], writer: Writer, paths: Paths, now: str) -> list[Entry]:
    """The entries with what this writer owns now; its moment changes with it."""
    others = [entry for entry in entries if not entry.writer.is_same(writer)]
    before = next((entry for entry in entries if entry.writer.is_same(writer)), None)
    if before is not None and before.paths == paths and before.writer == writer:
        return entries
    return [*others, Entry(writer, now, paths)]
