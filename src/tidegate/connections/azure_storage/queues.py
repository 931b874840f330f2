"""Queues: one request for each. No call of the service tells the lengths of several."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tidegate.base.errors import TidegateError
from tidegate.connections.azure_storage.pages import count_messages
from tidegate.connections.azure_storage.requests import Requests
from tidegate.connections.http.answer import Response
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.systems.azure_storage import QueueMessages
from tidegate.kit.systems.http import HttpRequest

PEEKED = 32
"""Messages that the service shows at most."""

COUNT_HEADER = "x-ms-approximate-messages-count"

# 32 messages of 64 KiB, in the longest way to write them as XML.
_PEEK_BYTES = 9 << 20

Read = Callable[[Callable[[bytes], Any], bytes], Awaitable[Any]]
"""Calls a reader with a body, in a thread where it is large."""


async def lengths(
    requests: Requests, read: Read, questions: Sequence[QueueMessages]
) -> dict[QueueMessages, Any]:
    """The number of messages for each question, or its error."""
    peeks = {one: _peek(requests, one) for one in questions if one.is_visible_only}
    totals = {one: _total(requests, one) for one in questions if not one.is_visible_only}
    outcomes = await requests.send([*peeks.values(), *totals.values()])
    found: dict[QueueMessages, Any] = {
        one: _read_total(requests, request, outcomes[request]) for one, request in totals.items()
    }
    for one, request in peeks.items():
        found[one] = await _read_peek(requests, read, request, outcomes[request])
    many = {one: _total(requests, one) for one in peeks if found[one] == PEEKED}
    outcomes |= await requests.send([one for one in many.values() if one not in outcomes])
    return found | {one: _read_total(requests, request, outcomes[request]) for one, request in many.items()}


def _total(requests: Requests, question: QueueMessages) -> HttpRequest:
    return requests.get(
        f"/{question.queue}", [("comp", "metadata")], f"count the messages of queue {question.queue}"
    )


def _peek(requests: Requests, question: QueueMessages) -> HttpRequest:
    return requests.get(
        f"/{question.queue}/messages",
        [("peekonly", "true"), ("numofmessages", str(PEEKED))],
        f"count the messages of queue {question.queue}",
        limit_bytes=_PEEK_BYTES,
    )


def _read_total(requests: Requests, request: HttpRequest, outcome: Response | TidegateError) -> Any:
    if isinstance(outcome, TidegateError):
        return outcome
    text = outcome.headers.get(COUNT_HEADER, "")
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        return requests.strange(request, f"the answer has no {COUNT_HEADER}" if not text else "no number")
    return int(text)


async def _read_peek(
    requests: Requests, read: Read, request: HttpRequest, outcome: Response | TidegateError
) -> Any:
    if isinstance(outcome, TidegateError):
        return outcome
    try:
        return await read(count_messages, outcome.body)
    except Unpicked as error:
        return requests.strange(request, str(error))
