"""What blobs hold: their container is listed, and only what has changed since is read again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tidegate.base.errors import TidegateError
from tidegate.connections.azure_storage.blobs import Listings, Wanted
from tidegate.connections.azure_storage.pages import Blob
from tidegate.connections.azure_storage.requests import Missing, Requests
from tidegate.kit.systems.azure_storage import BlobTexts

LIMIT_BYTES = 64 << 10
"""What is kept in blobs that we read is small: a few fields of JSON."""

_MOST = 20_000


class Finding:
    """Notes the ETags of the blobs of one question."""

    def __init__(self, question: BlobTexts) -> None:
        prefix = _beginning(question.names)
        is_level = not any("/" in name[len(prefix) :] for name in question.names)
        self.wanted = Wanted(question.container, prefix, "/" if is_level else "")
        self._names = frozenset(question.names)
        self._found: dict[str, str] = {}

    def take(self, blobs: Iterable[Blob]) -> None:
        self._found |= {one.name: one.etag for one in blobs if one.name in self._names}

    def result(self) -> dict[str, str]:
        return self._found


class Texts:
    """Reads blobs, and remembers them by their ETags."""

    def __init__(self, requests: Requests, listings: Listings) -> None:
        self._requests = requests
        self._listings = listings
        self._kept: dict[tuple[str, str], tuple[str, bytes]] = {}

    async def read(self, questions: Sequence[BlobTexts]) -> dict[BlobTexts, Any]:
        """The blobs of each question, or its error."""
        finders = [Finding(one) for one in questions]
        etags = dict(zip(questions, await self._listings.run(finders), strict=True))
        wanted = {
            (one.container, name): etag
            for one, found in etags.items()
            if isinstance(found, dict)
            for name, etag in found.items()
        }
        errors = await self._refresh(wanted)
        return {one: self._of(one, etags[one], errors) for one in questions}

    async def _refresh(self, wanted: dict[tuple[str, str], str]) -> dict[tuple[str, str], TidegateError]:
        """Reads what has another ETag than what is kept, and what has none."""
        if len(self._kept) > _MOST:
            self._kept.clear()
        changed = {
            self._requests.get(f"/{key[0]}/{key[1]}", (), f"read blob {key[1]}", limit_bytes=LIMIT_BYTES): key
            for key, etag in wanted.items()
            if not etag or self._kept.get(key, ("", b""))[0] != etag
        }
        errors: dict[tuple[str, str], TidegateError] = {}
        for request, outcome in (await self._requests.send(changed)).items():
            key = changed[request]
            self._kept.pop(key, None)
            if isinstance(outcome, TidegateError):
                errors[key] = outcome
            else:
                # What was read may be newer than what was listed; the next listing tells.
                self._kept[key] = (outcome.headers.get("ETag", "").strip('"'), outcome.body)
        return errors

    def _of(
        self, question: BlobTexts, found: Any, errors: dict[tuple[str, str], TidegateError]
    ) -> dict[str, bytes] | TidegateError:
        if isinstance(found, TidegateError):
            return {} if isinstance(found, Missing) else found
        texts: dict[str, bytes] = {}
        for name in found:
            error = errors.get((question.container, name))
            if error is None:
                texts[name] = self._kept[question.container, name][1]
            elif not isinstance(error, Missing):
                return error
        return texts


def _beginning(names: Sequence[str]) -> str:
    """What all of them begin with."""
    first, last = min(names, default=""), max(names, default="")
    same = 0
    while same < min(len(first), len(last)) and first[same] == last[same]:
        same += 1
    return first[:same]
