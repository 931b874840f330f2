"""Cloud Storage: objects counted by listing, a page after the other until enough are found.

Source: Google, Cloud Storage JSON API, `objects.list`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from tidegate.base.errors import TidegateError
from tidegate.connections.gcp.calls import Call, Calls
from tidegate.connections.gcp.points import list_of
from tidegate.kit.systems.gcp_storage import ObjectCount

PAGE = 1000
EMPTY_PAGES = 50
"""So many pages may be listed beyond those that the limit needs: empty objects do not count."""

Value = int | TidegateError


@dataclass(slots=True)
class _Listing:
    """One listing, which answers all that differ in their limits alone; `limit` is the largest."""

    limit: int
    call: Call
    count: int = 0
    pages: int = 0
    error: TidegateError | None = field(default=None)


class Storage:
    """Counts objects."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def values(self, questions: Sequence[ObjectCount]) -> dict[ObjectCount, Value]:
        """The count of each; raises what `Calls.send` raises."""
        listings: dict[ObjectCount, _Listing] = {}
        for question in questions:
            listing = listings.setdefault(_key(question), _Listing(0, _call(question)))
            listing.limit = max(listing.limit, question.limit)
        under_way = list(listings.values())
        while under_way:
            answers = await self._calls.send([listing.call for listing in under_way])
            under_way = [one for one in under_way if self._goes_on(one, answers[one.call])]
        return {question: _value(question, listings[_key(question)]) for question in questions}

    def _goes_on(self, listing: _Listing, answer: Any) -> bool:
        """Takes a page; whether the next one is wanted."""
        if isinstance(answer, TidegateError):
            listing.error = answer
            return False
        attempted = listing.call.attempted
        try:
            if answer.get("kind") != "storage#objects" and "items" not in answer:
                raise ValueError("no list of objects")
            listing.count += sum(int(one["size"]) > 0 for one in list_of(answer, "items"))
        except (AttributeError, KeyError, TypeError, ValueError):
            listing.error = self._calls.strange(attempted, "its list is of another shape")
            return False
        listing.pages += 1
        token = answer.get("nextPageToken")
        if not token or listing.count >= listing.limit:
            return False
        if listing.pages >= EMPTY_PAGES + -(-listing.limit // PAGE):
            told = f"its first {listing.pages} pages hold only {listing.count} objects that are not empty"
            listing.error = self._calls.strange(attempted, told)
            return False
        listing.call = listing.call.with_query("pageToken", str(token))
        return True


def _key(question: ObjectCount) -> ObjectCount:
    return replace(question, limit=0)


def _value(question: ObjectCount, listing: _Listing) -> Value:
    if listing.error is not None and listing.count < question.limit:
        return listing.error
    return min(listing.count, question.limit)


def _call(question: ObjectCount) -> Call:
    query = [("fields", "kind,items(size),nextPageToken"), ("maxResults", str(PAGE))]
    if question.prefix:
        query.append(("prefix", question.prefix))
    if question.delimiter:
        query.append(("delimiter", question.delimiter))
    path = f"/storage/v1/b/{quote(question.bucket, safe='')}/o"
    return Call(path, tuple(query), attempted=f"list bucket {question.bucket}")
