"""What a write does to the owners of fields: an update takes what it changes, an apply what it names.

Objects that no client made (the controllers' pods, events …) have no owners until somebody applies them,
as objects have in Kubernetes whose `managedFields` were taken away.

Sources: Kubernetes documentation, "Server-Side Apply"; the outcomes of its API server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from tidegate.kube.resource import ApiError
from tidegate.local.apiserver.ownership.entries import (
    FIELDS,
    Entry,
    Writer,
    capped,
    chosen,
    listed,
    of,
    owned,
    with_mine,
)
from tidegate.local.apiserver.ownership.merging import difference, merged, without
from tidegate.local.apiserver.ownership.paths import Path, Paths, field_set, named, shown
from tidegate.local.apiserver.ownership.structures import Node
from tidegate.local.objects import Object

BEFORE = "before-first-apply"


@dataclass(frozen=True, slots=True)
class Write:
    """A write to come. `ignored` is the top field that its endpoint does not reach; with `is_forced` an apply
    takes what others own.
    """

    writer: Writer
    ignored: str
    now: str
    is_forced: bool = False


class Conflicts(Exception):
    """Fields that others own, with another value than the configuration's."""

    def __init__(self, found: Mapping[Writer, Paths]) -> None:
        super().__init__()
        self.found = found

    def refusal(self) -> ApiError:
        """409 with a cause for each field."""
        writers = sorted((str(writer), paths) for writer, paths in self.found.items())
        pairs = [(writer, shown(path)) for writer, paths in writers for path in sorted(paths, key=_rank)]
        causes = [
            {"reason": "FieldManagerConflict", "message": f"conflict with {writer}", "field": field}
            for writer, field in pairs
        ]
        if len(pairs) == 1:
            message = f"Apply failed with 1 conflict: conflict with {pairs[0][0]}: {pairs[0][1]}"
        else:
            lines = [f"Apply failed with {len(pairs)} conflicts:"]
            for writer in dict.fromkeys(writer for writer, _ in pairs):
                lines[-1] += f" conflicts with {writer}:" if len(lines) == 1 else ""
                if len(lines) > 1:
                    lines.append(f"conflicts with {writer}:")
                lines += [f"- {field}" for name, field in pairs if name == writer]
            message = "\n".join(lines)
        return ApiError(409, "Conflict", message, {"causes": causes})


def _rank(path: Path) -> tuple[tuple[bool, str], ...]:
    """Fields of a map before those that lie deeper."""
    return tuple((depth < len(path), step) for depth, step in enumerate(path, 1))


def bare(found: Object) -> Object:
    """The object without its `managedFields`."""
    metadata = {name: value for name, value in found["metadata"].items() if name != FIELDS}
    return {**found, "metadata": metadata}


def after_update(
    node: Node, old: Object | None, new: Object, sent: Any, write: Write
) -> list[dict[str, Any]]:
    """`managedFields` after a write that is no apply; `sent` are those that the client has sent.

    With no `old` the object is new, and is to be followed from now on.
    """
    live = None if old is None else old["metadata"].get(FIELDS)
    writer, entries = write.writer, list[Entry]()
    if old is None:
        found = difference(node, {}, bare(new))
    else:
        if not live and not sent:
            return []
        found = difference(node, bare(old), bare(new))
        if found.is_none and sent in (None, live):
            return list(live or ())
        entries = chosen(sent, live)
        if not entries:
            return []
    written = owned(found.added | found.changed, write.ignored)
    if not written and not found.removed:
        return listed(entries)
    gone = frozenset(found.removed)
    mine = (of(entries, writer) - gone) | written
    left = [entry if entry.writer.is_same(writer) else _less(entry, written | gone) for entry in entries]
    return listed(capped(with_mine(left, writer, mine, write.now)))


def after_apply(
    node: Node, live: Object | None, wanted: Object, write: Write
) -> tuple[Object, list[dict[str, Any]]]:
    """The object after an apply, and its `managedFields`. `Conflicts`, or `Unowned` for a configuration that
    fits no object of the kind.
    """
    before, writer = {} if live is None else bare(live), write.writer
    entries = [] if live is None else chosen(None, live["metadata"].get(FIELDS))
    if live is not None and not entries:
        first = Writer(BEFORE, "Update", live["apiVersion"])
        entries = [Entry(first, write.now, owned(difference(node, {}, before).added, write.ignored))]
    named_here = field_set(node, wanted)
    mine = owned(named_here, write.ignored)
    last = of(entries, writer)
    others = [entry for entry in entries if not entry.writer.is_same(writer)]
    new = merged(node, before, wanted)
    new = _pruned(node, new, last, named_here.union(*(entry.paths for entry in others)))
    found = difference(node, before, new)
    written = found.added | found.changed
    conflicts = {entry.writer: entry.paths & written for entry in others if entry.paths & written}
    if conflicts and not write.is_forced:
        raise Conflicts(conflicts)
    left = [_less(entry, written | found.removed) for entry in others]
    kept = [entry for entry in entries if entry.writer.is_same(writer)]
    return new, listed(capped(with_mine([*left, *kept], writer, mine, write.now)))


def _less(entry: Entry, paths: AbstractSet[Path]) -> Entry:
    return Entry(entry.writer, entry.time, entry.paths - paths) if entry.paths & paths else entry


def _pruned(node: Node, new: Object, last: Paths, managed: Paths) -> Object:
    """Without what the writer has applied before, and nobody wants any longer. What stands below such an item
    and was set by none of its owners goes with it only if the item itself does.
    """
    if not last:
        return new
    every, kept = named(node, field_set(node, new, is_live=True)), named(node, managed)
    before = named(node, last)
    first = without(node, new, before) or {}
    gone = every - named(node, field_set(node, first, is_live=True)) - kept
    second = without(node, new, gone) or {}
    lost = (every - named(node, field_set(node, second, is_live=True))) & before
    pruned: Object = without(node, new, lost) or {}
    return pruned


def conflicts_with(found: Mapping[Writer, Paths], allowed: Sequence[Path] | Paths) -> dict[Writer, Paths]:
    """The conflicts that are left when these fields are none."""
    rest = {writer: paths - frozenset(allowed) for writer, paths in found.items()}
    return {writer: paths for writer, paths in rest.items() if paths}
