"""One AMQP 1.0 connection: open it, ask nodes of the namespace for answers, close it; errors as our five.

Requests of a flight are sent side by side, as far as the service gives credit; answers come in any order.

Source: OASIS, "AMQP 1.0 Part 2: Transport"; Microsoft, "AMQP 1.0 in Azure Service Bus and Event Hubs".
"""

from __future__ import annotations

import asyncio
import ssl
import uuid
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tidegate.base.errors import Denied, Malformed, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import dialable
from tidegate.connections.azure_eventhub import frames
from tidegate.connections.azure_eventhub.frames import Encrypted, Frame, Message
from tidegate.connections.azure_eventhub.values import Described, Strange
from tidegate.connections.causes import cause_of
from tidegate.kit.systems.azure_eventhub import EventHubServer

WINDOW = 4096
"""Answers that may be under way to us before we grant more."""

_MESSAGE_BYTES = 1 << 20
_DENIED = ("amqp:unauthorized-access", "amqp:not-allowed", "com.microsoft:auth-failed")
_Trouble = (OSError, TimeoutError, EOFError, Encrypted, Strange)


class Cut(Unreachable):
    """The connection ended while we asked; another one may well work, so it is worth one more try."""


class Ended(Exception):
    """The service ended the connection, the session or a link, and perhaps said why."""

    def __init__(self, condition: str) -> None:
        super().__init__(condition)
        self.condition = condition


@dataclass(slots=True)
class Traffic:
    """What went over the wire since the adapter was made."""

    connections: int = 0
    requests: int = 0
    flights: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a node: named properties, and a body."""

    properties: dict[str, Any] = field(repr=False)
    value: Any = field(default=None, repr=False)


@dataclass(slots=True)
class _Node:
    """A pair of links to one node, numbered by us: requests go out on one, answers come in on the next."""

    name: str
    number: int
    reply_to: str
    credit: int = 0
    sent: int = 0
    received: int = 0
    attached: int = 0
    partial: bytes = b""


class Link:
    """An open connection to a namespace."""

    def __init__(self, server: EventHubServer, surroundings: Surroundings, traffic: Traffic) -> None:
        self._server = server
        self._surroundings = surroundings
        self._timeout_s = surroundings.timeout_s
        self._traffic = traffic
        self._nodes: dict[str, _Node] = {}
        self._peers: dict[int, _Node] = {}
        self._window = 0
        self._sent = 0
        self._seen = 0
        self._serial = 0
        self._beat: asyncio.TimerHandle | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reader = asyncio.StreamReader()
        self.opened_s = 0.0
        self.granted: set[str] = set()

    async def open(self, tls: ssl.SSLContext | None) -> None:
        """Dial and greet. Denied, Misconfigured, Unreachable or Malformed when that fails."""
        attempted = "open a connection"
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._dial(tls)
                await self._greet()
        except (*_Trouble, Ended) as error:
            await self.close()
            raise self._error(error, attempted) from error
        except BaseException:
            await self.close()
            raise
        self.opened_s = asyncio.get_running_loop().time()

    async def ask(self, node: str, requests: Sequence[Request], attempted: str) -> list[Message]:
        """The answer to each request, in order."""
        self._traffic.flights += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._flight(await self._attached(node), requests)
        except (*_Trouble, Ended) as error:
            await self.close()
            raise self._error(error, attempted) from error
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        if self._beat is not None:
            self._beat.cancel()
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(OSError):
                writer.write(frames.frame(frames.CLOSE, []))
            writer.transport.abort()
            await asyncio.sleep(0)  # the socket itself is closed in the loop's next turn

    @property
    def is_open(self) -> bool:
        return self._writer is not None and not self._reader.at_eof()

    # --- opening

    async def _dial(self, tls: ssl.SSLContext | None) -> None:
        """The first of the host's addresses that takes a connection. OSError where none does."""
        host, port = self._server.host, self._server.port
        refused: OSError | None = None
        for address in await dialable(self._surroundings, host, port):
            try:
                self._reader, self._writer = await asyncio.open_connection(
                    address, port, ssl=tls, server_hostname=host if tls else None, limit=1 << 16
                )
            except OSError as error:
                refused = error
            else:
                self._traffic.connections += 1
                return
        assert refused is not None
        raise refused

    async def _greet(self) -> None:
        self._write(frames.SASL)
        await frames.read_header(self._reader, frames.SASL)
        offered = (await self._next(frames.MECHANISMS)).at(0)
        if "ANONYMOUS" not in (offered if isinstance(offered, list) else [offered]):
            raise Ended("amqp:unauthorized-access")
        # Who we are is told by a token, later on. Source: OASIS, "AMQP Claims-based Security".
        self._write(frames.init_frame(self._server.host))
        if (await self._next(frames.OUTCOME)).at(0) != 0:
            raise Ended("amqp:unauthorized-access")
        self._write(frames.AMQP)
        await frames.read_header(self._reader, frames.AMQP)
        self._write(
            frames.open_frame(f"tidegate-{uuid.uuid4()}", self._server.host), frames.begin_frame(WINDOW)
        )
        idle_ms = (await self._next(frames.OPEN)).at(4)
        if isinstance(idle_ms, int) and idle_ms > 0:
            self._beat_every(max(idle_ms / 2000, 1.0))
        window = (await self._next(frames.BEGIN)).at(2)
        self._window = window if isinstance(window, int) else 0

    async def _attached(self, name: str) -> _Node:
        """The node, its two links attached."""
        node = self._nodes.get(name)
        if node is None:
            node = _Node(name, 2 * len(self._nodes), f"tidegate-{uuid.uuid4()}")
            self._nodes[name] = node
            self._write(
                frames.attach_frame(
                    f"{node.reply_to}-out", node.number, node.reply_to, name, is_receiver=False
                ),
                frames.attach_frame(
                    f"{node.reply_to}-in", node.number + 1, name, node.reply_to, is_receiver=True
                ),
            )
            while node.attached < 2:
                self._take(await self._frame())
            self._grant(node)
        return node

    # --- asking

    async def _flight(self, node: _Node, requests: Sequence[Request]) -> list[Message]:
        left = deque(enumerate(requests))
        waiting: dict[str, int] = {}
        found: dict[int, Message] = {}
        while len(found) < len(requests):
            while left and node.credit > 0 and self._window > 0:
                place, one = left.popleft()
                self._serial += 1
                waiting[f"{self._serial}"] = place
                self._send(node, frames.request(f"{self._serial}", node.reply_to, one.properties, one.value))
            assert self._writer is not None
            await self._writer.drain()
            message = self._take(await self._frame())
            if message is not None and message.correlation in waiting:
                found[waiting.pop(message.correlation)] = message
        return [found[place] for place in range(len(requests))]

    def _send(self, node: _Node, payload: bytes) -> None:
        self._write(frames.transfer_frame(node.number, self._sent, payload))
        self._traffic.requests += 1
        self._sent += 1
        self._window -= 1
        node.sent += 1
        node.credit -= 1

    def _grant(self, node: _Node) -> None:
        self._write(frames.flow_frame(self._seen, self._sent, WINDOW, node.number + 1, node.received, WINDOW))

    # --- frames that come

    async def _frame(self) -> Frame:
        while True:
            found = await frames.read_frame(self._reader)
            if found is not None:
                return found

    async def _next(self, code: int) -> Frame:
        """The next frame, which must be this one."""
        found = await self._frame()
        if found.code in (frames.CLOSE, frames.END):
            raise Ended(frames.condition(found.at(0)))
        if found.code != code:
            raise Strange
        return found

    def _take(self, one: Frame) -> Message | None:
        """What a frame changes; the message that it completes."""
        if one.code in (frames.CLOSE, frames.END):
            raise Ended(frames.condition(one.at(0)))
        if one.code == frames.DETACH:
            raise Ended(frames.condition(one.at(2)) or "detached")
        if one.code == frames.ATTACH:
            self._take_attach(one)
        elif one.code == frames.FLOW:
            self._take_flow(one)
        elif one.code == frames.DISPOSITION:
            state = one.at(4)
            if isinstance(state, Described) and state.code == frames.REJECTED:
                reason = state.value[0] if isinstance(state.value, list) and state.value else None
                raise Ended(frames.condition(reason) or "rejected")
        elif one.code == frames.TRANSFER:
            return self._take_transfer(one)
        return None

    def _take_attach(self, one: Frame) -> None:
        for node in self._nodes.values():
            if one.at(0) in (f"{node.reply_to}-out", f"{node.reply_to}-in"):
                node.attached += 1
                if isinstance(one.at(1), int):
                    self._peers[one.at(1)] = node

    def _take_flow(self, one: Frame) -> None:
        numbers = [place if isinstance(place, int) else None for place in one.fields[:10]] + [None] * 10
        next_in, window, _, _, handle, delivered, credit = numbers[:7]
        if window is not None:
            self._window = (next_in or 0) + window - self._sent
        node = self._peers.get(handle) if handle is not None else None
        if node is not None and credit is not None:
            node.credit = (delivered or 0) + credit - node.sent

    def _take_transfer(self, one: Frame) -> Message | None:
        node = self._peers.get(one.at(0))
        if node is None:
            raise Strange
        self._seen += 1
        node.partial += one.payload
        if len(node.partial) > _MESSAGE_BYTES:
            raise Strange
        if one.at(5):
            return None
        whole, node.partial = node.partial, b""
        node.received += 1
        if not one.at(4) and isinstance(one.at(1), int):
            self._write(frames.accepted_frame(one.at(1)))
        if node.received % (WINDOW // 4) == 0:
            self._grant(node)
        return frames.read_message(whole)

    # --- inside

    def _write(self, *some: bytes) -> None:
        if self._writer is None:
            raise ConnectionResetError
        self._writer.write(b"".join(some))

    def _beat_every(self, seconds: float) -> None:
        def beat() -> None:
            if self._writer is not None:
                self._writer.write(frames.BEAT)
                self._beat_every(seconds)

        self._beat = asyncio.get_running_loop().call_later(seconds, beat)

    def _error(self, error: BaseException, attempted: str) -> TidegateError:
        """What ended the connection, for everybody who asked."""
        on = self._server.label()
        if isinstance(error, Strange):
            step = "check that the port is the namespace's AMQP port, and that it speaks TLS"
            answer = "what came back is not AMQP 1.0"
            return Malformed(attempted, on=on, answer=answer, next_step=step)
        if isinstance(error, Encrypted):
            step = "leave UseDevelopmentEmulator out of the connection string"
            return Unreachable(attempted, on=on, answer="it speaks TLS", next_step=step)
        if isinstance(error, Ended):
            if error.condition in _DENIED:
                step = "check the connection string, and whether its key may listen"
                return Denied(attempted, on=on, answer=error.condition, next_step=step)
            return Cut(
                attempted, on=on, answer=f"it ended the connection ({error.condition or 'no reason given'})"
            )
        cause, is_cut = (
            ("the connection was closed", True)
            if isinstance(error, EOFError)
            else cause_of(error, self._timeout_s)
        )
        return (Cut if is_cut and attempted != "open a connection" else Unreachable)(
            attempted,
            on=on,
            answer=cause,
            next_step="check the namespace's name, and that its port can be reached",
        )
