"""Claims from RabbitMQ over AMQP: what is claimed is moved to a queue of its holder's, see the channel."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import compress
from typing import TypeGuard

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.claims.rabbitmq_channel import (
    ID,
    OURS,
    QUEUE,
    Channel,
    ChannelClosed,
    ClaimLink,
    Kept,
    claimed,
    released,
)
from tidegate.connections.claims.rabbitmq_frames import Content, long_text
from tidegate.connections.claims.writers import Writer
from tidegate.connections.rabbitmq.link import Dialling
from tidegate.connections.rabbitmq.wire import Closed, Encrypted, Strange
from tidegate.core.claims.values import Acknowledge, DeadLetter, GiveBack, Release, Renew, Take
from tidegate.kit.systems.claims import Command, Deliveries, Delivery, Done, Renewals, Result, Source
from tidegate.kit.systems.rabbitmq import AmqpServer
from tidegate.kit.systems.rabbitmq_claims import RabbitmqQueueSource, kept_in

BATCH, BYTES = 200, 8 * 2**20
"""Messages, and bytes of them, after which an answer is full."""

# They come in one variable of a Job's environment.
_LONGEST_ATTRIBUTES = 16 * 1024
# A queue that gives no single messages closes the connection of all holders: it is left alone for so long.
_NOT_IMPLEMENTED, _LEFT_ALONE_S = 540, 600.0
_Trouble = (OSError, TimeoutError, Closed, Encrypted, Strange, struct.error, IndexError)


def connect(server: AmqpServer, surroundings: Surroundings) -> Writer:
    """The writer for `server`; touches no network."""
    return RabbitmqWriter(server, surroundings)


class RabbitmqWriter:
    """One connection, on it a channel for each holder; opened by the first command."""

    def __init__(self, server: AmqpServer, surroundings: Surroundings) -> None:
        self._server = server
        self._surroundings = surroundings
        self._link: ClaimLink | None = None
        self._lock = asyncio.Lock()
        self._streams: dict[str, float] = {}

    async def carry_out(self, commands: Sequence[Command]) -> Sequence[Result | TidegateError]:
        async with self._lock:
            link = await self._usable_link()
            results: list[Result | TidegateError] = []
            for command in commands:
                results.append(await self._result(link, command))
            # An end is answered by nobody: what comes after it tells that it was heard.
            queues = {kept_in(one.holder) for one in commands if _is_ours(one.source)}
            for channel in [one for one in link.channels.values() if one.queue in queues]:
                failure = await self._synced(link, channel) if channel.closed is None else None
                if failure is not None:
                    results = [failure] * len(commands)
            return results

    async def leave(self, holder: str) -> None:
        """Ends the holder's channel: over another connection nobody could read its claims meanwhile."""
        async with self._lock:
            link = self._link
            if link is None or not link.stands:
                return
            try:
                async with asyncio.timeout(self._surroundings.timeout_s):
                    for channel in link.channels.values():
                        if channel.queue == kept_in(holder):
                            await channel.close()
            except (ChannelClosed, *_Trouble):
                await link.close()
            except BaseException:
                await link.close()
                raise

    async def close(self) -> None:
        link, self._link = self._link, None
        if link is None:
            return
        # In the middle of something nobody knows what is claimed.
        if not self._lock.locked() and link.stands:
            with suppress(ChannelClosed, *_Trouble):
                async with asyncio.timeout(self._surroundings.timeout_s):
                    for channel in link.channels.values():
                        await channel.leave()
        await link.close()

    async def _usable_link(self) -> ClaimLink:
        if self._link is not None and self._link.stands:
            return self._link
        await self.close()
        context = None
        if self._server.tls is not None:
            from tidegate.connections.tls import shared_context

            context = await shared_context(self._server.tls, self._surroundings.tls)
        link = ClaimLink(self._server, Dialling(self._surroundings, context))
        await link.open()
        self._link = link
        return link

    async def _result(self, link: ClaimLink, command: Command) -> Result | TidegateError:
        source, attempted = command.source, _attempted(command)
        if not _is_ours(source):
            what = type(source).__name__
            return Unsupported("claim messages", on=link.label, answer=f"from a {what}")
        is_asking = isinstance(command.ask, Take) and command.ask.maximum > 0
        if is_asking and self._streams.get(source.queue, 0.0) > asyncio.get_running_loop().time():
            return _of_a_stream(link.label, attempted)
        try:
            async with asyncio.timeout(self._surroundings.timeout_s):
                channel = await link.channel(kept_in(command.holder))
                return await _carried_out(channel, source, command)
        except ChannelClosed as closed:
            return _refused(link.label, attempted, closed)
        except ValueError as error:
            return Misconfigured(attempted, on=link.label, answer=f"the name of a queue {error}")
        except TidegateError as error:
            return error
        except _Trouble as error:
            await link.close()
            if isinstance(error, Closed) and error.code == _NOT_IMPLEMENTED and is_asking:
                self._streams[source.queue] = asyncio.get_running_loop().time() + _LEFT_ALONE_S
                raise _of_a_stream(link.label, attempted) from error
            raise link.error(error, attempted) from error
        except BaseException:
            await link.close()
            raise

    async def _synced(self, link: ClaimLink, channel: Channel) -> TidegateError | None:
        try:
            async with asyncio.timeout(self._surroundings.timeout_s):
                await channel.sync()
        except ChannelClosed as closed:
            return _refused(link.label, "claim messages", closed)
        except _Trouble as error:
            await link.close()
            raise link.error(error, "claim messages") from error
        except BaseException:
            await link.close()
            raise
        return None


def _of_a_stream(on: str, attempted: str) -> Unsupported:
    return Unsupported(
        attempted,
        on=on,
        answer="the queue cannot be claimed from: it gives no single messages, as a stream does not",
        next_step="name a classic or a quorum queue, or count the stream's messages without claiming them",
    )


def _is_ours(source: Source) -> TypeGuard[RabbitmqQueueSource]:
    return isinstance(source, RabbitmqQueueSource)


async def _carried_out(channel: Channel, source: RabbitmqQueueSource, command: Command) -> Result:
    ask = command.ask
    if isinstance(ask, Take):
        return await _taken(channel, source, command, ask.maximum)
    if isinstance(ask, Renew):
        # Nobody else reads the queue of its claims, however long.
        return Renewals(tuple(id for id in ask.ids if id not in channel.kept))
    if isinstance(ask, GiveBack):
        resting = [id for id, one in channel.kept.items() if one.due_ms]
        for id in (*(id for id in ask.ids if id in channel.kept), *resting):
            if id in channel.kept:
                await _moved(channel, id, channel.kept[id].content.text(QUEUE) or source.queue)
        return Done()
    kept = channel.kept.get(ask.id)
    if kept is None:
        return Done()
    if isinstance(ask, Acknowledge):
        del channel.kept[ask.id]
        channel.end(kept.tag)
    elif isinstance(ask, Release) and kept.finished < ask.finished:
        due_ms = _now_ms() + int(ask.delay_s * 1000)
        await channel.change(ask.id, finished=ask.finished, due_ms=due_ms)
    elif isinstance(ask, DeadLetter):
        if not source.dead_letter:
            await channel.declare(source.own_dead_letter())
        await _moved(channel, ask.id, source.dead_letter or source.own_dead_letter(), is_dead=True)
    return Done()


async def _moved(channel: Channel, id: str, queue: str, *, is_dead: bool = False) -> None:
    """From the claims to another queue, as it was; a dead letter says which message it has been."""
    kept = channel.kept[id]
    content = released(kept.content)
    if is_dead:
        headers = {**content.headers, ID: long_text(id)}
        properties = {name: raw for name, raw in content.properties.items() if name != "expiration"}
        content = Content(properties, headers, content.body)
    await channel.publish(queue, content)
    del channel.kept[id]
    channel.end(kept.tag)


async def _taken(channel: Channel, source: RabbitmqQueueSource, command: Command, maximum: int) -> Deliveries:
    held = [id for id, one in channel.kept.items() if not one.due_ms]
    found = [id for id in held if id not in command.known]
    now_ms = _now_ms()
    due = sorted((one.due_ms, id) for id, one in channel.kept.items() if one.due_ms)
    for due_ms, id in due[: max(0, maximum - len(held))]:
        if due_ms <= now_ms:
            await channel.change(id, finished=channel.kept[id].finished, due_ms=0)
            found.append(id)
    places = maximum - len(held) - sum(not channel.kept[id].due_ms for _, id in due)
    has_more = False
    if places > 0 and len(found) < BATCH:
        moved = await _claimed(channel, source, command.nonce, min(places, BATCH))
        has_more = len(moved) == BATCH < places
        found += moved
    items, size = list[Delivery](), 0
    for id in found:
        if len(items) == BATCH or size >= BYTES:
            break
        items.append(_delivery(id, channel.kept[id]))
        size += len(items[-1].body)
    first = min((one.due_ms for one in channel.kept.values() if one.due_ms), default=None)
    retry_s = max(0, first - now_ms) / 1000 if first is not None else None
    return Deliveries(tuple(items), has_more or len(items) < len(found), retry_s)


async def _claimed(channel: Channel, source: RabbitmqQueueSource, nonce: str, places: int) -> list[str]:
    """Moves messages of the queue to the claims; the identities that they got."""
    got = await channel.got(source.queue, places)
    free = (id for id in (f"{nonce}-{number}" for number in range(1, 2**31)) if id not in channel.kept)
    copies = [claimed(one.content, next(free), source.queue) for one in got]
    fit = [channel.fits(one) for one in copies]
    channel.unfit += fit.count(False)
    got, copies = list(compress(got, fit)), list(compress(copies, fit))
    ids = [one.text(ID) for one in copies]
    failures = await channel.publish_all(channel.queue, copies)
    for one, failure in zip(got, failures, strict=True):
        tag = int.from_bytes(one.fields[:8], "big")
        if failure is None:
            channel.end(tag)
        else:
            channel.requeue(tag)
    moved = [id for id, failure in zip(ids, failures, strict=True) if failure is None]
    await channel.until(lambda: all(id in channel.kept for id in moved))
    if not moved:
        for failure in filter(None, failures):
            raise failure
        if channel.unfit:
            raise _unfit(source, channel.unfit)
    return moved


def _unfit(source: RabbitmqQueueSource, count: int) -> Misconfigured:
    return Misconfigured(
        "claim messages",
        on=source.label(),
        answer=f"{count} of them cannot be moved: their headers fill a frame of the protocol",
        next_step="let senders keep headers short, or read them yourself; what comes after them is claimed",
    )


def _delivery(id: str, kept: Kept) -> Delivery:
    others, room = dict[str, str](), _LONGEST_ATTRIBUTES
    for name, text in kept.content.texts().items():
        if name not in OURS and len(name) + len(text) <= room:
            others[name] = text
            room -= len(name) + len(text)
    return Delivery(id, kept.content.body, kept.finished, tuple(others.items()))


def _now_ms() -> int:
    return int(time.time() * 1000)


_NAMES = {
    "Take": "claim messages",
    "Renew": "keep claims",
    "Acknowledge": "acknowledge a message",
    "Release": "release a message",
    "DeadLetter": "put a message aside",
    "GiveBack": "give messages back",
}


def _attempted(command: Command) -> str:
    return f"{_NAMES[type(command.ask).__name__]} of {command.source.label().partition(' of ')[0]}"


def _refused(on: str, attempted: str, closed: ChannelClosed) -> TidegateError:
    """Why the broker closed the channel; of its words only the kind is told."""
    if closed.code == 404:
        step = "declare it, or correct `queueName` or the virtual host"
        return Misconfigured(attempted, on=on, answer="there is no such queue", next_step=step)
    if closed.code == 403 and "exclusive use" in closed.words:
        step = "it ends with that process, or when the broker misses its heartbeats"
        answer = "another connection still holds these claims"
        return Unreachable(attempted, on=on, answer=answer, next_step=step)
    if closed.code == 403:
        step = (
            "claiming moves messages: let the user configure and read queues whose names begin with "
            "tidegate., read this queue, and write to the exchange amq.default"
        )
        return Denied(attempted, on=on, answer="the user may not", next_step=step)
    if closed.code == 405:
        answer = "it is another connection's own (exclusive)"
        return Denied(attempted, on=on, answer=answer)
    return Malformed(attempted, on=on, answer=f"the broker closed the channel with code {closed.code}")
