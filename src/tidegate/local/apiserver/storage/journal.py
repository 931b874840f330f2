"""Lines of the journal: one per creation and deletion, for audits. Events and leases leave none."""

from __future__ import annotations

from datetime import datetime

from tidegate.base.times import format_time
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.storage.database import Mark
from tidegate.local.apiserver.storage.stored_object import Row, encode
from tidegate.local.objects import Object

_OURS = "tidegate.dev/"
_VERB_NAMES = {"ADDED": "create", "DELETED": "delete"}


def mark(kind: Kind, type: str, row: Row, body: Object, now: datetime) -> Mark | None:
    """The line for a write; None for writes that the journal does not record."""
    verb = _VERB_NAMES.get(type)
    if verb is None or not kind.is_journaled:
        return None
    annotations = body["metadata"].get("annotations") or {}
    ours = {name: value for name, value in annotations.items() if name.startswith(_OURS)}
    return Mark(
        row.version, format_time(now), verb, kind.key, row.namespace, row.name, row.uid, encode(ours).decode()
    )
