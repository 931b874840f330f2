"""News of exchanges: a queue of our own, bound as the workers' queue is, says that a message went that way.

    publisher ──► exchange ──► jobs          the workers' queue: nothing of it is taken
                     └───────► amq.gen-…     ours, for one message at most ──► deliver ──► tell, and in a
                                             second acknowledge: then the newest that came meanwhile, if any

A queue is exclusive: it goes with its channel, and its messages are not kept on disk. Each has a channel of
its own, since a broker refuses by closing one. All of a virtual host share a connection. What a message holds
is dropped as it comes.
"""

from __future__ import annotations

import asyncio
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable, Unsupported
from tidegate.connections.feeds import Tell
from tidegate.connections.rabbitmq import frames
from tidegate.connections.rabbitmq.frames import Method
from tidegate.connections.rabbitmq.link import TROUBLE, Link
from tidegate.connections.rabbitmq.wire import Wire

MOST_CHANNELS = 200
"""Bindings of one virtual host: each is a queue at the broker."""

REST_S = 1.0
"""The next message of a binding is taken after so long."""

BEAT_S = 60.0
"""Bindings are made again so often: an exchange may be a new one, a connection dead and not say so."""

QOS, CONSUME, DELIVER, ACK = (60, 10), (60, 20), (60, 60), (60, 80)
BIND, CONSUME_OK = (50, 20), (60, 21)
_HEADER, _BODY = 2, 3
_REFUSED, _NOT_FOUND = 403, 404
_OURS = 4 | 8  # exclusive, gone with its consumer
_LENGTH = frames.short("x-max-length") + b"I" + struct.pack(">i", 1)
_ATTEMPTED = "listen to exchanges"


class DroppingWire(Wire):
    """A wire on which messages come whose contents nobody wants."""

    kinds = (*Wire.kinds, _HEADER, _BODY)
    # The broker cuts bodies into frames, and headers never.
    longest = 4 * 2**20

    def _take_part(self, kind: int, channel: int, payload: bytes) -> None:
        """It has come, and that is all."""


class BindingLink(Link):
    """An open connection on which exchanges are listened to."""

    wire_kind: ClassVar[type[Wire]] = DroppingWire
    most_channels: ClassVar[int] = MOST_CHANNELS

    @property
    def channels(self) -> int:
        """Channels that may be open at once."""
        return self._channels

    async def next(self) -> Method:
        return await self._wire.next()

    def lost(self, error: BaseException) -> TidegateError:
        return self._error(error, _ATTEMPTED)


@dataclass(eq=False, slots=True)
class _Bound:
    """A binding with its channel; `bind` binds its queue once that has a name. `done` says how it went."""

    topic: str
    done: asyncio.Future[TidegateError | None]
    bind: bytes = b""
    rest: asyncio.TimerHandle | None = None
    is_leaving: bool = False
    left: asyncio.Event = field(default_factory=asyncio.Event)


class Bindings:
    """The line of a virtual host: topics are `exchange/routing key`."""

    def __init__(self, link: BindingLink, timeout_s: float) -> None:
        self._link = link
        self._timeout_s = timeout_s
        self._bound: dict[int, _Bound] = {}
        self._tell: Tell = lambda _: None
        self._heard_at = -math.inf

    async def subscribe(self, topics: Sequence[str]) -> Mapping[str, TidegateError]:
        refused: dict[str, TidegateError] = {}
        asked: dict[str, asyncio.Future[TidegateError | None]] = {}
        for topic in topics:
            number = next((n for n in range(1, self._link.channels + 1) if n not in self._bound), None)
            if number is None:
                refused[topic] = self._too_many(topic)
                continue
            if (failure := self._unfit(topic)) is not None:
                refused[topic] = failure
                continue
            asked[topic] = asyncio.get_running_loop().create_future()
            self._bound[number] = _Bound(topic, asked[topic])
            self._link.send(frames.open_channel(number) + _qos(number) + _declare(number))
        try:
            async with asyncio.timeout(self._timeout_s):
                for topic, done in asked.items():
                    failure = await done
                    if failure is not None:
                        refused[topic] = failure
        except TimeoutError as error:
            raise self._link.lost(error) from error
        return refused

    async def unsubscribe(self, topics: Sequence[str]) -> None:
        leaving = {n: one for n, one in self._bound.items() if one.topic in topics and not one.is_leaving}
        for number, one in leaving.items():
            one.is_leaving = True
            self._link.send(frames.method(number, frames.CHANNEL_CLOSE, struct.pack(">HxHH", 200, 0, 0)))
        try:
            async with asyncio.timeout(self._timeout_s):
                for one in leaving.values():
                    await one.left.wait()
        except TimeoutError as error:
            raise self._link.lost(error) from error

    async def listen(self, tell: Tell) -> None:
        self._tell = tell
        tasks = [asyncio.ensure_future(self._read()), asyncio.ensure_future(self._beat())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        for one in self._bound.values():
            if one.rest is not None:
                one.rest.cancel()
        await self._link.close()

    async def _read(self) -> None:
        try:
            while True:
                told = await self._link.next()
                self._heard_at = asyncio.get_running_loop().time()
                one = self._bound.get(told.channel)
                if one is not None:
                    self._take(told, one)
        except TROUBLE as error:
            raise self._link.lost(error) from error

    def _take(self, told: Method, one: _Bound) -> None:
        number = told.channel
        if told.id == frames.DECLARE_OK:
            queue = told.fields[1 : 1 + told.fields[0]]
            one.bind = _bind(number, queue, one.topic)
            self._link.send(one.bind + _consume(number, queue))
        elif told.id == CONSUME_OK and not one.done.done():
            one.done.set_result(None)
        elif told.id == DELIVER:
            tag = struct.unpack_from(">Q", told.fields, 1 + told.fields[0])[0]
            acknowledge = frames.method(number, ACK, struct.pack(">QB", tag, 0))
            one.rest = asyncio.get_running_loop().call_later(REST_S, self._end, one, acknowledge)
            self._tell(one.topic)
        elif told.id == frames.CHANNEL_CLOSE:
            self._link.send(frames.method(number, frames.CHANNEL_CLOSE_OK))
            self._leave(number, one)
            failure = self._refusal(one.topic, *frames.closing(told.fields))
            if one.done.done() and not one.is_leaving:
                raise failure
            if not one.done.done():
                one.done.set_result(failure)
        elif told.id == frames.CHANNEL_CLOSE_OK:
            self._leave(number, one)

    def _end(self, one: _Bound, acknowledge: bytes) -> None:
        """The message is done: the broker gives the next one."""
        one.rest = None
        if not one.is_leaving:
            self._link.send(acknowledge)

    def _leave(self, number: int, one: _Bound) -> None:
        if one.rest is not None:
            one.rest.cancel()
        del self._bound[number]
        one.left.set()

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(BEAT_S)
            sent_at = loop.time()
            self._link.send(b"".join(one.bind for one in self._bound.values() if not one.is_leaving))
            await asyncio.sleep(self._timeout_s)
            if self._heard_at < sent_at and self._bound:
                raise self._link.lost(TimeoutError())

    # --- what goes wrong

    def _unfit(self, topic: str) -> TidegateError | None:
        exchange, key = parts_of(topic)
        attempted = f"listen to exchange {exchange}"
        if not exchange:
            answer = "no exchange is named, and what is sent to a queue by its name goes through none"
            return Misconfigured(attempted, on=self._link.label, answer=answer)
        if max(len(exchange.encode()), len(key.encode())) > 255:
            return Misconfigured(attempted, on=self._link.label, answer="a name is longer than 255 bytes")
        return None

    def _too_many(self, topic: str) -> TidegateError:
        return Unsupported(
            f"listen to exchange {parts_of(topic)[0]}",
            on=self._link.label,
            answer=f"{self._link.channels} bindings are listened to already",
            next_step="let other triggers be only polled",
        )

    def _refusal(self, topic: str, code: int, words: str) -> TidegateError:
        """Why a broker closed the channel; of its words only the kind is told."""
        exchange = parts_of(topic)[0]
        attempted, on = f"listen to exchange {exchange}", self._link.label
        if code == _NOT_FOUND:
            step = "declare it, or correct the annotation or the virtual host"
            return Misconfigured(attempted, on=on, answer="there is no such exchange", next_step=step)
        if code == _REFUSED:
            step = "let the user read the exchange, and configure, write and read queues ^amq\\.gen-.*"
            return Denied(attempted, on=on, answer="access refused", next_step=step)
        kind = Unreachable if code >= 500 else Malformed
        return kind(attempted, on=on, answer=f"the broker closed the channel with code {code}")


def parts_of(topic: str) -> tuple[str, str]:
    """Exchange and routing key."""
    exchange, _, key = topic.partition("/")
    return exchange, key


def _qos(channel: int) -> bytes:
    return frames.method(channel, QOS, struct.pack(">IHB", 0, 1, 0))


def _declare(channel: int) -> bytes:
    fields = b"\x00\x00\x00" + bytes([_OURS]) + struct.pack(">I", len(_LENGTH)) + _LENGTH
    return frames.method(channel, frames.DECLARE, fields)


def _bind(channel: int, queue: bytes, topic: str) -> bytes:
    exchange, key = parts_of(topic)
    names = bytes([len(queue)]) + queue + frames.short(exchange) + frames.short(key)
    return frames.method(channel, BIND, b"\x00\x00" + names + b"\x00" + b"\x00\x00\x00\x00")


def _consume(channel: int, queue: bytes) -> bytes:
    names = bytes([len(queue)]) + queue + frames.short("tidegate")
    return frames.method(channel, CONSUME, b"\x00\x00" + names + b"\x00" + b"\x00\x00\x00\x00")
