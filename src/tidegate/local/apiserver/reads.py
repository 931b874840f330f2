"""Reads: get, lists with selectors and pages, and what a watch needs. All answers come from memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from tidegate.local.apiserver.kinds import Kind
from tidegate.local.objects import Object


class Row(msgspec.Struct, frozen=True, gc=False):
    """A stored object: its JSON and what is looked up without parsing it. Never a shared dict."""

    namespace: str
    name: str
    version: int
    uid: str
    body: bytes
    labels: dict[str, str]
    owners: tuple[str, ...] = ()
    is_deleting: bool = False

    def parse(self) -> Object:
        """A fresh dictionary, the caller's own."""
        raise NotImplementedError


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One committed write in the watch log. For DELETED, `row` is the last state with the new version."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    version: int
    row: Row
    previous: Row | None = None


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
    """Rows sorted by namespace/name, and the store's version at that moment."""

    rows: list[Row]
    version: int
    continue_token: str = ""
    remaining: int | None = None


class Reads:
    def get(self, kind: Kind, namespace: str, name: str) -> Row:
        """The row; NotFound (404) as ApiError."""
        raise NotImplementedError

    def list(self, kind: Kind, query: Query) -> Page:
        """400 for a bad selector, 410 Expired for a continue token that is too old."""
        raise NotImplementedError

    def body(self, kind: Kind, row: Row) -> bytes:
        """The row's JSON in the version of `kind` (objects of another stored version are converted)."""
        raise NotImplementedError

    @property
    def version(self) -> int:
        """The newest committed resourceVersion."""
        raise NotImplementedError

    def since(self, kind: Kind, version: int) -> list[Entry]:
        """Committed writes after `version`, oldest first; 410 Expired as ApiError when not kept."""
        raise NotImplementedError

    def listen(self, kind: Kind, on_entries: Callable[[list[Entry]], None]) -> Callable[[], None]:
        """Calls `on_entries` on the loop after each commit, in order; the result ends it."""
        raise NotImplementedError

    def matcher(self, labels: str, fields: str) -> Callable[[Row], bool]:
        """Whether a row passes both selectors (texts); 400 for a bad one. Parses only for fields."""
        raise NotImplementedError
