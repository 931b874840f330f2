"""What lists, objects and watch events look like: as they are, as a Table, or only their metadata."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

from tidegate.api.kinds import GROUP
from tidegate.api.scaled import OTHER_PATHS
from tidegate.kube.resource import ApiError
from tidegate.kube.responses import Accepted, bad_request, encode
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.printing import columns, jsonpath
from tidegate.local.apiserver.printing.builtin_columns import BUILT_IN
from tidegate.local.apiserver.printing.columns import GENERIC, Column
from tidegate.local.apiserver.reads import Page, Reads
from tidegate.local.apiserver.storage.stored_object import Row
from tidegate.local.apiserver.storage.versions import stored

META_GROUP = "meta.k8s.io"
META_VERSION = f"{META_GROUP}/v1"
SHAPES = (
    ("Table", META_GROUP, "v1"),
    ("PartialObjectMetadata", META_GROUP, "v1"),
    ("PartialObjectMetadataList", META_GROUP, "v1"),
)
Included = Literal["None", "Metadata", "Object"]
Form = tuple[str, str, str, str]
_INCLUDED: dict[str, Included] = {"None": "None", "": "Metadata", "Metadata": "Metadata", "Object": "Object"}


@dataclass(frozen=True, slots=True)
class Shape:
    """How objects are wanted: "" as they are, `Table`, or `PartialObjectMetadata`.

    `included` says what a Table's row carries beside its cells.
    """

    name: Literal["", "Table", "PartialObjectMetadata"] = ""
    included: Included = "Metadata"


def shape_of(asked: Accepted, include_object: str, *, is_list: bool | None = None) -> Shape:
    """The shape an Accept header and `includeObject` ask for; 400 for an unknown `includeObject`.

    406 where metadata of one are asked of a list (`is_list`), or of a list of one; None: who knows.
    """
    if asked.shape == "Table":
        if include_object not in _INCLUDED:
            raise bad_request(f"unrecognized includeObject value: {include_object!r}")
        return Shape("Table", _INCLUDED[include_object])
    if asked.shape:
        if is_list is not None and asked.shape.endswith("List") != is_list:
            what = "a list" if is_list else "not a list"
            told = f"you requested {asked.shape}, but the requested object is {what}"
            raise ApiError(406, "NotAcceptable", told)
        return Shape("PartialObjectMetadata")
    return Shape()


class Renderer:
    """Writes rows of one kind in one shape. Renderers of equal `form` write the same bytes."""

    def __init__(self, reads: Reads, kind: Kind, shape: Shape) -> None:
        self._reads = reads
        self._kind = kind
        self._shape = shape
        self._columns = columns_of(kind)
        columns_text = ",".join(f"{column.name}:{column.type}" for column in self._columns)
        self.form: Form = (kind.resource.version, shape.name, shape.included, columns_text)

    @property
    def has_columns(self) -> bool:
        """Whether the first event of a stream differs from later ones."""
        return self._shape.name == "Table"

    def page(self, page: Page, now: datetime) -> bytes:
        """A list's answer."""
        metadata: dict[str, Any] = {"resourceVersion": str(page.version)}
        if page.continue_token:
            metadata["continue"] = page.continue_token
        if page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
        if self._shape.name == "Table":
            return self._table(page.rows, metadata, now)
        if self._shape.name == "PartialObjectMetadata":
            return _joined("PartialObjectMetadataList", META_VERSION, metadata, map(self._partial, page.rows))
        resource = self._kind.resource
        bodies = (self._reads.body(self._kind, row) for row in page.rows)
        return _joined(self._kind.list_name, resource.api_version, metadata, bodies)

    def one(self, row: Row, now: datetime, *, has_columns: bool = True) -> bytes:
        """A single object's answer, and the `object` of a watch event.

        A Table's columns are told once a stream: later events leave them out (`has_columns`).
        """
        if self._shape.name == "Table":
            metadata = {"resourceVersion": str(row.version)}
            body = decode(self._reads.body(self._kind, row))
            return self._table_of([body], metadata, now, has_columns=has_columns)
        if self._shape.name == "PartialObjectMetadata":
            return self._partial(row)
        return self._reads.body(self._kind, row)

    def written(self, body: bytes, now: datetime) -> bytes:
        """The answer to a write whose outcome is `body`."""
        if not self._shape.name:
            return body
        parsed = decode(body)
        if self._shape.name == "PartialObjectMetadata":
            return encode(_metadata_only(parsed))
        metadata = {"resourceVersion": (parsed.get("metadata") or {}).get("resourceVersion", "")}
        return self._table_of([parsed], metadata, now)

    def bookmark(self, version: int, annotations: dict[str, str]) -> bytes:
        """An object of the right kind that tells nothing but a resourceVersion."""
        metadata: dict[str, Any] = {"resourceVersion": str(version)}
        if annotations:
            metadata["annotations"] = annotations
        if self._shape.name == "Table":
            # As clients of tables look for it: in the object of a row.
            row = {"cells": [], "object": _metadata_only({"metadata": metadata})}
            return encode(
                {
                    "kind": "Table",
                    "apiVersion": META_VERSION,
                    "metadata": {"resourceVersion": str(version)},
                    "columnDefinitions": [],
                    "rows": [row],
                }
            )
        if self._shape.name:
            return encode({"kind": "PartialObjectMetadata", "apiVersion": META_VERSION, "metadata": metadata})
        resource = self._kind.resource
        return encode({"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata})

    def _table(self, rows: Iterable[Row], metadata: dict[str, Any], now: datetime) -> bytes:
        bodies = (decode(self._reads.body(self._kind, row)) for row in rows)
        return self._table_of(bodies, metadata, now)

    def _table_of(
        self,
        bodies: Iterable[dict[str, Any]],
        metadata: dict[str, Any],
        now: datetime,
        *,
        has_columns: bool = True,
    ) -> bytes:
        return encode(
            {
                "kind": "Table",
                "apiVersion": META_VERSION,
                "metadata": metadata,
                "columnDefinitions": [_definition(column) for column in self._columns] if has_columns else [],
                "rows": [self._row(body, now) for body in bodies],
            }
        )

    def _row(self, body: dict[str, Any], now: datetime) -> dict[str, Any]:
        found = stored(self._kind, body)
        row: dict[str, Any] = {"cells": [_cell(column, found, now) for column in self._columns]}
        if self._shape.included == "Object":
            row["object"] = body
        elif self._shape.included == "Metadata":
            row["object"] = _metadata_only(body)
        else:
            row["object"] = None
        return row

    def _partial(self, row: Row) -> bytes:
        return encode(_metadata_only(decode(self._reads.body(self._kind, row))))


def columns_of(kind: Kind) -> tuple[Column, ...]:
    """The columns a kind is printed with; a custom resource's are those of its definition."""
    if kind.is_custom:
        if not kind.columns:
            return GENERIC
        others = OTHER_PATHS if kind.resource.group == GROUP else {}
        return (columns.NAME, *(_custom_column(definition, others) for definition in kind.columns))
    return BUILT_IN.get((kind.resource.group, kind.resource.kind), GENERIC)


def decode(body: bytes) -> dict[str, Any]:
    """A stored object's JSON as a dictionary of the caller's own."""
    parsed: dict[str, Any] = msgspec.json.decode(body)
    return parsed


def _custom_column(definition: dict[str, Any], others: Mapping[str, str]) -> Column:
    path, kind = str(definition.get("jsonPath", "")), str(definition.get("type", "string"))

    def cell(body: dict[str, Any], now: datetime) -> Any:
        found = jsonpath.find(path, body) or (jsonpath.find(others[path], body) if path in others else [])
        return _typed(kind, found[0], now) if found else None

    return Column(
        name=str(definition.get("name", "")),
        cell=cell,
        type=kind,
        format=str(definition.get("format", "")),
        priority=int(definition.get("priority") or 0),
        description=str(
            definition.get("description") or f"Custom resource definition column (in JSONPath format): {path}"
        ),
    )


def _typed(kind: str, value: Any, now: datetime) -> Any:
    """A custom cell: None (blank) where the value is not of the column's type."""
    if kind == "date":
        return columns.age(value, now) if isinstance(value, str) else None
    if kind == "string":
        if isinstance(value, str):
            return value
        return encode(value).decode()
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if kind == "integer" else value


def _cell(column: Column, body: dict[str, Any], now: datetime) -> Any:
    """One cell. An object of a shape nobody foresaw spoils its own cell, never the list."""
    try:
        return column.cell(body, now)
    except (AttributeError, KeyError, TypeError, ValueError):
        return "<invalid>"


def _definition(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def _metadata_only(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": META_VERSION,
        "metadata": body.get("metadata") or {},
    }


def _joined(kind: str, api_version: str, metadata: dict[str, Any], bodies: Iterable[bytes]) -> bytes:
    """A list whose items are already JSON: nothing is parsed to be written again."""
    head = encode({"kind": kind, "apiVersion": api_version, "metadata": metadata})
    return b'%s,"items":[%s]}' % (head[:-1], b",".join(bodies))
