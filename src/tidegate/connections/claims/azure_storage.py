"""Claims from queues of Azure Storage: one request for each message, but for up to 32 that are received.

The lease is the visibility timeout, the receipt the pop receipt, which is another one after each renewal. Who
shows an old one is told `PopReceiptMismatch`: the message is there, and somebody has received or renewed it
since. `MessageNotFound`: it was deleted, or its time to live is over.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from tidegate.base.errors import Denied, Misconfigured, TidegateError, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.claims.writers import Writer
from tidegate.core.claims.values import Acknowledge, DeadLetter, GiveBack, Release, Renew, Take
from tidegate.kit.picking.pick import Unpicked
from tidegate.kit.systems.azure_queue_claims import AzureQueueSource
from tidegate.kit.systems.azure_storage import StorageServer
from tidegate.kit.systems.claims import (
    Command,
    Deliveries,
    Delivery,
    Done,
    NotYet,
    Renewals,
    Result,
)
from tidegate.kit.systems.http import HttpRequest

if TYPE_CHECKING:
    from tidegate.connections.azure_storage.pages import QueueMessage
    from tidegate.connections.azure_storage.requests import Requests
    from tidegate.connections.http.answer import Response

    Outcome = Response | TidegateError

PAGE = 32
"""Messages that the service hands out at most in one answer."""

BATCH = 256
"""Messages of one command."""

_LONGEST_S = 7 * 24 * 3600
# Less than what waits for a writer: what came of the rest is told, whatever one request does.
_TOTAL_S = 8.0
# 32 messages of 64 KiB, in the longest way to write them as XML.
_PAGE_BYTES = 9 << 20
_RENEW = "renew a lease"
_MISSING = "MessageNotFound"
# What the service gives. It comes off Jobs, which others may write, and is a part of an address.
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,99}")

Settling = Acknowledge | Release | DeadLetter


def connect(server: StorageServer, surroundings: Surroundings) -> Writer:
    """The writer for `server`; touches no network."""
    from tidegate.connections.azure_storage.requests import Requests

    return QueueWriter(Requests(server, surroundings))


class QueueWriter:
    """Carries out commands, 16 requests at a time.

    The newest receipts are kept here, too: one that came too late to be told is not lost with its answer.
    """

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._newest: dict[tuple[str, str, str], str] = {}

    async def carry_out(self, commands: Sequence[Command]) -> Sequence[Result | TidegateError]:
        """How Jobs have ended first, then leases, then new claims: a renewal gives another receipt."""
        results: dict[int, Result | TidegateError] = {}
        settled: set[str] = set()
        ends: dict[tuple[str, str], list[int]] = {}
        for number, one in enumerate(commands):
            if isinstance(one.ask, Settling):
                ends.setdefault((one.holder, one.ask.id), []).append(number)

        async def end(id: str, numbers: list[int]) -> None:
            for number in numbers:
                results[number] = await self._guarded(commands[number])
                if isinstance(results[number], Done | NotYet):
                    settled.add(id)

        await asyncio.gather(*(end(id, numbers) for (_, id), numbers in ends.items()))
        for number, one in enumerate(commands):
            if number not in results:
                results[number] = await self._guarded(one, settled)
        errors = [one for one in results.values() if isinstance(one, TidegateError)]
        if errors and len(errors) == len(commands):
            raise errors[0]
        return [results[number] for number in range(len(commands))]

    async def close(self) -> None:
        """Leases go on."""
        self._newest.clear()
        await self._requests.client.close()

    async def _guarded(self, command: Command, settled: set[str] | None = None) -> Result | TidegateError:
        source = command.source
        if not isinstance(source, AzureQueueSource):
            what = type(source).__name__
            return Unsupported("claim messages", on=source.server.label(), answer=f"from a {what}")
        try:
            match command.ask:
                case Acknowledge():
                    return await self._acknowledged(command, source)
                case Release():
                    return await self._released(command, source)
                case DeadLetter():
                    return await self._put_aside(command, source)
                case GiveBack(ids=ids):
                    await self._hidden(command, source, ids, 0.0, "give a message back")
                    return Done()
                case Renew(ids=ids):
                    left = [id for id in ids if id not in (settled or ())]
                    return await self._renewed(command, source, left)
                case Take():
                    return await self._taken(command, source)
        except TidegateError as error:
            return _with_role(error)

    # --- new claims

    async def _taken(self, command: Command, source: AzureQueueSource) -> Result | TidegateError:
        assert isinstance(command.ask, Take)
        maximum = command.ask.maximum
        if not maximum:
            return await self._resumed(command, source)
        items: list[Delivery] = []
        wanted = min(maximum - len(command.known), BATCH)
        while len(items) < wanted:
            count = min(PAGE, wanted - len(items))
            try:
                page = await self._received(command, source, count)
            except TidegateError:
                if not items:
                    raise
                # What came is ours; the rest is asked for with the next command.
                break
            items += (self._delivery(command, source, one) for one in page)
            if len(page) < count:
                return Deliveries(tuple(items))
        return Deliveries(tuple(items), has_more=wanted < maximum - len(command.known))

    async def _resumed(self, command: Command, source: AzureQueueSource) -> Deliveries:
        """The service lists nothing that is held: what Jobs show is renewed, and is ours if it can be."""
        ids = [id for id, _ in command.receipts][:BATCH]
        found = await self._hidden(command, source, ids, command.lease_s, _RENEW)
        good = [id for id in ids if not isinstance(found[id], TidegateError)]
        unclear = [found[id] for id in ids if not _is_lost(found[id]) and id not in good]
        if unclear and not good:
            assert isinstance(unclear[0], TidegateError)
            raise unclear[0]
        held = tuple((id, self._newest[_key(command, source, id)]) for id in good)
        return Deliveries(held=held, has_more=bool(unclear) or len(command.receipts) > BATCH)

    async def _received(self, command: Command, source: AzureQueueSource, count: int) -> list[QueueMessage]:
        from tidegate.connections.azure_storage.pages import read_messages

        query = (("numofmessages", str(count)), ("visibilitytimeout", _seconds(command.lease_s, 1)))
        request = self._requests.get(
            f"/{source.queue}/messages",
            query,
            f"claim messages of queue {source.queue}",
            limit_bytes=_PAGE_BYTES,
        )
        response = await self._good(request)
        try:
            return read_messages(response.body, count)
        except Unpicked as error:
            raise self._requests.strange(request, str(error)) from None

    def _delivery(self, command: Command, source: AzureQueueSource, one: QueueMessage) -> Delivery:
        self._newest[_key(command, source, one.id)] = one.receipt
        attributes = tuple(sorted(one.properties.items()))
        return Delivery(one.id, one.text.encode(), attributes=attributes, receipt=one.receipt)

    # --- leases

    async def _renewed(
        self, command: Command, source: AzureQueueSource, ids: Sequence[str]
    ) -> Renewals | TidegateError:
        found = await self._hidden(command, source, ids, command.lease_s, _RENEW)
        lost = tuple(id for id in ids if _is_lost(found[id]))
        late = tuple(id for id in ids if isinstance(found[id], TidegateError) and id not in lost)
        if late and len(late) == len(ids):
            error = found[late[0]]
            assert isinstance(error, TidegateError)
            return _with_role(error)
        for id in lost:
            self._newest.pop(_key(command, source, id), None)
        receipts = (
            (id, self._newest[_key(command, source, id)]) for id in ids if id not in lost and id not in late
        )
        return Renewals(lost, late, tuple(receipts))

    async def _hidden(
        self,
        command: Command,
        source: AzureQueueSource,
        ids: Iterable[str],
        seconds: float,
        attempted: str,
    ) -> dict[str, Outcome]:
        """Makes messages invisible for that long, with another receipt each. What takes too long is an error
        of its own.
        """
        from tidegate.connections.http.failures import Late

        requests: dict[str, HttpRequest] = {}
        for id in ids:
            query = (("visibilitytimeout", _seconds(seconds, 0)),)
            requests[id] = self._of_message("PUT", command, source, id, query, attempted)
        on = self._requests.server.label()
        found: dict[str, Outcome] = {
            id: Misconfigured(attempted, on=on, answer=_MISSING) for id in ids if not _ID.fullmatch(id)
        }
        requests = {id: one for id, one in requests.items() if id not in found}

        async def hide(id: str, request: HttpRequest) -> None:
            found[id] = outcome = await self._outcome(request)
            if isinstance(outcome, TidegateError):
                return
            receipt = outcome.headers.get("x-ms-popreceipt", "")
            if receipt:
                self._newest[_key(command, source, id)] = receipt
            else:
                found[id] = self._requests.strange(request, "the answer has no x-ms-popreceipt")

        tasks = [asyncio.create_task(hide(*one)) for one in requests.items()]
        if tasks:
            try:
                _, late = await asyncio.wait(tasks, timeout=_TOTAL_S)
            finally:
                for task in tasks:
                    task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for id, request in requests.items():
            if id not in found:
                answer = f"no answer within {_TOTAL_S:g} s"
                found[id] = Late(request.title(), on=on, answer=answer)
        return found

    # --- ends

    async def _acknowledged(self, command: Command, source: AzureQueueSource) -> Result | TidegateError:
        assert isinstance(command.ask, Acknowledge)
        return await self._deleted(command, source, command.ask.id, "acknowledge a message")

    async def _released(self, command: Command, source: AzureQueueSource) -> Result | TidegateError:
        """Where the receipt is old the message was released before, or comes again by itself."""
        assert isinstance(command.ask, Release)
        id, attempted = command.ask.id, "release a message"
        found = (await self._hidden(command, source, [id], command.ask.delay_s, attempted))[id]
        if isinstance(found, TidegateError) and not _is_lost(found):
            return _with_role(found)
        self._newest.pop(_key(command, source, id), None)
        return Done(is_uncounted=True)

    async def _put_aside(self, command: Command, source: AzureQueueSource) -> Result | TidegateError:
        """Put, then deleted: a crash in between leaves two, never none. Whose body nobody has any more is
        received again first.
        """
        assert isinstance(command.ask, DeadLetter)
        id, attempted = command.ask.id, "put a message aside"
        rest_s = command.lease_s if command.body is not None else 0.0
        found = (await self._hidden(command, source, [id], rest_s, attempted))[id]
        if _is_missing(found):
            return Done()
        if _is_lost(found):
            return NotYet()
        if isinstance(found, TidegateError):
            return _with_role(found)
        if command.body is None:
            self._newest.pop(_key(command, source, id), None)
            return NotYet()
        await self._put(source.poison(), command.body, attempted)
        return await self._deleted(command, source, id, attempted)

    async def _deleted(
        self, command: Command, source: AzureQueueSource, id: str, attempted: str
    ) -> Result | TidegateError:
        if not _ID.fullmatch(id):
            return Done()
        request = self._of_message("DELETE", command, source, id, (), attempted)
        found = await self._outcome(request)
        if isinstance(found, TidegateError) and not _is_lost(found):
            return _with_role(found)
        self._newest.pop(_key(command, source, id), None)
        return NotYet() if _is_lost(found) and not _is_missing(found) else Done()

    async def _put(self, queue: str, body: bytes, attempted: str) -> None:
        """Into a queue that is made where there is none; there for ever."""
        from tidegate.connections.azure_storage.requests import Missing

        text = f"<QueueMessage><MessageText>{_escaped(body)}</MessageText></QueueMessage>"
        put = self._requests.request(
            "POST",
            f"/{queue}/messages",
            (("messagettl", "-1"),),
            f"{attempted} in queue {queue}",
            body=text.encode(),
        )
        found = await self._outcome(put)
        if isinstance(found, Missing):
            await self._good(self._requests.request("PUT", f"/{queue}", (), f"make the queue {queue}"))
            found = await self._outcome(put)
        if isinstance(found, TidegateError):
            raise found

    # --- requests

    def _of_message(
        self,
        method: str,
        command: Command,
        source: AzureQueueSource,
        id: str,
        query: Iterable[tuple[str, str]],
        attempted: str,
    ) -> HttpRequest:
        receipt = self._newest.get(_key(command, source, id)) or command.receipt(id)
        path = f"/{source.queue}/messages/{id}"
        return self._requests.request(
            method, path, (("popreceipt", receipt), *query), f"{attempted} of queue {source.queue}"
        )

    async def _good(self, request: HttpRequest) -> Response:
        outcome = await self._outcome(request)
        if isinstance(outcome, TidegateError):
            raise outcome
        return outcome

    async def _outcome(self, request: HttpRequest) -> Outcome:
        try:
            outcomes: Mapping[HttpRequest, Outcome] = await self._requests.send([request])
        except TidegateError as error:
            return error
        return outcomes[request]


def _key(command: Command, source: AzureQueueSource, id: str) -> tuple[str, str, str]:
    return (command.holder, source.queue, id)


def _seconds(seconds: float, least: int) -> str:
    return str(min(max(math.ceil(seconds), least), _LONGEST_S))


def _escaped(body: bytes) -> str:
    # Whoever reads XML takes a bare carriage return for a line's end.
    return escape(body.decode(), {"\r": "&#13;"})


def _is_missing(found: Outcome) -> bool:
    """Whether there is no such message any more."""
    return isinstance(found, TidegateError) and found.answer == _MISSING


def _is_lost(found: Outcome) -> bool:
    """Whether the message is not ours any more: deleted, or received by somebody since."""
    return _is_missing(found) or (isinstance(found, TidegateError) and found.answer == "PopReceiptMismatch")


def _with_role(error: TidegateError) -> TidegateError:
    """What claiming needs beyond reading."""
    if not isinstance(error, Denied):
        return error
    step = (
        "claiming writes: give the identity the role Storage Queue Data Contributor, or the signature the "
        "permissions read, add, update and process, or use the account's key"
    )
    return type(error)(error.attempted, on=error.on, answer=error.answer, next_step=step)
