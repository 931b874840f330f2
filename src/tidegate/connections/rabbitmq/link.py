"""One AMQP connection: open it, count a batch of queues, close it; what goes wrong in our five errors.

A batch is spread over a few channels, on each of which all questions are sent at once. The broker closes
the channel of a question that fails and drops those that follow on it: that channel is opened again and
goes on with its rest, while the others are not held up.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from tidegate.base.errors import Denied, Malformed, Misconfigured, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import dialable
from tidegate.connections.causes import cause_of
from tidegate.connections.rabbitmq import frames
from tidegate.connections.rabbitmq.frames import Method
from tidegate.connections.rabbitmq.wire import FRAME_BYTES, Closed, Encrypted, Strange, Wire
from tidegate.kit.systems.rabbitmq import AmqpServer

CHANNELS = 16
"""Channels of one connection at most: with as many missing queues, still one exchange."""

QUEUES_PER_CHANNEL = 16
"""A further channel is worth its opening from here on."""

HEARTBEAT_S = 60

_REFUSED, _NOT_FOUND, _LOCKED, _NOT_ALLOWED = 403, 404, 405, 530

TROUBLE = (OSError, TimeoutError, Closed, Encrypted, Strange, struct.error, IndexError)
"""What ends a connection, as it is met here; see `Link._error`."""

Outcome = int | TidegateError


class Cut(Unreachable):
    """The connection ended while we asked; another one may well work, so it is worth one more try."""


@dataclass(slots=True)
class Traffic:
    """What went over the wire since the adapter was made."""

    round_trips: int = 0
    connections: int = 0


@dataclass(frozen=True, slots=True)
class Dialling:
    """How the broker is reached; the usual bound holds for the dial with its login, and for each exchange."""

    surroundings: Surroundings
    tls: ssl.SSLContext | None = None
    traffic: Traffic = field(default_factory=Traffic)


class Link:
    """An open connection to one virtual host."""

    wire_kind: ClassVar[type[Wire]] = Wire
    most_channels: ClassVar[int] = CHANNELS

    def __init__(self, server: AmqpServer, dialling: Dialling) -> None:
        self._server = server
        self._dialling = dialling
        self._timeout_s = dialling.surroundings.timeout_s
        named = dialling.surroundings.resolve(server.host)
        self.label = server.label() + (f" ({named})" if named != server.host else "")
        self._wire = self.wire_kind()
        self.frame_bytes = FRAME_BYTES
        self._open: set[int] = set()
        self._channels = self.most_channels

    @property
    def is_usable(self) -> bool:
        return self._wire.is_quiet

    async def open(self) -> None:
        """Dial and log in. Denied, Misconfigured, Unreachable or Malformed when that fails."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._dial()
                await self._log_in()
        except TROUBLE as error:
            await self.close()
            raise self._error(error, "open a connection") from error
        except BaseException:
            await self.close()
            raise

    async def depths(self, queues: Sequence[str]) -> list[Outcome]:
        """The number of ready messages of each queue, or what is wrong with it."""
        self._dialling.traffic.round_trips += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(queues)
        except TROUBLE as error:
            await self.close()
            raise self._error(error, "count messages") from error
        except BaseException:
            await self.close()
            raise

    def send(self, raw: bytes) -> None:
        self._wire.send(raw)

    async def close(self) -> None:
        self._wire.send(frames.method(0, frames.CLOSE, struct.pack(">HxHH", 200, 0, 0)))
        self._wire.abort()
        await asyncio.sleep(0)  # the socket itself is closed in the loop's next turn

    # --- logging in

    async def _dial(self) -> None:
        """The first of the broker's addresses that takes a connection. OSError where none does."""
        server, tls = self._server, self._dialling.tls
        refused: OSError | None = None
        for address in await dialable(self._dialling.surroundings, server.host, server.port):
            try:
                await asyncio.get_running_loop().create_connection(
                    lambda: self._wire,
                    address,
                    server.port,
                    ssl=tls,
                    server_hostname=server.host if tls else None,
                )
            except OSError as error:
                refused = error
            else:
                self._dialling.traffic.connections += 1
                return
        assert refused is not None
        raise refused

    async def _log_in(self) -> None:
        wire, server = self._wire, self._server
        wire.send(frames.GREETING)
        offered = frames.mechanisms((await self._next(frames.START)).fields)
        mechanism = "EXTERNAL" if server.is_external else "PLAIN"
        if mechanism not in offered:
            raise Denied(
                "log in",
                on=self.label,
                answer=f"the broker does not take {mechanism} here",
                next_step="give a user name and a password"
                if server.is_external
                else "allow PLAIN in the broker's auth_mechanisms",
            )
        plain = f"\0{server.username}\0{server.password}".encode()
        wire.send(frames.start_ok(mechanism, b"" if server.is_external else plain))
        offer = frames.tuning((await self._next(frames.TUNE)).fields)
        self.frame_bytes = size = min(offer.frame_bytes or FRAME_BYTES, FRAME_BYTES)
        beat_s = min(offer.heartbeat_s, HEARTBEAT_S)
        wire.send(frames.tune_ok(frames.Tuning(offer.channels, size, beat_s)))
        try:
            wire.send(frames.open_vhost(server.vhost))
        except ValueError as error:
            raise Misconfigured("open the virtual host", on=self.label, answer=f"its name {error}") from error
        await self._next(frames.OPEN_OK)
        wire.beat_every(beat_s / 2)
        self._channels = min(self.most_channels, offer.channels or self.most_channels)

    async def _next(self, id: tuple[int, int]) -> Method:
        method = await self._wire.next()
        if method.id != id:
            raise Strange
        return method

    # --- counting

    async def _exchange(self, queues: Sequence[str]) -> list[Outcome]:
        outcomes: list[Outcome] = [0] * len(queues)
        names: list[bytes] = []
        lanes: dict[int, deque[int]] = {}
        count = max(1, min(self._channels, -(-len(queues) // QUEUES_PER_CHANNEL)))
        for index, queue in enumerate(queues):
            try:
                names.append(frames.short(queue))
            except ValueError as error:
                names.append(b"")
                outcomes[index] = self._bad(queue, Misconfigured, f"its name {error}", "correct `queueName`")
            else:
                lanes.setdefault(1 + index % count, deque()).append(index)
        for channel, lane in lanes.items():
            self._ask(channel, lane, names)
        while lanes:
            method = await self._wire.next()
            waiting = lanes.get(method.channel)
            if waiting is None or method.id == frames.CHANNEL_OPEN_OK:
                continue
            if method.id == frames.DECLARE_OK:
                outcomes[waiting.popleft()] = frames.ready(method.fields)
            elif method.id == frames.CHANNEL_CLOSE:
                index = waiting.popleft()
                outcomes[index] = self._refusal(queues[index], *frames.closing(method.fields))
                self._wire.send(frames.method(method.channel, frames.CHANNEL_CLOSE_OK))
                self._open.discard(method.channel)
                if waiting:
                    self._ask(method.channel, waiting, names)
            else:
                raise Strange
            if not waiting:
                del lanes[method.channel]
        return outcomes

    def _ask(self, channel: int, lane: deque[int], names: Sequence[bytes]) -> None:
        """Sends every question of a channel, opening it first where it is not."""
        opening = b"" if channel in self._open else frames.open_channel(channel)
        self._open.add(channel)
        self._wire.send(opening + b"".join(frames.count_of(channel, names[index]) for index in lane))

    # --- what goes wrong

    def _refusal(self, queue: str, code: int, words: str) -> TidegateError:
        """Why the broker does not count this one queue; of its words only the kind is told."""
        if code == _NOT_FOUND and "down or inaccessible" in words:
            return self._bad(queue, Unreachable, "the node that holds it is down", "")
        if code == _NOT_FOUND:
            step = "declare it, or correct `queueName` or the virtual host"
            return self._bad(queue, Misconfigured, "there is no such queue", step)
        if code == _REFUSED:
            return self._bad(queue, Denied, "access refused", "give the user access to the virtual host")
        if code == _LOCKED:
            return self._bad(queue, Denied, "it is another connection's own (exclusive)", "")
        return self._bad(queue, Malformed, f"the broker closed the channel with code {code}", "")

    def _bad(self, queue: str, kind: type[TidegateError], answer: str, step: str) -> TidegateError:
        return kind(f"count the messages of queue {queue}", on=self.label, answer=answer, next_step=step)

    def _error(self, error: BaseException, attempted: str) -> TidegateError:
        """What ended the connection, for everybody who asked."""
        if isinstance(error, Strange | struct.error | IndexError):
            return Malformed(
                attempted,
                on=self.label,
                answer="what came back is not AMQP 0-9-1",
                next_step="check that the port is the broker's AMQP port, and whether it wants TLS (amqps://)",
            )
        if isinstance(error, Encrypted):
            step = "write amqps:// in `host`"
            return Unreachable(attempted, on=self.label, answer="it speaks TLS", next_step=step)
        if isinstance(error, Closed) and error.code == _REFUSED:
            step = "check `username` and `password`; guest may only log in from the broker's own machine"
            if self._server.is_external:
                step = "give a client certificate whose name is a user of the broker"
            return Denied("log in", on=self.label, answer="the broker refused the login", next_step=step)
        if isinstance(error, Closed) and error.code == _NOT_ALLOWED:
            answer = "there is no such virtual host, or the user may not use it"
            return Denied("open the virtual host", on=self.label, answer=answer, next_step="check the vhost")
        if isinstance(error, Closed) and error.code:
            answer = f"the broker closed the connection with code {error.code}"
            return Cut(attempted, on=self.label, answer=answer)
        cause, is_cut = cause_of(error, self._timeout_s)
        return (Cut if is_cut and attempted == "count messages" else Unreachable)(
            attempted,
            on=self.label,
            answer=cause,
            next_step="check that the broker runs and that host and port are right",
        )
