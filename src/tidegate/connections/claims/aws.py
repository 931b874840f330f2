"""Claims from queues of SQS: ten messages in a call, whatever is done with them.

The lease is the visibility timeout. A receipt is the moment of the receive, the end of the lease and the
receipt handle, which stays the same until the message is received again. Shown a handle that it takes no
more, the service does not say whether the message was deleted, is visible again or somebody else's. Our own
clock does: while the lease goes on nobody else can have received it, so it was deleted. Afterwards nobody
knows, and nothing is hidden, released or put aside by such a handle: it might be taken, and the message
another's.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tidegate.base.errors import Misconfigured, TidegateError, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.claims.sqs.answers import (
    Extras,
    Receipt,
    Redrive,
    Stale,
    delivery_of,
    redrive_of,
)
from tidegate.connections.claims.sqs.memory import Memory
from tidegate.connections.claims.sqs.steps import PAGE, TOTAL_S, Steps
from tidegate.connections.claims.writers import Writer
from tidegate.core.claims.values import Acknowledge, DeadLetter, GiveBack, Release, Renew, Take
from tidegate.core.claims.wishes import DEAD_LETTER
from tidegate.kit.systems.aws import AwsServer
from tidegate.kit.systems.claims import Command, Deliveries, Delivery, Done, NotYet, Renewals, Result
from tidegate.kit.systems.sqs_claims import SqsSource
from tidegate.runtime.clock import Clock, SystemClock

if TYPE_CHECKING:
    from tidegate.connections.aws.calls import Calls

BATCH = 100
"""Messages that one command takes; the next one takes others."""

_RESUMED = 1000
# Whoever received a message in the moment of its lease's end, with an answer that was lost, holds it so long.
_LEASES_MORE = 2
# A call that does not wait is answered by some of the service's machines. One that waits would not say that
# too many messages are in flight, and keep leases waiting.
_LOOKS = 2

Outcome = Result | TidegateError


def connect(server: AwsServer, surroundings: Surroundings) -> Writer:
    """The writer for `server`; touches no network."""
    from tidegate.connections.aws.calls import Calls

    return SqsWriter(server, Calls(server, surroundings), SystemClock())


class SqsWriter:
    """Carries out commands."""

    def __init__(self, server: AwsServer, calls: Calls, clock: Clock) -> None:
        self._server = server
        self._calls = calls
        self._clock = clock
        self._memory = Memory()

    async def carry_out(self, commands: Sequence[Command]) -> Sequence[Outcome]:
        """How Jobs have ended first, then leases, then new claims."""
        steps = Steps(self._calls, self._server, self._clock, self._clock.monotonic() + TOTAL_S)
        results: dict[int, Outcome] = {}
        queues: dict[SqsSource, dict[int, Command]] = {}
        for number, one in enumerate(commands):
            if isinstance(one.source, SqsSource):
                queues.setdefault(one.source, {})[number] = one
            else:
                what = type(one.source).__name__
                results[number] = Unsupported(
                    "claim messages", on=self._server.label(), answer=f"from a {what}"
                )
        for source, some in queues.items():
            results |= await self._carried_out(steps, source, some)
        errors = [one for one in results.values() if isinstance(one, TidegateError)]
        if errors and len(errors) == len(commands):
            raise errors[0]
        return [results[number] for number in range(len(commands))]

    async def close(self) -> None:
        """Leases go on."""
        await self._calls.close()

    async def _carried_out(
        self, steps: Steps, source: SqsSource, commands: dict[int, Command]
    ) -> dict[int, Outcome]:
        def those(kind: type) -> dict[int, Command]:
            return {number: one for number, one in commands.items() if isinstance(one.ask, kind)}

        results = await self._acknowledged(steps, source, those(Acknowledge))
        results |= await self._released(steps, source, those(Release))
        dead: dict[str, dict[int, Command]] = {}
        for number, one in those(DeadLetter).items():
            assert isinstance(one.ask, DeadLetter)
            dead.setdefault(one.ask.id, {})[number] = one

        async def put_aside(some: dict[int, Command]) -> None:
            for number, one in some.items():
                results[number] = await _guarded(self._put_aside, steps, source, one)

        await asyncio.gather(*(put_aside(some) for some in dead.values()))
        ended = {_id(commands[number]) for number, one in results.items() if isinstance(one, Done | NotYet)}
        for number, one in commands.items():
            if isinstance(one.ask, Renew):
                left = replace(one.ask, ids=tuple(id for id in one.ask.ids if id not in ended))
                one = replace(one, ask=left)
                results[number] = await _guarded(self._renewed, steps, source, one)
            elif isinstance(one.ask, GiveBack):
                results[number] = await _guarded(self._given_back, steps, source, one)
            elif isinstance(one.ask, Take):
                carry_out = self._taken if one.ask.maximum else self._resumed
                results[number] = await _guarded(carry_out, steps, source, one)
        return results

    # --- new claims

    async def _taken(self, steps: Steps, source: SqsSource, command: Command) -> Deliveries:
        """Nothing is taken that could not be put aside. Of a FIFO queue one in a call: a page would have
        several of one group, whose order ends where two of them are worked on.
        """
        assert isinstance(command.ask, Take)
        redrive = await self._redrive(steps, source)
        wanted = min(command.ask.maximum - len(command.known), BATCH)
        page_size = 1 if source.is_fifo else PAGE
        # None that came with this command may come again with it.
        until_s = self._clock.monotonic() + min(steps.left_s, command.lease_s / 3)
        items: dict[str, Delivery] = {}
        while len(items) < wanted and (self._clock.monotonic() < until_s or not items):
            try:
                count = min(page_size, wanted - len(items))
                page = await self._received(steps, source, command, count, len(items))
            except TidegateError:
                if not items:
                    raise
                # What came is ours; the rest is asked for with the next command.
                break
            if not page:
                return Deliveries(tuple(items.values()), told=_told(source, redrive))
            items |= {one.id: one for one in page}
        has_more = len(items) < command.ask.maximum - len(command.known)
        return Deliveries(tuple(items.values()), has_more=has_more, told=_told(source, redrive))

    async def _received(
        self, steps: Steps, source: SqsSource, command: Command, count: int, before: int
    ) -> list[Delivery]:
        """Messages; where none came `before`, a look that finds none is not the last."""
        parameters: dict[str, Any] = {
            "QueueUrl": source.queue,
            "MaxNumberOfMessages": count,
            "VisibilityTimeout": math.ceil(command.lease_s),
            "WaitTimeSeconds": 0,
            # The older name is the one that every emulator knows, too.
            "AttributeNames": ["All"],
            "MessageAttributeNames": ["All"],
        }
        holder = (command.holder, source.queue)
        for look in range(_LOOKS if not before else 1):
            now_s = steps.now_s
            name = f"{command.nonce}-{before}-{look}"
            if source.is_fifo:
                name = self._memory.unheard(*holder, now_s) or name
                parameters["ReceiveRequestAttemptId"] = name
            try:
                call, found = await steps.receive(parameters, f"claim messages of {source.name()}")
            except TidegateError:
                if source.is_fifo:
                    self._memory.lost(*holder, name, now_s)
                raise
            receipt = Receipt(now_s, now_s + command.lease_s, "")
            pairs = [delivery_of(one, receipt, call, self._server) for one in found]
            for delivery, extras in pairs:
                self._memory.keep((*holder, delivery.id), extras)
            if pairs:
                break
        return [delivery for delivery, _ in pairs]

    async def _resumed(self, steps: Steps, source: SqsSource, command: Command) -> Deliveries:
        """The service lists nothing that is held: what Jobs show is renewed, and is ours if it can be."""
        ids = [id for id, _ in command.receipts][:_RESUMED]
        found = await self._hidden(steps, source, command, ids)
        late = [
            one for one in found.values() if isinstance(one, TidegateError) and not isinstance(one, Stale)
        ]
        held = tuple((id, str(one)) for id, one in found.items() if isinstance(one, Receipt))
        if late and not held:
            raise late[0]
        return Deliveries(held=held, has_more=bool(late) or len(command.receipts) > _RESUMED)

    # --- leases

    async def _renewed(self, steps: Steps, source: SqsSource, command: Command) -> Renewals:
        assert isinstance(command.ask, Renew)
        found = await self._hidden(steps, source, command, command.ask.ids)
        lost = tuple(id for id, one in found.items() if isinstance(one, Stale))
        late = {id: one for id, one in found.items() if isinstance(one, TidegateError) and id not in lost}
        if late and len(late) == len(found):
            raise next(iter(late.values()))
        good = tuple((id, str(one)) for id, one in found.items() if isinstance(one, Receipt))
        return Renewals(lost, tuple(late), good)

    async def _given_back(self, steps: Steps, source: SqsSource, command: Command) -> Done:
        assert isinstance(command.ask, GiveBack)
        found = await self._hidden(steps, source, command, command.ask.ids, 0.0, "give messages back")
        for one in found.values():
            if isinstance(one, TidegateError) and not isinstance(one, Stale):
                raise one
        return Done()

    async def _hidden(
        self,
        steps: Steps,
        source: SqsSource,
        command: Command,
        ids: Iterable[str],
        seconds: float | None = None,
        attempted: str = "renew leases",
    ) -> dict[str, Receipt | TidegateError]:
        """Makes messages invisible for that long, or another lease: the receipts of those that are. Those
        that are not ours any more are `Stale`.
        """
        now_s = steps.now_s
        over = Stale(attempted, on=self._server.label(), answer="the lease is over")
        found: dict[str, Receipt | TidegateError] = {}
        asked: dict[str, Receipt] = {}
        shown = dict(command.receipts)
        for id in ids:
            receipt = self._memory.receipt(shown.get(id, ""), now_s)
            if receipt is None or not receipt.lasts(now_s, command.lease_s):
                found[id] = over
                continue
            wanted_s = command.lease_s if seconds is None else seconds
            until_s = receipt.longest(now_s, wanted_s)
            if until_s <= receipt.until_s and until_s < now_s + wanted_s:
                # There is no more to be had: it is ours until its twelve hours are over.
                found[id] = receipt
                continue
            if seconds is not None:
                self._memory.shown(receipt.handle, until_s)
            asked[id] = Receipt(receipt.received_s, until_s, receipt.handle)
        wanted = [(one.handle, max(math.ceil(one.until_s - now_s), 0)) for one in asked.values()]
        outcomes = await steps.hide(source.queue, wanted, attempted)
        for (id, receipt), outcome in zip(asked.items(), outcomes, strict=True):
            found[id] = receipt if outcome is None else outcome
        return found

    # --- ends

    async def _acknowledged(
        self, steps: Steps, source: SqsSource, commands: dict[int, Command]
    ) -> dict[int, Outcome]:
        """Deleted also where the lease is over: then it is done, whoever has it, and gone if nobody has."""
        now_s = steps.now_s
        receipts = {
            number: self._memory.receipt(command.receipt(_id(command)), now_s)
            for number, command in commands.items()
        }
        known = {number: one for number, one in receipts.items() if one is not None}
        handles = [one.handle for one in known.values()]
        outcomes = await steps.delete(source.queue, handles, "acknowledge messages")
        results: dict[int, Outcome] = {number: NotYet() for number in receipts if number not in known}
        for (number, receipt), outcome in zip(known.items(), outcomes, strict=True):
            command = commands[number]
            if outcome is not None and not isinstance(outcome, Stale):
                results[number] = outcome
            elif receipt.lasts(now_s, command.lease_s) or (source.is_fifo and outcome is None):
                # A FIFO queue refuses what it does not delete; another one says yes to everything.
                results[number] = Done()
            else:
                results[number] = NotYet() if _may_come(receipt, command, now_s) else Done()
        return results

    async def _released(
        self, steps: Steps, source: SqsSource, commands: dict[int, Command]
    ) -> dict[int, Outcome]:
        """Where the lease is over it was released before, or comes again by itself."""
        now_s = steps.now_s
        results: dict[int, Outcome] = dict.fromkeys(commands, Done(is_uncounted=True))
        asked: dict[int, tuple[str, int]] = {}
        for number, command in commands.items():
            assert isinstance(command.ask, Release)
            receipt = self._memory.receipt(command.receipt(command.ask.id), now_s)
            if receipt is not None and receipt.lasts(now_s, command.lease_s):
                until_s = receipt.longest(now_s, command.ask.delay_s)
                asked[number] = (receipt.handle, max(math.ceil(until_s - now_s), 0))
        outcomes = await steps.hide(source.queue, list(asked.values()), "release messages")
        for (number, (handle, seconds)), outcome in zip(asked.items(), outcomes, strict=True):
            if isinstance(outcome, TidegateError) and not isinstance(outcome, Stale):
                results[number] = outcome
            else:
                self._memory.shown(handle, now_s + seconds)
        return results

    async def _put_aside(self, steps: Steps, source: SqsSource, command: Command) -> Outcome:
        """Held for another lease, sent, deleted: a crash before the end leaves two, never none. What nobody
        has any more of it is received again first.
        """
        id, now_s, attempted = _id(command), steps.now_s, "put a message aside"
        key = (command.holder, source.queue, id)
        if self._memory.sent.get(key):
            return Done()
        receipt = self._memory.receipt(command.receipt(id), now_s)
        if receipt is None:
            return NotYet()
        if not receipt.lasts(now_s, command.lease_s):
            return NotYet() if _may_come(receipt, command, now_s) else Done(is_elsewhere=True)
        extras = self._memory.extras(key)
        is_known = command.body is not None and extras is not None
        seconds = None if is_known else 0.0
        (found,) = (await self._hidden(steps, source, command, [id], seconds, attempted)).values()
        if isinstance(found, Stale):
            return Done()
        if isinstance(found, TidegateError):
            return found
        if command.body is None or extras is None:
            return NotYet()
        if key not in self._memory.sent:
            await self._send(steps, source, command.body, extras, id)
            self._memory.is_sent(key, is_off=False)
        (outcome,) = await steps.delete(source.queue, [found.handle], attempted)
        if outcome is not None and not isinstance(outcome, Stale):
            return outcome
        self._memory.is_sent(key, is_off=True)
        return Done()

    async def _send(self, steps: Steps, source: SqsSource, body: bytes, extras: Extras, id: str) -> None:
        from tidegate.connections.aws.calls import Call

        redrive = await self._redrive(steps, source)
        queue = source.beside(source.dead_letter or redrive.queue)
        parameters = {"QueueUrl": queue, "MessageBody": body.decode()}
        parameters |= extras.parameters(id, is_fifo=queue.endswith(".fifo"))
        await steps.answer(Call.of("SendMessage", parameters, f"put a message aside in {queue}"))

    # --- where dead letters go

    async def _redrive(self, steps: Steps, source: SqsSource) -> Redrive:
        """The queue's redrive policy. Misconfigured where dead letters would have no place."""
        from tidegate.connections.aws.calls import Call

        redrive = self._memory.redrive(source.queue, steps.now_s)
        if redrive is None or not (source.dead_letter or redrive.queue):
            parameters = {"QueueUrl": source.queue, "AttributeNames": ["RedrivePolicy"]}
            call = Call.of("GetQueueAttributes", parameters, f"read the redrive policy of {source.name()}")
            redrive = redrive_of(await steps.answer(call))
            self._memory.read(source.queue, redrive, steps.now_s)
        if source.dead_letter or redrive.queue:
            return redrive
        raise Misconfigured(
            f"claim messages of {source.name()}",
            on=self._server.label(),
            answer="it has no dead-letter queue, and nothing names another place for dead letters",
            next_step=f"give the queue a redrive policy, or let {DEAD_LETTER} name a queue",
        )


async def _guarded(
    carry_out: Callable[[Steps, SqsSource, Command], Awaitable[Outcome]],
    steps: Steps,
    source: SqsSource,
    command: Command,
) -> Outcome:
    try:
        return await carry_out(steps, source, command)
    except TidegateError as error:
        return error


def _may_come(receipt: Receipt, command: Command, now_s: float) -> bool:
    """Whether a message whose lease is over is waited for. One that has not come again for as long was
    deleted, or is worked on elsewhere.
    """
    return now_s <= receipt.until_s + _LEASES_MORE * command.lease_s


def _told(source: SqsSource, redrive: Redrive) -> str:
    """What somebody should know of the queue: the service counts receives, and each claim is one."""
    if not redrive.receives or redrive.receives > source.attempts:
        return ""
    return (
        f"queue {source.name()} takes a message away after {redrive.receives} receives (maxReceiveCount), "
        f"and each claim is one: {source.attempts} attempts may not come about; let it be "
        f"{2 * source.attempts + 10} or more"
    )


def _id(command: Command) -> str:
    ask = command.ask
    return ask.id if isinstance(ask, Acknowledge | Release | DeadLetter) else ""
