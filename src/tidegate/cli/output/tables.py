"""Tables as the server makes them: fetching one, and its lines as kubectl prints them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tidegate.base.times import age, parse_time
from tidegate.cli.cluster.resource_arguments import word
from tidegate.cli.output.text_columns import cell, line, widths
from tidegate.kube.client import PAGE, Client
from tidegate.kube.resource import ApiError, Resource

ACCEPT = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

Object = dict[str, Any]


@dataclass(slots=True)
class Table:
    """Rows are `{"cells": [...], "object": {"metadata": ...}}`; `version` is where a watch begins."""

    resource: Resource
    columns: list[Object] = field(default_factory=list)
    rows: list[Object] = field(default_factory=list)
    version: str = ""


@dataclass(frozen=True, slots=True)
class Style:
    """How tables are printed. `has_kind` puts the kind before each name."""

    is_wide: bool = False
    has_namespace: bool = False
    has_kind: bool = False
    has_head: bool = True


async def fetch(
    client: Client, resource: Resource, namespace: str, name: str = "", query: Mapping[str, str] = {}
) -> Table:
    """The table of one object, or of a list, however many pages it has."""
    table = Table(resource)
    asked = dict(query) if name else {**query, "limit": str(PAGE)}
    while True:
        raw = await client.request("GET", resource.path(namespace, name), query=asked, accept=ACCEPT)
        body = msgspec.json.decode(raw)
        part = read(resource, body, client)
        table.columns = table.columns or part.columns
        table.rows += part.rows
        table.version = part.version
        token = (body.get("metadata") or {}).get("continue") if not name else ""
        if not token:
            return table
        asked["continue"] = token


def read(resource: Resource, body: Object, client: Client) -> Table:
    """A reply as a table; name and age where the server has no tables for this kind."""
    metadata = body.get("metadata") or {}
    if body.get("kind") == "Table":
        rows = body.get("rows") or []
        version = metadata.get("resourceVersion") or ""
        if not version and rows:
            version = _metadata(rows[-1]).get("resourceVersion") or ""
        return Table(resource, body.get("columnDefinitions") or [], rows, version)
    items = body["items"] if isinstance(body.get("items"), list) else [body]
    columns = [{"name": "Name", "priority": 0}, {"name": "Age", "priority": 0}]
    rows = [
        {"cells": [item["metadata"]["name"], _age(item["metadata"], client)], "object": item}
        for item in items
    ]
    return Table(resource, columns, rows, metadata.get("resourceVersion") or "")


def _age(metadata: Object, client: Client) -> str:
    try:
        return age((client.clock.now() - parse_time(metadata["creationTimestamp"])).total_seconds())
    except (KeyError, TypeError, ValueError):
        return "<unknown>"


def _metadata(row: Object) -> Object:
    metadata: Object = (row.get("object") or {}).get("metadata") or {}
    return metadata


class Printer:
    """The lines of a table and of the rows that come after it, in the same columns."""

    def __init__(self, resource: Resource, style: Style) -> None:
        self._resource = resource
        self._style = style
        self._shown: list[int] = []
        self._head: list[str] = []
        self._wide: list[int] = []

    def lines(self, table: Table, *, has_head: bool = False) -> list[str]:
        """Lines of these rows; a table without column definitions goes on with those known."""
        if table.columns:
            self._define(table.columns)
        if not self._head:
            raise ApiError(500, "InternalError", f"the table of {self._resource.plural} has no columns")
        rows = [self._row(row) for row in table.rows]
        measured = [*([self._head] if self._style.has_head else []), *rows]
        new = widths(measured)
        self._wide = [max(pair) for pair in zip(self._wide, new, strict=True)] if self._wide else new
        return [line(row, self._wide) for row in ([self._head, *rows] if has_head else rows)]

    def _define(self, columns: list[Object]) -> None:
        style = self._style
        self._shown = [at for at, column in enumerate(columns) if style.is_wide or not column.get("priority")]
        head = [str(columns[at].get("name", "")).upper() for at in self._shown]
        head = ["NAMESPACE", *head] if style.has_namespace and self._resource.is_namespaced else head
        if len(head) != len(self._head):
            self._wide = []
        self._head = head

    def _row(self, row: Object) -> list[str]:
        cells = row.get("cells") or []
        texts = [cell(cells[at]) if at < len(cells) else "" for at in self._shown]
        if self._style.has_kind and texts:
            texts[0] = f"{word(self._resource)}/{texts[0]}"
        if self._style.has_namespace and self._resource.is_namespaced:
            texts.insert(0, cell(_metadata(row).get("namespace")))
        return texts
