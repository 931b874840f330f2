"""Listings of containers: whoever looks into a part of what is listed anyway is answered from there.

questions → listings (a flat one serves what lies below its prefix) → pages, one after the other,
of all listings side by side → each question takes what is its own
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tidegate.base.errors import Misconfigured, TidegateError
from tidegate.connections.azure_storage.pages import Blob, Page, read_blobs
from tidegate.connections.azure_storage.queues import Read
from tidegate.connections.azure_storage.requests import Requests
from tidegate.connections.http.answer import Response
from tidegate.kit.picking.patterns import pattern
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.systems.azure_storage import BlobCount, BlobMetadata
from tidegate.kit.systems.http import HttpRequest

LISTING_S = 60.0
"""How long one listing may take, all of its pages together."""

# 5,000 blobs with long names.
_PAGE_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """One listing."""

    container: str
    prefix: str
    delimiter: str = ""
    has_metadata: bool = False

    def served_by(self) -> Iterator[Wanted]:
        """The listings that bring all that this one does, the widest first: flat ones of a shorter prefix."""
        for length in range(len(self.prefix) + 1):
            prefix = self.prefix[:length]
            yield Wanted(self.container, prefix, has_metadata=True)
            if not self.has_metadata:
                yield Wanted(self.container, prefix)


class Taker(Protocol):
    """Takes what is its own from the pages of a listing."""

    @property
    def wanted(self) -> Wanted: ...

    def take(self, blobs: Iterable[Blob]) -> None: ...

    def result(self) -> Any: ...


class Counting:
    """Counts the blobs of one question, whatever else the listing brings."""

    def __init__(self, question: BlobCount) -> None:
        self.wanted = Wanted(question.container, question.prefix, question.delimiter)
        self._pattern = pattern(question.pattern) if question.pattern else None
        self._count = 0

    def take(self, blobs: Iterable[Blob]) -> None:
        prefix, delimiter = self.wanted.prefix, self.wanted.delimiter
        for blob in blobs:
            name = blob.name
            if not name.startswith(prefix) or (delimiter and delimiter in name[len(prefix) :]):
                continue
            self._count += self._pattern is None or self._pattern.is_all_of(name)

    def result(self) -> int:
        return self._count


class Describing:
    """Keeps the metadata of blobs."""

    def __init__(self, question: BlobMetadata) -> None:
        self.wanted = Wanted(question.container, question.prefix, has_metadata=True)
        self._found: dict[str, dict[str, str]] = {}

    def take(self, blobs: Iterable[Blob]) -> None:
        self._found |= {one.name: one.metadata for one in blobs if one.name.startswith(self.wanted.prefix)}

    def result(self) -> dict[str, dict[str, str]]:
        return self._found


@dataclass(slots=True)
class _Under:
    """A listing on its way. `error` ends it."""

    wanted: Wanted
    takers: list[Taker]
    marker: str = ""
    pages: int = 0
    error: TidegateError | None = None
    seen: set[str] = field(default_factory=set)


class Listings:
    """Lists containers, page by page."""

    def __init__(self, requests: Requests, read: Read, listing_s: float = LISTING_S) -> None:
        self.listing_s = listing_s
        self._requests = requests
        self._read = read
        self._endless: set[Wanted] = set()

    async def run(self, takers: Sequence[Taker]) -> list[Any]:
        """The result of each taker, or its error. Raises where the service cannot be asked at all."""
        listings = [_Under(wanted, some) for wanted, some in self._shared(takers).items()]
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.listing_s
        left, is_first = listings, True
        while left:
            await self._turn(left, is_first)
            is_first = False
            left = [one for one in left if one.error is None and one.marker]
            if loop.time() >= deadline:
                for one in left:
                    one.error = self._too_long(one)
                break
        errors = {id(taker): one.error for one in listings for taker in one.takers}
        return [errors[id(taker)] or taker.result() for taker in takers]

    def _shared(self, takers: Sequence[Taker]) -> dict[Wanted, list[Taker]]:
        """The listings to make, each with those whom it serves."""
        kinds = sorted(
            {taker.wanted for taker in takers},
            key=lambda one: (one.delimiter, len(one.prefix), not one.has_metadata),
        )
        made: dict[Wanted, list[Taker]] = {}
        by: dict[Wanted, Wanted] = {}
        for kind in kinds:
            serving = (one for one in kind.served_by() if one in made and one not in self._endless)
            by[kind] = next(serving, kind)
            made.setdefault(by[kind], [])
        for taker in takers:
            made[by[taker.wanted]].append(taker)
        return made

    async def _turn(self, listings: Sequence[_Under], is_first: bool) -> None:
        """The next page of each."""
        requests = {self._request(one): one for one in listings}
        try:
            outcomes = await self._requests.send(requests)
        except TidegateError as error:
            if is_first:
                raise
            outcomes = dict.fromkeys(requests, error)
        for request, one in requests.items():
            await self._taken(one, request, outcomes[request])

    async def _taken(self, one: _Under, request: HttpRequest, outcome: Response | TidegateError) -> None:
        if isinstance(outcome, TidegateError):
            one.error = outcome
            return

        def taken(body: bytes) -> Page:
            page = read_blobs(body)
            for taker in one.takers:
                taker.take(page.blobs)
            return page

        try:
            page = await self._read(taken, outcome.body)
        except Unpicked as error:
            one.error = self._requests.strange(request, str(error))
            return
        one.pages += 1
        one.marker = page.marker
        if page.marker in one.seen:
            one.error = self._requests.strange(request, "its pages lead back to one that was read")
        one.seen.add(page.marker)

    def _request(self, one: _Under) -> HttpRequest:
        wanted = one.wanted
        query = [("restype", "container"), ("comp", "list")]
        query += [("prefix", wanted.prefix)] if wanted.prefix else []
        query += [("delimiter", wanted.delimiter)] if wanted.delimiter else []
        query += [("include", "metadata")] if wanted.has_metadata else []
        query += [("marker", one.marker)] if one.marker else []
        attempted = f"list the blobs of container {wanted.container}"
        return self._requests.get(f"/{wanted.container}", query, attempted, limit_bytes=_PAGE_BYTES)

    def _too_long(self, one: _Under) -> Misconfigured:
        self._endless.add(one.wanted)
        return Misconfigured(
            f"list the blobs of container {one.wanted.container}",
            on=self._requests.server.label(),
            answer=f"after {self.listing_s:g} s and {one.pages} pages there were more",
            next_step="count a narrower prefix, or move away what is done",
        )
