"""Objects of one store in several versions: kept in the storage version, shown in the one asked for."""

from __future__ import annotations

from tidegate.local.apiserver.kinds import BUILT_IN, Kind
from tidegate.local.apiserver.storage.hpa_v1 import from_v1, to_v1
from tidegate.local.apiserver.storage.stored_object import Row, encode
from tidegate.local.objects import Object

_STORED = {
    (kind.key, kind.resource.version): kind for kind in BUILT_IN if kind.resource.group == "autoscaling"
}


def body_of(kind: Kind, row: Row) -> bytes:
    """The row's JSON in the version of `kind`. Versions of a custom resource differ in apiVersion only."""
    if not kind.is_custom:
        return row.body if kind is stored_kind(kind) else encode(to_v1(row.parse()))
    wanted = kind.resource.api_version
    if row.body.startswith(b'{"apiVersion":"%b","kind"' % wanted.encode()):
        return row.body
    return encode({**row.parse(), "apiVersion": wanted})


def stored_kind(kind: Kind) -> Kind:
    """The built-in kind whose fields are stored. Versions of a custom resource have their own schemas."""
    if kind.is_custom or kind.storage_version in ("", kind.resource.version):
        return kind
    return _STORED[kind.key, kind.storage_version]


def stored(kind: Kind, body: Object) -> Object:
    """An object of `kind` with the fields that are stored."""
    return body if kind is stored_kind(kind) else from_v1(body)
