"""Objects of one store in several versions: kept in the storage version, shown in the one asked for."""

from __future__ import annotations

from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.storage.stored_object import Row, encode


def body_of(kind: Kind, row: Row) -> bytes:
    """The row's JSON in the version of `kind`. Versions of a custom resource differ in apiVersion only."""
    if not kind.is_custom:
        return row.body
    wanted = kind.resource.api_version
    if row.body.startswith(b'{"apiVersion":"%b","kind"' % wanted.encode()):
        return row.body
    return encode({**row.parse(), "apiVersion": wanted})
