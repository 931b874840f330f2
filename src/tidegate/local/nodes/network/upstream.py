"""The machine's own resolvers, asked for what is not the cluster's.

Questions go out of the machine's network, whichever the caller's is: the sockets are opened by a function
that is given. What a resolver answers is passed on as it is.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.rcode

from tidegate.local.nodes.network.resolv_conf import ResolvConf

PORT = 53
TRY_S = 2.0
TOTAL_S = 9.0
ROUNDS = 2
LONGEST = 65_535
# What a resolver says when it could not find out, not what it found out.
UNDECIDED = frozenset((dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOTIMP))
# With no name server a resolver asks the machine itself (resolv.conf(5)).
ITSELF = ("127.0.0.1",)
OpenSocket = Callable[[int, int], socket.socket]
"""Address family and kind → a socket in the machine's network."""


@dataclass
class Upstream:
    """`never` are addresses that are ours: asking them would ask us again. `port` is another in tests."""

    resolv_conf: Path
    open_socket: OpenSocket
    never: frozenset[str] = frozenset()
    port: int = PORT
    _seen: tuple[int, ...] = field(default=(), init=False)
    _servers: Sequence[str] = field(default=(), init=False)
    _first: str = field(default="", init=False)

    def servers(self) -> list[str]:
        """As the file names them now; the one that answered last is first."""
        with suppress(OSError):
            stat = self.resolv_conf.stat()
            seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if seen != self._seen:
                text = self.resolv_conf.read_text("utf-8", "replace")
                self._servers, self._seen, self._first = ResolvConf.of(text).servers, seen, ""
        servers = [one for one in self._servers or ITSELF if one not in self.never]
        return sorted(servers, key=lambda one: one != self._first)

    async def ask(self, query: dns.message.Message, wire: bytes) -> bytes | None:
        """The whole answer to `wire`, which `query` is; None when nobody gave one in time."""
        undecided: bytes | None = None
        with suppress(TimeoutError):
            async with asyncio.timeout(TOTAL_S):
                for _ in range(ROUNDS):
                    for server in self.servers():
                        answer = await self._ask(server, query, wire)
                        if answer is not None and answer[3] & 0x0F not in UNDECIDED:
                            self._first = server
                            return answer
                        undecided = answer or undecided
                    if undecided is not None:
                        break
        return undecided

    async def _ask(self, server: str, query: dns.message.Message, wire: bytes) -> bytes | None:
        # Each try with a number and a port of its own: an answer is hard to guess, and none comes late.
        number = secrets.token_bytes(2)
        for exchange in (_by_datagram, _by_stream):
            with suppress(OSError, TimeoutError, EOFError):
                async with asyncio.timeout(TRY_S):
                    answer = await exchange(self, server, number + wire[2:], query)
                if not answer[2] & 0x02:
                    return wire[:2] + answer[2:]
                continue  # cut short: by stream then
            return None
        return None

    def connect(self, server: str, kind: int) -> tuple[socket.socket, tuple[object, ...]]:
        family, _, _, _, address = socket.getaddrinfo(
            server, self.port, type=kind, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        )[0]
        made = self.open_socket(family, kind)
        made.setblocking(False)
        return made, address


async def _by_datagram(upstream: Upstream, server: str, wire: bytes, query: dns.message.Message) -> bytes:
    loop = asyncio.get_running_loop()
    made, address = upstream.connect(server, socket.SOCK_DGRAM)
    with made:
        await loop.sock_connect(made, address)
        await loop.sock_sendall(made, wire)
        while True:
            answer = await loop.sock_recv(made, LONGEST)
            if _is_answer(query, wire, answer):
                return answer


async def _by_stream(upstream: Upstream, server: str, wire: bytes, query: dns.message.Message) -> bytes:
    loop = asyncio.get_running_loop()
    made, address = upstream.connect(server, socket.SOCK_STREAM)
    with made:
        await loop.sock_connect(made, address)
        await loop.sock_sendall(made, len(wire).to_bytes(2, "big") + wire)
        size = int.from_bytes(await _exactly(made, 2), "big")
        answer = await _exactly(made, size)
        if not _is_answer(query, wire, answer):
            raise EOFError
        return answer


async def _exactly(made: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    found = b""
    while len(found) < size:
        chunk = await loop.sock_recv(made, size - len(found))
        if not chunk:
            raise EOFError
        found += chunk
    return found


def _is_answer(query: dns.message.Message, wire: bytes, answer: bytes) -> bool:
    """Whether it answers this question: anybody may send to a port."""
    if len(answer) < 12 or answer[:2] != wire[:2] or not answer[2] & 0x80:
        return False
    try:
        return dns.message.from_wire(answer, question_only=True).question in (query.question, [])
    except (dns.exception.DNSException, ValueError):
        return False
