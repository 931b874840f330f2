"""Reads: get, lists with selectors and pages, and what a watch needs. All answers come from memory."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from tidegate.base.selectors import parse_field_selector, parse_selector
from tidegate.kube.resource import ApiError
from tidegate.local.apiserver import field_selectors
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.refusals import bad_request, not_found
from tidegate.local.apiserver.scale import scale_of
from tidegate.local.apiserver.storage.store import Store
from tidegate.local.apiserver.storage.stored_object import Entry, Place, Row, encode
from tidegate.local.apiserver.storage.versions import body_of
from tidegate.local.objects import Object

Entries = list[Entry]
Rows = list[Row]
_EVENTS = "events"


@dataclass(frozen=True, slots=True)
class Query:
    """A list request; selectors as text ("" = everything). `limit` 0 = no pages."""

    namespace: str = ""
    labels: str = ""
    fields: str = ""
    limit: int = 0
    continue_token: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows sorted by namespace/name, and the version from which a watch misses nothing.

    Events are sorted by their last write. Further pages keep the version of the first: what changed
    meanwhile comes with the watch.
    """

    rows: list[Row]
    version: int
    continue_token: str = ""
    remaining: int | None = None


class Reads:
    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, kind: Kind, namespace: str, name: str) -> Row:
        """The row; NotFound (404) as ApiError."""
        row = self._store.get(kind.key, (namespace, name))
        if row is None:
            raise not_found(kind, name)
        return row

    def scale(self, kind: Kind, namespace: str, name: str) -> bytes:
        """The object's autoscaling/v1 Scale."""
        return encode(scale_of(kind, self.get(kind, namespace, name).parse()))

    def list(self, kind: Kind, query: Query) -> Page:
        """400 for a bad selector or token, 410 Expired for a continue token that is too old."""
        matches = self.matcher(kind, query.labels, query.fields)
        version, after = self._store.version, None
        if query.continue_token:
            version, after = _read_token(query.continue_token)
            self._store.check_kept(kind.key, version)
        rows = self._rows(kind, query.namespace, after)
        has_selectors = bool(query.labels or query.fields)
        if has_selectors:
            rows = [row for row in rows if matches(row)]
        if not query.limit or len(rows) <= query.limit:
            return Page(rows, version)
        kept = rows[: query.limit]
        remaining = None if has_selectors else len(rows) - len(kept)
        return Page(kept, version, _token(version, _mark(kind, kept[-1])), remaining)

    def _rows(self, kind: Kind, namespace: str, after: Place | None) -> Rows:
        """Behind `after`. Events come as they happened: clients sort them by seconds, and show those of
        one second as they got them.
        """
        if kind.key != _EVENTS:
            return self._store.rows(kind.key, namespace, after)
        seen = int(after[1]) if after and after[1].isdecimal() else 0
        rows = [row for row in self._store.rows(kind.key, namespace) if row.version > seen]
        return sorted(rows, key=lambda row: row.version)

    def body(self, kind: Kind, row: Row) -> bytes:
        """The row's JSON in the version of `kind` (objects of another stored version are converted)."""
        return body_of(kind, row)

    @property
    def version(self) -> int:
        """The newest committed resourceVersion."""
        return self._store.version

    def since(self, kind: Kind, version: int) -> Entries:
        """Committed writes after `version`, oldest first; 410 Expired as ApiError when not kept."""
        return self._store.since(kind.key, version)

    def listen(self, kind: Kind, on_entries: Callable[[Entries], None]) -> Callable[[], None]:
        """Calls `on_entries` on the loop after each commit, in order; the result ends it."""
        return self._store.listen([kind.key], on_entries)

    def matcher(self, kind: Kind, labels: str, fields: str) -> Callable[[Row], bool]:
        """Whether a row passes both selectors (texts); 400 for a bad one. Parses only for fields."""
        try:
            by_labels, by_fields = parse_selector(labels), parse_field_selector(fields)
        except ValueError as error:
            raise bad_request(str(error)) from error
        field_selectors.check(kind, by_fields)
        is_about_place = all(path in field_selectors.PLACE for path, _, _ in by_fields.terms)

        def matches(row: Row) -> bool:
            if labels and not by_labels.matches(row.labels):
                return False
            if not by_fields.terms:
                return True
            if is_about_place:
                return by_fields.matches(_place_only(row))
            return by_fields.matches(field_selectors.as_selected(kind, row.parse()))

        return matches


def _place_only(row: Row) -> Object:
    return {"metadata": {"name": row.name, "namespace": row.namespace}}


def _mark(kind: Kind, row: Row) -> Place:
    """Where a row stands in the order of its list."""
    return ("", str(row.version)) if kind.key == _EVENTS else row.place


def _token(version: int, place: Place) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((version, *place))).decode()


def _read_token(token: str) -> tuple[int, Place]:
    try:
        version, namespace, name = msgspec.json.decode(
            base64.urlsafe_b64decode(token.encode()), type=tuple[int, str, str]
        )
    except (binascii.Error, msgspec.MsgspecError, UnicodeEncodeError, ValueError) as error:
        raise ApiError(400, "BadRequest", f"continue: {token!r} is not a token of this server") from error
    return version, (namespace, name)
