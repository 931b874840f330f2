"""The cluster's resolver: Services by name from a file that the control plane replaces, all else forwarded.

Runs in the router process, on sockets that it is given, so that names go on resolving while the control
plane is away. Answers only whom it is told to, never more than was asked with room for, and never itself.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from tidegate.local.nodes.network.names import DOMAIN, Answer, Names, Record, from_json
from tidegate.local.nodes.network.upstream import Upstream

TTL_S = 5
SHORTEST, LARGEST_DATAGRAM = 512, 1232
LONGEST = 65_535
LONGEST_QUERY = 4_096
# Questions under way to the machine's resolvers, and open TCP connections.
PENDING, CONNECTIONS = 512, 128
IDLE_S = 10.0
REFUSED_KINDS = frozenset((dns.rdatatype.AXFR, dns.rdatatype.IXFR, dns.rdatatype.MAILA, dns.rdatatype.MAILB))
SOA = f"ns.dns.{DOMAIN}. hostmaster.{DOMAIN}. 1 7200 1800 86400 {TTL_S}"


class NamesFile:
    """The names as the file says now. One that cannot be read leaves them as they were."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: tuple[int, ...] = ()
        self._names = Names()

    def current(self) -> Names:
        with suppress(OSError, ValueError):
            stat = self._file.stat()
            seen = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if seen != self._seen:
                self._seen = seen
                self._names = from_json(self._file.read_bytes())
        return self._names


@dataclass
class Resolver:
    """`clients` are the networks whose questions are answered."""

    names: NamesFile
    upstream: Upstream
    clients: Sequence[IPv4Network]

    def __post_init__(self) -> None:
        self._pending = 0

    def is_client(self, address: str) -> bool:
        with suppress(ValueError):
            return any(IPv4Address(address) in network for network in self.clients)
        return False

    async def respond(self, wire: bytes, room: int = 0) -> bytes | None:
        """The answer to a message; None where silence is right. `room` is 0 for a datagram: as it says."""
        if len(wire) < 12 or wire[2] & 0x80:
            return None  # not a question: answering answers goes round for ever
        try:
            query = dns.message.from_wire(wire)
        except (dns.exception.DNSException, ValueError):
            # Number, opcode and "recursion desired" come back, everything else is left out.
            return wire[:2] + bytes([0x80 | wire[2] & 0x79, dns.rcode.FORMERR]) + bytes(8)
        room = room or min(max(query.payload, SHORTEST), LARGEST_DATAGRAM)
        if (code := _refused(query)) != dns.rcode.NOERROR:
            return _wire(_response(query, code), room)
        question = query.question[0]
        found = self.names.current().answer(question.name.to_text(), dns.rdatatype.to_text(question.rdtype))
        if found is None:
            return await self._forward(query, wire, room)
        if found.elsewhere:
            return _wire(await self._follow(query, found), room)
        return _wire(_told(query, found), room)

    async def _forward(self, query: dns.message.Message, wire: bytes, room: int) -> bytes:
        answer = await self._ask(query, wire)
        if answer is None:
            return _wire(_response(query, dns.rcode.SERVFAIL), room)
        if len(answer) <= room:
            return answer
        cut = _response(query, answer[3] & 0x0F)
        cut.flags |= dns.flags.TC
        return _wire(cut, room)

    async def _follow(self, query: dns.message.Message, found: Answer) -> dns.message.Message:
        """The rest of an answer that leads out of the cluster."""
        question, rest = query.question[0], None
        with suppress(dns.exception.DNSException, ValueError):
            outside = dns.message.make_query(
                f"{found.elsewhere}.", question.rdtype, use_edns=0, payload=LARGEST_DATAGRAM
            )
            answer = await self._ask(outside, outside.to_wire())
            rest = dns.message.from_wire(answer) if answer is not None else None
        if rest is None:
            return _response(query, dns.rcode.SERVFAIL)
        response = _response(query, rest.rcode(), is_ours=True)
        response.answer = [*_rrsets(found.records), *rest.answer]
        return response

    async def _ask(self, query: dns.message.Message, wire: bytes) -> bytes | None:
        if self._pending >= PENDING:
            return None
        self._pending += 1
        try:
            return await self.upstream.ask(query, wire)
        finally:
            self._pending -= 1


def _refused(query: dns.message.Message) -> dns.rcode.Rcode:
    """Why a message is not looked at, NOERROR when it is."""
    if query.opcode() != dns.opcode.QUERY:
        return dns.rcode.NOTIMP
    if len(query.question) != 1:
        return dns.rcode.FORMERR
    question = query.question[0]
    if question.rdclass != dns.rdataclass.IN or question.rdtype in REFUSED_KINDS:
        return dns.rcode.REFUSED
    # Everything about a name is what amplifiers are asked for (RFC 8482).
    return dns.rcode.NOTIMP if question.rdtype == dns.rdatatype.ANY else dns.rcode.NOERROR


def _response(query: dns.message.Message, code: int, *, is_ours: bool = False) -> dns.message.Message:
    response = dns.message.make_response(query, recursion_available=True, our_payload=LARGEST_DATAGRAM)
    response.set_rcode(dns.rcode.Rcode.make(code))
    if is_ours:
        response.flags |= dns.flags.AA
    return response


def _told(query: dns.message.Message, found: Answer) -> dns.message.Message:
    response = _response(query, dns.rcode.NOERROR if found.is_known else dns.rcode.NXDOMAIN, is_ours=True)
    response.answer = _rrsets(found.records)
    response.additional = _rrsets(found.additional)
    if not found.records:
        response.authority = [dns.rrset.from_text(f"{DOMAIN}.", TTL_S, "IN", "SOA", SOA)]
    return response


def _rrsets(records: Sequence[Record]) -> list[dns.rrset.RRset]:
    """In an order that differs each time: clients take the first."""
    groups: dict[tuple[str, str], list[str]] = {}
    for record in records:
        groups.setdefault((record.name, record.kind), []).append(record.value)
    found = []
    for (name, kind), values in groups.items():
        random.shuffle(values)
        with suppress(dns.exception.DNSException):
            found.append(dns.rrset.from_text(f"{name}.", TTL_S, "IN", kind, *values))
    return found


def _wire(response: dns.message.Message, room: int) -> bytes:
    try:
        return response.to_wire(max_size=room, prefer_truncation=True)
    except dns.exception.TooBig:
        response.answer, response.authority, response.additional = [], [], []
        response.flags |= dns.flags.TC
        return response.to_wire()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, resolver: Resolver, tasks: set[asyncio.Task[None]]) -> None:
        self._resolver = resolver
        self._tasks = tasks
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._resolver.is_client(addr[0]) and len(data) <= LONGEST_QUERY:
            task = asyncio.get_running_loop().create_task(self._answer(data, addr))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, wire: bytes, address: tuple[str, int]) -> None:
        answer = await self._resolver.respond(wire)
        if answer is not None and self._transport is not None:
            self._transport.sendto(answer, address)


async def _converse(
    resolver: Resolver,
    open_ones: set[asyncio.StreamWriter],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    """One connection: question and answer in turn until either side has had enough."""
    open_ones.add(writer)
    try:
        peer = writer.get_extra_info("peername") or ("",)
        if len(open_ones) > CONNECTIONS or not resolver.is_client(peer[0]):
            return
        with suppress(OSError, EOFError, TimeoutError):
            while True:
                async with asyncio.timeout(IDLE_S):
                    size = int.from_bytes(await reader.readexactly(2), "big")
                    if size > LONGEST_QUERY:
                        return
                    wire = await reader.readexactly(size)
                answer = await resolver.respond(wire, LONGEST)
                if answer is None:
                    return
                writer.write(len(answer).to_bytes(2, "big") + answer)
                async with asyncio.timeout(IDLE_S):
                    await writer.drain()
    finally:
        open_ones.discard(writer)
        writer.close()


async def serve(
    udp: socket.socket,
    tcp: socket.socket,
    names_file: Path,
    upstream: Upstream,
    clients: Iterable[IPv4Network],
) -> None:
    """Answers on a bound UDP and a listening TCP socket until cancelled; both are closed then."""
    resolver = Resolver(NamesFile(names_file), upstream, tuple(clients))
    tasks: set[asyncio.Task[None]] = set()
    open_ones: set[asyncio.StreamWriter] = set()
    udp.setblocking(False)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(resolver, tasks), sock=udp)
    try:
        server = await asyncio.start_server(partial(_converse, resolver, open_ones), sock=tcp)
        async with server:
            await server.serve_forever()
    finally:
        transport.close()
        for writer in list(open_ones):
            writer.close()
        running = list(tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
