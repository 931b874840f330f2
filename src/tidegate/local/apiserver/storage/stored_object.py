"""How an object is kept in memory: its JSON bytes, and the few fields that are looked up without parsing."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tidegate.local.objects import Object

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

Place = tuple[str, str]
"""Namespace ("" for cluster-scoped kinds) and name: the order of lists."""


class Row(msgspec.Struct, frozen=True, gc=False):
    """A stored object. `body` is its JSON in the version it was stored in."""

    namespace: str
    name: str
    version: int
    uid: str
    body: bytes
    labels: dict[str, str]
    owners: tuple[str, ...] = ()
    is_deleting: bool = False

    @property
    def place(self) -> Place:
        return (self.namespace, self.name)

    def parse(self) -> Object:
        """A fresh dictionary, the caller's own."""
        body: Object = _decode(self.body)
        return body


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One committed write, as the watch log keeps it. `key` is the kind's storage key.

    For DELETED, `row` is the last state with the deletion's own new version.
    """

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    version: int
    row: Row
    previous: Row | None = None
    key: str = ""


def decode(body: bytes) -> Object:
    parsed: Object = _decode(body)
    return parsed


def encode(body: Object) -> bytes:
    return _encode(body)


def row_of(body: Object, version: int) -> Row:
    """The row of a complete object, with that resourceVersion (0: none yet); `body` stays as it is."""
    meta: dict[str, Any] = dict(body["metadata"])
    if version:
        meta["resourceVersion"] = str(version)
    owners = meta.get("ownerReferences")
    # The version stands first, where `versions` looks for it.
    ordered = {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": meta}
    return Row(
        meta.get("namespace", ""),
        meta["name"],
        version,
        meta.get("uid", ""),
        _encode({**ordered, **body, "metadata": meta}),
        meta.get("labels") or {},
        tuple(owner["uid"] for owner in owners) if owners else (),
        "deletionTimestamp" in meta,
    )


class _Owner(msgspec.Struct, gc=False):
    uid: str = ""


class _Meta(msgspec.Struct, gc=False):
    uid: str = ""
    labels: dict[str, str] | None = None
    ownerReferences: tuple[_Owner, ...] | None = None
    deletionTimestamp: str | None = None


class _Light(msgspec.Struct, gc=False):
    metadata: _Meta


_decode_light = msgspec.json.Decoder(_Light).decode


def row_from_bytes(place: Place, version: int, body: bytes) -> Row:
    """The row of stored bytes. `msgspec.MsgspecError` when they are not an object of ours."""
    meta = _decode_light(body).metadata
    return Row(
        place[0],
        place[1],
        version,
        meta.uid,
        body,
        meta.labels or {},
        tuple(owner.uid for owner in meta.ownerReferences or ()),
        meta.deletionTimestamp is not None,
    )
