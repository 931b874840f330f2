"""The writer for one NATS server: one connection, many requests in flight on it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tidegate.base.errors import TidegateError, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.claims.nats.consumers import (
    Consumer,
    check_now,
    check_once,
    consumer_post,
    read_consumer,
)
from tidegate.connections.claims.nats.dead_letters import put_aside
from tidegate.connections.claims.nats.fetching import BYTES, PIECE, fetch
from tidegate.connections.claims.nats.receipts import Receipt, attributes, read_receipt, sequence_of
from tidegate.connections.nats.jetstream import Missing, all_told
from tidegate.connections.nats.opening import opened
from tidegate.connections.nats.wire import Came, Post, Wire
from tidegate.core.claims.values import Acknowledge, DeadLetter, GiveBack, Release, Renew, Take
from tidegate.kit.systems.claims import Command, Deliveries, Delivery, Done, NotYet, Renewals, Result
from tidegate.kit.systems.nats_claims import NatsConsumerSource
from tidegate.kit.systems.nats_client import NatsServer

BATCH = 200
"""Messages of one command."""

_AT_ONCE = 500
_NS = 10**9
_KEPT = 10_000
_RENEW = "renew a lease"

Settling = Acknowledge | Release | DeadLetter
Known = Consumer | TidegateError


@dataclass(frozen=True, slots=True)
class _About:
    """A command about messages of a consumer that is there."""

    wire: Wire
    command: Command
    source: NatsConsumerSource
    consumer: Consumer

    def receipt(self, id: str) -> Receipt | None:
        """The receipt that is shown of a message, where it is one of this very consumer."""
        found = read_receipt(self.command.receipt(id))
        if found is None or (found.stream, found.consumer) != (self.source.stream, self.source.consumer):
            return None
        return found if found.identity(self.consumer.created) == id else None

    def is_forgotten(self, id: str) -> bool:
        """Whether the server forgot in a crash that it gave the message to us: it is given away again, and
        what is said of the first time is not answered."""
        return sequence_of(id) > self.consumer.delivered

    def is_over(self, id: str) -> bool:
        """Whether the message is done with, and all before it."""
        return 0 < sequence_of(id) <= self.consumer.floor


class NatsWriter:
    """Carries out commands; what it knows of leases is lost with it, and with nothing else.

    `_until` is until when a delivery is surely ours: from when we last asked for it, since nobody tells.
    `_over` are messages that were ended or released since, the latest ones.
    """

    def __init__(self, server: NatsServer, surroundings: Surroundings) -> None:
        self.connections = 0
        self._server = server
        self._surroundings = surroundings
        self._lock = asyncio.Lock()
        self._wire: Wire | None = None
        self._checked: set[tuple[NatsConsumerSource, str, str]] = set()
        self._until: dict[str, float] = {}
        self._over: dict[str, None] = {}

    async def carry_out(self, commands: Sequence[Command]) -> Sequence[Result | TidegateError]:
        before = self._wire if self._wire is not None and self._wire.is_open else None
        try:
            return await self._carried_out(commands)
        except TidegateError:
            if before is None or before.is_open:
                raise
        # A connection that was open before has ended. Every command may be repeated.
        return await self._carried_out(commands)

    async def close(self) -> None:
        """Leases go on."""
        wire, self._wire = self._wire, None
        self._checked.clear()
        if wire is not None:
            await wire.close()

    async def _opened(self) -> Wire:
        async with self._lock:
            if self._wire is None or not self._wire.is_open:
                await self.close()
                self._wire = await opened(self._server, self._surroundings)
                self.connections += 1
            return self._wire

    async def _carried_out(self, commands: Sequence[Command]) -> list[Result | TidegateError]:
        """How Jobs have ended first, then leases, then new claims."""
        wire = await self._opened()
        known = await self._consumers(wire, commands)
        results: dict[int, Result | TidegateError] = {}
        ends: dict[tuple[str, str], list[int]] = {}
        for number, one in enumerate(commands):
            if isinstance(one.ask, Settling):
                ends.setdefault((one.holder, one.ask.id), []).append(number)

        async def end(numbers: list[int]) -> None:
            for number in numbers:
                results[number] = await self._one(wire, commands[number], known)

        await asyncio.gather(*map(end, ends.values()))
        for number, one in enumerate(commands):
            if number not in results:
                results[number] = await self._one(wire, one, known)
        errors = [one for one in results.values() if isinstance(one, TidegateError)]
        if errors and len(errors) == len(commands):
            raise errors[0]
        return [results[number] for number in range(len(commands))]

    async def _consumers(
        self, wire: Wire, commands: Iterable[Command]
    ) -> dict[tuple[str, str], Consumer | TidegateError]:
        """Each consumer as it is now, by stream and name, or why that is not known."""
        sources = {
            (one.source.stream, one.source.consumer): one.source
            for one in commands
            if isinstance(one.source, NatsConsumerSource)
        }
        found: dict[tuple[str, str], Consumer | TidegateError] = {}
        posts = [consumer_post(one) for one in sources.values()]
        told = await all_told(wire, posts, "ask about the consumer")
        for name, one in zip(sources, told, strict=True):
            try:
                found[name] = one if isinstance(one, TidegateError) else read_consumer(one, wire.label)
            except TidegateError as error:
                found[name] = error
        return found

    async def _one(
        self, wire: Wire, command: Command, known: dict[tuple[str, str], Known]
    ) -> Result | TidegateError:
        source = command.source
        if not isinstance(source, NatsConsumerSource):
            what = type(source).__name__
            return Unsupported("claim messages", on=wire.label, answer=f"from a {what}")
        consumer = known[source.stream, source.consumer]
        if isinstance(consumer, Missing):
            return _without_consumer(command, consumer)
        if isinstance(consumer, TidegateError):
            return consumer
        about = _About(wire, command, source, consumer)
        try:
            match command.ask:
                case Take(maximum=0):
                    return await self._resumed(about)
                case Take(maximum=maximum):
                    return await self._taken(about, maximum - len(command.known))
                case Renew(ids=ids):
                    return await self._renewed(about, ids)
                case GiveBack(ids=ids):
                    return await self._given_back(about, ids)
                case Acknowledge(id=id):
                    return await self._acknowledged(about, id)
                case Release(id=id, delay_s=delay_s):
                    return await self._released(about, id, delay_s)
                case DeadLetter(id=id):
                    return await self._put_aside(about, id)
        except TidegateError as error:
            if not wire.is_open:
                raise
            return error

    # --- new claims

    async def _taken(self, about: _About, wanted: int) -> Deliveries:
        wire, consumer = about.wire, about.consumer
        check_now(about.source, consumer, about.command.lease_s, wire.label)
        check = about.source, about.source.dead_letter, consumer.created
        if check not in self._checked:
            await check_once(wire, about.source, consumer)
            self._checked.add(check)
        items: dict[str, Delivery] = {}
        most, size, room = min(wanted, BATCH), 0, consumer.room
        piece = min(PIECE, consumer.batch or PIECE)
        while len(items) < most and size < BYTES:
            count = min(piece, most - len(items))
            until = self._now() + consumer.wait_s
            try:
                came = await fetch(wire, about.source, count, is_tight=room < count)
            except TidegateError:
                if not items:
                    raise
                # What came is ours; the rest is asked for with the next command.
                break
            for one in came:
                receipt = read_receipt(one.reply)
                if receipt is not None:
                    items[receipt.identity(consumer.created)] = self._delivery(about, one, receipt, until)
                    size += len(one.body)
            room -= len(came)
            if len(came) < count:
                return Deliveries(tuple(items.values()))
        return Deliveries(tuple(items.values()), has_more=len(items) < wanted)

    def _delivery(self, about: _About, came: Came, receipt: Receipt, until: float) -> Delivery:
        id = receipt.identity(about.consumer.created)
        self._until[receipt.subject] = until
        self._over.pop(id, None)
        return Delivery(id, came.body, attributes=attributes(came, receipt), receipt=receipt.subject)

    async def _resumed(self, about: _About) -> Deliveries:
        """The server lists nothing that is held: what Jobs show is renewed. It may be somebody else's since;
        nobody tells.
        """
        ids = [id for id, _ in about.command.receipts if not (about.is_over(id) or about.is_forgotten(id))]
        good, late = await self._begun_again(about, [id for id in ids if about.receipt(id) is not None])
        held = tuple((id, about.command.receipt(id)) for id in good)
        return Deliveries(held=held, has_more=bool(late))

    # --- leases

    async def _renewed(self, about: _About, ids: Sequence[str]) -> Renewals:
        lost: list[str] = []
        ours: list[str] = []
        for id in ids:
            receipt = about.receipt(id)
            is_void = about.is_over(id) or about.is_forgotten(id)
            is_lost = receipt is None or is_void or self._is_past(receipt)
            (lost if is_lost else ours).append(id)
        _, late = await self._begun_again(about, ours)
        return Renewals(tuple(lost), tuple(late))

    async def _begun_again(self, about: _About, ids: Sequence[str]) -> tuple[list[str], list[str]]:
        """Begins leases again: those whose consumer has heard of it, and those of which that is not known."""
        good, late = [], []
        for first in range(0, len(ids), _AT_ONCE):
            part = ids[first : first + _AT_ONCE]
            until = self._now() + about.consumer.wait_s
            answers = await about.wire.ask([Post(about.command.receipt(id), b"+WPI") for id in part], _RENEW)
            errors = [one for one in answers if isinstance(one, TidegateError)]
            if errors and len(errors) == len(answers) == len(ids):
                raise errors[0]
            for id, answer in zip(part, answers, strict=True):
                if isinstance(answer, TidegateError) or answer.status:
                    late.append(id)
                    continue
                good.append(id)
                subject = about.command.receipt(id)
                if subject in self._until:
                    self._until[subject] = until
        return good, late

    def _is_sure(self, receipt: Receipt) -> bool:
        """Whether nobody else can have the message."""
        return self._until.get(receipt.subject, -math.inf) > self._now()

    def _is_past(self, receipt: Receipt) -> bool:
        """Whether we know that others could have it by now."""
        return self._until.get(receipt.subject, math.inf) <= self._now()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # --- ends

    async def _acknowledged(self, about: _About, id: str) -> Result | TidegateError:
        """What is done is done, whoever has the message now."""
        receipt = about.receipt(id)
        if about.is_over(id) or (receipt is None and about.command.receipt(id)):
            return Done()
        if receipt is None or about.is_forgotten(id):
            return NotYet()
        return await self._settled(about, id, receipt, b"+ACK", "acknowledge a message") or Done()

    async def _released(self, about: _About, id: str, delay_s: float) -> Result | TidegateError:
        """Where the lease may be over it is left alone: it comes again by itself, or is another's."""
        receipt, done = about.receipt(id), Done(is_uncounted=True)
        if receipt is None or about.is_forgotten(id) or not self._is_sure(receipt):
            return done
        word = b'-NAK {"delay": %d}' % math.ceil(delay_s * _NS) if delay_s > 0 else b"-NAK"
        return await self._settled(about, id, receipt, word, "release a message") or done

    async def _given_back(self, about: _About, ids: Sequence[str]) -> Result:
        for id in ids:
            await self._released(about, id, 0.0)
        return Done()

    async def _put_aside(self, about: _About, id: str) -> Result | TidegateError:
        """Published, then ended: a crash in between leaves two, never none."""
        receipt = about.receipt(id)
        if id in self._over or about.is_over(id):
            return Done()
        if receipt is None:
            return Done(is_elsewhere=True) if about.command.receipt(id) else NotYet()
        if about.is_forgotten(id) or not self._is_sure(receipt):
            return NotYet()
        await self._begun_again(about, [id])
        attempted = "put a message aside"
        if about.source.dead_letter:
            await put_aside(about.wire, about.source, receipt, id, attempted)
        return await self._settled(about, id, receipt, b"+TERM", attempted) or Done()

    async def _settled(
        self, about: _About, id: str, receipt: Receipt, word: bytes, attempted: str
    ) -> TidegateError | None:
        """Says `word` of a delivery; what went wrong, if anything."""
        (answer,) = await about.wire.ask([Post(receipt.subject, word)], attempted)
        if isinstance(answer, TidegateError):
            return answer
        self._until.pop(receipt.subject, None)
        self._over[id] = None
        while len(self._over) > _KEPT:
            del self._over[next(iter(self._over))]
        return None


def _without_consumer(command: Command, missing: TidegateError) -> Result | TidegateError:
    """Where there is no such consumer nothing of it is held, or left to end."""
    match command.ask:
        case Take(maximum=0):
            return Deliveries()
        case Renew(ids=ids):
            return Renewals(tuple(ids))
        case Release():
            return Done(is_uncounted=True)
        case Take():
            return missing
    return Done()
