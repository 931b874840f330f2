"""A UDP listener that passes datagrams on: each client to one of several addresses, and the answers back.

UDP has no end. What a client sends from one port is a flow; a flow is forgotten when nothing came either way
for a while, when its target is no longer one, and when the target refuses. The next datagram begins anew.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

# As the kernel does for translated flows: answered ones are kept longer.
IDLE_S, UNANSWERED_S = 120.0, 30.0
SWEEP_S = 5.0
FLOWS = 4_096
EARLY = 16
AT_ONCE = 64
LONGEST = 65_535
Address = tuple[str, int]
Connect = Callable[[str, int], Awaitable[socket.socket]]
"""Host and port → a connected datagram socket that does not block."""


async def connected(host: str, port: int) -> socket.socket:
    """By way of the machine's own network."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    try:
        made.connect((host, port))
    except BaseException:
        made.close()
        raise
    return made


class UdpListener:
    """`targets` may be replaced while it listens: flows to what is left go on."""

    def __init__(self, connect: Connect = connected) -> None:
        self._targets: list[Address] = []
        self._connect = connect
        self._next = 0
        self._flows: dict[Address, _Flow] = {}
        self._socket: socket.socket | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    @property
    def targets(self) -> list[Address]:
        return self._targets

    @targets.setter
    def targets(self, targets: list[Address]) -> None:
        self._targets = targets
        for flow in [one for one in self._flows.values() if one.target not in targets]:
            self._end(flow)

    async def open(self, at: Address) -> None:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            made.setblocking(False)
            made.bind(at)
        except BaseException:
            made.close()
            raise
        self._socket = made
        asyncio.get_running_loop().add_reader(made, self._on_datagrams, made)
        self._sweep()

    def close(self) -> None:
        """Refuses from now on, and forgets all flows."""
        for flow in list(self._flows.values()):
            self._end(flow)
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _on_datagrams(self, own: socket.socket) -> None:
        with suppress(OSError):
            for _ in range(AT_ONCE):
                datagram, client = own.recvfrom(LONGEST)
                flow = self._flows.get(client) or self._begin(client)
                if flow is not None:
                    flow.send(datagram)

    def _begin(self, client: Address) -> _Flow | None:
        if not self._targets:
            return None
        if len(self._flows) >= FLOWS:
            self._end(min(self._flows.values(), key=lambda one: one.used_at))
        target = self._targets[self._next % len(self._targets)]
        self._next += 1
        flow = self._flows[client] = _Flow(client, target, self._answer, self._end)
        flow.begin(self._connect)
        return flow

    def _answer(self, client: Address, datagram: bytes) -> None:
        # A client that does not read loses datagrams, as it would without us in between.
        with suppress(OSError):
            if self._socket is not None:
                self._socket.sendto(datagram, client)

    def _end(self, flow: _Flow) -> None:
        if self._flows.get(flow.client) is flow:
            del self._flows[flow.client]
        flow.close()

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for flow in [one for one in self._flows.values() if one.is_over(now)]:
            self._end(flow)
        self._sweeper = loop.call_later(SWEEP_S, self._sweep)


class _Flow:
    """What one port of a client exchanges with one target."""

    def __init__(
        self,
        client: Address,
        target: Address,
        on_answer: Callable[[Address, bytes], None],
        on_end: Callable[[_Flow], None],
    ) -> None:
        self.client = client
        self.target = target
        self.used_at = asyncio.get_running_loop().time()
        self._on_answer = on_answer
        self._on_end = on_end
        self._is_answered = False
        self._early: list[bytes] = []
        self._socket: socket.socket | None = None
        self._opening: asyncio.Task[None] | None = None

    def begin(self, connect: Connect) -> None:
        self._opening = asyncio.get_running_loop().create_task(self._open(connect))

    async def _open(self, connect: Connect) -> None:
        try:
            made = await connect(*self.target)
        except OSError:
            self._on_end(self)
            return
        self._socket = made
        asyncio.get_running_loop().add_reader(made, self._on_datagrams, made)
        early, self._early = self._early, []
        for datagram in early:
            self.send(datagram)

    def send(self, datagram: bytes) -> None:
        self.used_at = asyncio.get_running_loop().time()
        if self._socket is None:
            self._early = [*self._early, datagram][:EARLY]
            return
        try:
            self._socket.send(datagram)
        except BlockingIOError:
            return
        except ConnectionRefusedError:
            self._on_end(self)
        except OSError:
            return  # longer than it may be, or no way there now

    def _on_datagrams(self, made: socket.socket) -> None:
        try:
            for _ in range(AT_ONCE):
                datagram = made.recv(LONGEST)
                self.used_at = asyncio.get_running_loop().time()
                self._is_answered = True
                self._on_answer(self.client, datagram)
        except BlockingIOError:
            return
        except OSError:
            # The target's machine says that nobody listens there.
            self._on_end(self)

    def is_over(self, now: float) -> bool:
        return now - self.used_at > (IDLE_S if self._is_answered else UNANSWERED_S)

    def close(self) -> None:
        if self._opening is not None and self._socket is None:
            self._opening.cancel()
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
