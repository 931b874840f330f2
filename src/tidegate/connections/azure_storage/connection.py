"""The adapter for one service of a storage account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tidegate.base.errors import Denied, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.azure_storage.blobs import LISTING_S, Counting, Describing, Listings, Taker
from tidegate.connections.azure_storage.queues import lengths
from tidegate.connections.azure_storage.requests import Missing, Requests
from tidegate.connections.azure_storage.texts import Texts
from tidegate.connections.http.connection import LARGE_BYTES
from tidegate.kit.question import Question
from tidegate.kit.systems.azure_storage import (
    BlobCount,
    BlobMetadata,
    BlobTexts,
    QueueMessages,
    StorageServer,
)

_GRACE_S = 1.0


class StorageConnection:
    """Answers the questions of one service: equal ones once, 16 requests at a time."""

    batch = 1_000  # all triggers of a phase: whoever lists wholly serves each other one
    wake_gap_s = 5.0  # each request is billed

    def __init__(self, server: StorageServer, surroundings: Surroundings) -> None:
        self._requests = Requests(server, surroundings)
        self.client = self._requests.client
        self.listings = Listings(self._requests, self._read)
        self._texts = Texts(self._requests, self.listings)
        self._readers: ThreadPoolExecutor | None = None
        waves = 2 * -(-self.batch // self.client.concurrency)
        self.patience_s = waves * self.client.timeout_s + LISTING_S + _GRACE_S

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        """One answer per question, in order."""
        different = list(dict.fromkeys(questions))
        queues = [one for one in different if isinstance(one, QueueMessages)]
        texts = [one for one in different if isinstance(one, BlobTexts)]
        found: dict[Any, Any] = {}
        if queues:
            found |= await lengths(self._requests, self._read, queues)
        found |= await self._listed(different)
        if texts:
            found |= await self._texts.read(texts)
        answers = [found[one] if one in found else _unknown(one) for one in questions]
        if answers and all(isinstance(answer, Denied) for answer in answers):
            # The key is refused, not a queue: the service rests until somebody changes it.
            raise answers[0]
        return answers

    async def _listed(self, questions: Sequence[Question]) -> dict[Question, Any]:
        """What a listing alone answers."""
        takers: dict[Question, Taker] = {}
        for one in questions:
            if isinstance(one, BlobCount):
                takers[one] = Counting(one)
            elif isinstance(one, BlobMetadata):
                takers[one] = Describing(one)
        if not takers:
            return {}
        found = dict(zip(takers, await self.listings.run(list(takers.values())), strict=True))
        for one, answer in found.items():
            if isinstance(one, BlobMetadata) and isinstance(answer, Missing):
                found[one] = {}
        return found

    async def close(self) -> None:
        readers, self._readers = self._readers, None
        if readers is not None:
            readers.shutdown(wait=False, cancel_futures=True)
        await self.client.close()

    async def _read(self, reader: Callable[[bytes], Any], body: bytes) -> Any:
        """What `reader` makes of a body; a large one is read in a thread of this account's own."""
        if len(body) <= LARGE_BYTES:
            return reader(body)
        if self._readers is None:
            self._readers = ThreadPoolExecutor(1, thread_name_prefix="large-answers")
        return await asyncio.get_running_loop().run_in_executor(self._readers, reader, body)


def _unknown(question: Question) -> Unsupported:
    return Unsupported(f"answer {type(question).__name__}", on=question.server.label())
