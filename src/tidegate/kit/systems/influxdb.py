"""What InfluxDB answers over HTTP: annotated CSV to Flux, rows as JSON to SQL and InfluxQL."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec

from tidegate.base.literals import parse_float
from tidegate.kit.picking.gjson import read_json
from tidegate.kit.picking.pick import Unpicked, text_of
from tidegate.kit.systems.http import HttpLogin, HttpRequest, HttpServer, Url
from tidegate.kit.tls import Tls

DIALECT = {"annotations": ["datatype", "group", "default"], "delimiter": ",", "header": True}

TIMEOUT_S = 20.0
"""Queries over a long range take their time."""

_NUMBERS = ("double", "long", "unsignedLong")
_VALUE = "_value"
_OF_RECORDS = "check bucket, range and filters; where no record means 0, let the query add one"
_OF_QUERY = "check the query"
_OF_KIND = "end the query in a number, such as by `count()`, `sum()` or `float(v: r._value)`"


def flux_request(url: Url, token: str, tls: Tls, organization: str, query: str) -> HttpRequest:
    """A Flux query, by the API of version 2."""
    body = msgspec.json.encode({"query": query, "type": "flux", "dialect": DIALECT})
    return _request(url, tls, "/api/v2/query", _login("Token", token), body, org=organization)


def rows_request(url: Url, token: str, tls: Tls, path: str, called: Mapping[str, str]) -> HttpRequest:
    """SQL or InfluxQL, by the API of version 3; `called` has the database (`db`) and the query (`q`)."""
    body = msgspec.json.encode({**called, "format": "json"})
    return _request(url, tls, path, _login("Bearer", token), body)


def _login(scheme: str, token: str) -> HttpLogin:
    return HttpLogin((("Authorization", f"{scheme} {token}"),)) if token else HttpLogin()


def _request(url: Url, tls: Tls, path: str, login: HttpLogin, body: bytes, **query: str) -> HttpRequest:
    is_encrypted = url.origin.startswith("https:")
    login = login if login.headers else url.login()
    server = HttpServer(url.origin, login, tls if is_encrypted else None, TIMEOUT_S, "InfluxDB")
    return HttpRequest(
        server,
        f"{url.path.rstrip('/')}{path}",
        tuple(query.items()),
        method="POST",
        headers=(("Content-Type", "application/json"),),
        body=body,
        attempted="run the query",
    )


@dataclass(frozen=True, slots=True)
class FluxValue:
    """`_value` of the first record of the first table: a float. Unpicked where there is no record."""

    format: ClassVar[str] = "flux"

    @staticmethod
    def read(body: bytes) -> float:
        return read_flux(text_of(body))

    def of(self, document: float) -> float:
        return document


@dataclass(frozen=True, slots=True)
class LastRow:
    """`column` of the last row: whatever stands there; 0 where there are no rows."""

    format: ClassVar[str] = "rows"

    column: str

    @staticmethod
    def read(body: bytes) -> list[dict[str, Any]]:
        rows = read_json(body)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Unpicked("the answer is no list of rows")
        return rows

    def of(self, document: list[dict[str, Any]]) -> Any:
        if not document:
            return 0
        if self.column not in document[-1]:
            raise Unpicked("the rows have no column of the name in metricKey", "check `metricKey`")
        return document[-1][self.column]


def read_flux(text: str) -> float:
    """The value, out of annotated CSV: annotations, a header, records; lines begin with an empty cell."""
    annotations: dict[str, list[str]] = {}
    header: list[str] = []
    try:
        for row in csv.reader((f"{line}\n" for line in text.split("\n")), strict=True):
            if not any(row):
                header = [] if header else header
            elif row[0].startswith("#"):
                annotations[row[0]] = row
            elif not header:
                header = row
            else:
                return _value(dict(zip(header, row, strict=False)), header, annotations)
    except csv.Error as error:
        raise Unpicked("the answer is not CSV") from error
    if text.strip() and not annotations:
        raise Unpicked("the answer is not annotated CSV")
    raise Unpicked("no results found from query", _OF_RECORDS)


def _value(record: dict[str, str], header: list[str], annotations: dict[str, list[str]]) -> float:
    if _VALUE not in header:
        if "error" in header:
            raise Unpicked("the query failed at the server", _OF_QUERY)
        raise Unpicked("the first table has no column _value", _OF_KIND)
    position = header.index(_VALUE)
    kind = _cell(annotations.get("#datatype", []), position)
    if kind not in _NUMBERS:
        raise Unpicked(f"_value is of type {_shown(kind)} and could not be converted into a float", _OF_KIND)
    text = record.get(_VALUE) or _cell(annotations.get("#default", []), position)
    try:
        return parse_float(text)
    except ValueError as error:
        raise Unpicked(f"_value {error}", _OF_QUERY) from error


def _cell(row: list[str], position: int) -> str:
    return row[position] if position < len(row) else ""


def _shown(kind: str) -> str:
    return kind if kind.isascii() and kind.isalnum() and len(kind) < 20 else "another kind"
