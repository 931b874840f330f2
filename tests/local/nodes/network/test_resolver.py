"""The resolver by the wire, with resolvers of the machine played by the test, and by getaddrinfo in a pod."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parts.pod_network import RANGES, pod_network
from tidegate.local.nodes.network.names import Member, Named, Names, to_json
from tidegate.local.nodes.network.resolver import NamesFile, Resolver, serve
from tidegate.local.nodes.network.upstream import Upstream

S = "svc.cluster.local"
WEB = Named("default", "web", "10.203.129.1", ports=(("http", "tcp", 80),))
MANY = Named("default", "many", members=tuple(Member(f"10.203.1.{n}", f"p-{n}") for n in range(1, 120)))
OUTSIDE = Named("default", "outside", external_name="www.example.org")
LOOPBACK = IPv4Network("127.0.0.0/8")


class Machine:
    """A resolver of the machine, as a test wants it: `says` makes the answer; None keeps silent."""

    def __init__(self, says: Callable[[dns.message.Message, bool], Any]) -> None:
        self.says = says
        self.asked: list[tuple[str, str]] = []
        self.port = 0

    def answer(self, wire: bytes, way: str) -> bytes | None:
        query = dns.message.from_wire(wire)
        self.asked.append((query.question[0].name.to_text(), way))
        said = self.says(query, way == "udp")
        return said.to_wire() if isinstance(said, dns.message.Message) else said

    async def start(self) -> None:
        machine = self

        class Datagrams(asyncio.DatagramProtocol):
            def connection_made(self, transport: Any) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, addr: Any) -> None:
                if (answer := machine.answer(data, "udp")) is not None:
                    self.transport.sendto(answer, addr)

        async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(EOFError):
                size = int.from_bytes(await reader.readexactly(2), "big")
                answer = machine.answer(await reader.readexactly(size), "tcp") or b""
                writer.write(len(answer).to_bytes(2, "big") + answer)
            writer.close()

        self._server = await asyncio.start_server(converse, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        self._datagrams, _ = await loop.create_datagram_endpoint(
            Datagrams, local_addr=("127.0.0.1", self.port)
        )

    def stop(self) -> None:
        self._server.close()
        self._datagrams.close()


def says_address(query: dns.message.Message, is_datagram: bool) -> dns.message.Message:
    response = dns.message.make_response(query)
    name = query.question[0].name
    response.answer = [dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.80")]
    return response


class Served:
    """The resolver on loopback, and the way to ask it."""

    def __init__(self, folder: Path, machine: Machine) -> None:
        self.machine = machine
        self.names = folder / "names.json"
        self.resolv_conf = folder / "resolv.conf"
        self.resolv_conf.write_text("nameserver 127.0.0.1\n")
        self.write(Names((WEB, MANY, OUTSIDE), block="10.203.0.0/16"))

    def write(self, names: Names) -> None:
        fresh = self.names.with_suffix(".new")
        fresh.write_bytes(to_json(names))
        os.replace(fresh, self.names)

    async def start(self, clients: IPv4Network = LOOPBACK) -> None:
        tcp = socket.create_server(("127.0.0.1", 0))
        self.at = tcp.getsockname()
        udp = socket.socket(type=socket.SOCK_DGRAM)
        udp.bind(self.at)
        upstream = Upstream(self.resolv_conf, socket.socket, frozenset(["127.0.0.9"]), self.machine.port)
        self._task = asyncio.create_task(serve(udp, tcp, self.names, upstream, [clients]))

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def send(self, wire: bytes) -> bytes | None:
        """What comes back by UDP; None when nothing does before the answer to another question."""
        loop = asyncio.get_running_loop()
        with socket.socket(type=socket.SOCK_DGRAM) as made:
            made.setblocking(False)
            await loop.sock_connect(made, self.at)
            await loop.sock_sendall(made, wire)
            marker = dns.message.make_query(f"web.default.{S}", "A", id=1)
            await loop.sock_sendall(made, marker.to_wire())
            async with asyncio.timeout(10):
                while True:
                    answer = await loop.sock_recv(made, 65_535)
                    if answer[:2] != b"\0\1":
                        return answer
                    if wire[2:3] and (len(wire) < 12 or wire[2] & 0x80):
                        return None

    async def ask(self, name: str, kind: str = "A", **options: Any) -> dns.message.Message:
        wire = await self.send(dns.message.make_query(name, kind, id=77, **options).to_wire())
        assert wire is not None
        return dns.message.from_wire(wire)

    async def ask_stream(self, *names: str) -> list[dns.message.Message]:
        reader, writer = await asyncio.open_connection(*self.at)
        found = []
        for name in names:
            wire = dns.message.make_query(name, "A").to_wire()
            writer.write(len(wire).to_bytes(2, "big") + wire)
            size = int.from_bytes(await reader.readexactly(2), "big")
            found.append(dns.message.from_wire(await reader.readexactly(size)))
        writer.close()
        return found


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    machine = Machine(says_address)
    await machine.start()
    made = Served(tmp_path, machine)
    await made.start()
    yield made
    await made.stop()
    machine.stop()


def values(message: dns.message.Message) -> list[str]:
    return sorted(str(one) for rrset in message.answer for one in rrset)


async def test_services_are_answered_here_and_everything_else_by_the_machines_resolver(
    served: Served,
) -> None:
    assert values(await served.ask(f"web.default.{S}")) == ["10.203.129.1"]
    for name, kind, code in ((f"web.default.{S}", "AAAA", "NOERROR"), (f"no.default.{S}", "A", "NXDOMAIN")):
        found = await served.ask(name, kind)
        assert (dns.rcode.to_text(found.rcode()), found.answer) == (code, [])
        assert [one.rdtype.name for one in found.authority] == ["SOA"]
    (srv,) = (await served.ask(f"_http._tcp.web.default.{S}", "SRV")).answer
    assert str(srv[0]) == f"0 100 80 web.default.{S}."
    assert values(await served.ask("1.129.203.10.in-addr.arpa", "PTR")) == [f"web.default.{S}."]
    assert served.machine.asked == []
    found = await served.ask("www.example.org")
    assert (values(found), found.id) == (["192.0.2.80"], 77)
    assert served.machine.asked == [("www.example.org.", "udp")]


async def test_an_external_name_is_told_with_its_addresses(served: Served) -> None:
    assert values(await served.ask(f"outside.default.{S}")) == ["192.0.2.80", "www.example.org."]


async def test_an_external_name_that_is_none_is_a_failure_and_stops_nobody(served: Served) -> None:
    names = ("a..b", "x" * 70)
    bad = [Named("default", f"bad-{number}", external_name=name) for number, name in enumerate(names)]
    served.write(Names((WEB, *bad)))
    for service in bad:
        assert (await served.ask(f"{service.name}.default.{S}")).rcode() == dns.rcode.SERVFAIL
    (found,) = await served.ask_stream(f"bad-0.default.{S}")
    assert found.rcode() == dns.rcode.SERVFAIL
    assert served.machine.asked == []


async def test_names_that_the_control_plane_replaces_are_read_again(served: Served) -> None:
    served.write(Names((Named("default", "new", "10.203.129.9"),)))
    assert values(await served.ask(f"new.default.{S}")) == ["10.203.129.9"]
    served.names.write_text("{")
    assert values(await served.ask(f"new.default.{S}")) == ["10.203.129.9"]


@pytest.mark.parametrize(("options", "size"), [({}, 512), ({"use_edns": 0, "payload": 65_000}, 1232)])
async def test_a_datagram_is_no_longer_than_the_client_has_room_for(
    served: Served, options: dict[str, Any], size: int
) -> None:
    wire = await served.send(dns.message.make_query(f"many.default.{S}", "A", **options).to_wire())
    assert wire is not None
    assert len(wire) <= size
    assert dns.message.from_wire(wire).flags & dns.flags.TC
    (whole,) = await served.ask_stream(f"many.default.{S}")
    assert len(values(whole)) == 119
    assert not whole.flags & dns.flags.TC


async def test_one_connection_is_asked_again_and_again(served: Served) -> None:
    found = await served.ask_stream(f"web.default.{S}", "www.example.org", f"no.default.{S}")
    assert [values(one) for one in found] == [["10.203.129.1"], ["192.0.2.80"], []]


async def test_what_the_machines_resolver_cuts_short_is_asked_by_stream(served: Served) -> None:
    def says(query: dns.message.Message, is_datagram: bool) -> dns.message.Message:
        response = dns.message.make_response(query)
        if is_datagram:
            response.flags |= dns.flags.TC
            return response
        addresses = [f"192.0.2.{n}" for n in range(1, 100)]
        response.answer = [dns.rrset.from_text(query.question[0].name, 60, "IN", "A", *addresses)]
        return response

    served.machine.says = says
    (whole,) = await served.ask_stream("big.example.org")
    assert len(values(whole)) == 99
    assert [way for _, way in served.machine.asked] == ["udp", "tcp"]
    assert (await served.ask("big.example.org")).flags & dns.flags.TC


async def test_a_resolver_that_cannot_find_out_leaves_it_to_the_next(served: Served) -> None:
    codes = iter(("SERVFAIL", "REFUSED"))

    def says(query: dns.message.Message, is_datagram: bool) -> dns.message.Message:
        code = next(codes, None)
        if code is None:
            return says_address(query, is_datagram)
        response = dns.message.make_response(query)
        response.set_rcode(dns.rcode.from_text(code))
        return response

    served.machine.says = says
    served.resolv_conf.write_text("nameserver 127.0.0.1\n" * 3)
    assert values(await served.ask("www.example.org")) == ["192.0.2.80"]
    assert len(served.machine.asked) == 3


async def test_resolv_conf_is_read_again_and_we_are_never_asked_by_ourselves(served: Served) -> None:
    served.resolv_conf.write_text("nameserver 127.0.0.9\n")
    assert (await served.ask("www.example.org")).rcode() == dns.rcode.SERVFAIL
    served.resolv_conf.write_text("nameserver 127.0.0.9\nnameserver 127.0.0.1\n")
    assert values(await served.ask("www.example.org")) == ["192.0.2.80"]
    # A file without any means the machine itself.
    served.resolv_conf.write_text("")
    assert values(await served.ask("www.example.org")) == ["192.0.2.80"]


async def test_an_answer_to_another_question_is_not_taken(served: Served) -> None:
    def says(query: dns.message.Message, is_datagram: bool) -> Any:
        if not is_datagram:
            return b""
        other = says_address(dns.message.make_query("other.example.org", "A", id=query.id), is_datagram)
        guessed = says_address(query, is_datagram)
        guessed.id = (guessed.id + 1) % 65_536
        return served.machine.asked.append(("", "")) or [other, guessed][len(served.machine.asked) % 2]

    served.machine.says = says
    task = asyncio.create_task(served.ask("www.example.org"))
    await asyncio.wait([task], timeout=0.5)
    assert not task.done()
    served.machine.says = says_address
    assert values(await task) == ["192.0.2.80"]


ANSWER_BIT = b"\x00\x07\x80\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01"


@pytest.mark.parametrize("wire", [b"\0\7\1", ANSWER_BIT])
async def test_what_is_no_question_is_met_with_silence(served: Served, wire: bytes) -> None:
    assert await served.send(wire) is None


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (b"\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x3fa", "FORMERR"),
        (b"\x00\x07\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00", "FORMERR"),
        (b"\x00\x07\x11\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01", "NOTIMP"),
        (dns.message.make_query("www.example.org", "ANY", id=7).to_wire(), "NOTIMP"),
        (dns.message.make_query("cluster.local", "AXFR", id=7).to_wire(), "REFUSED"),
        (dns.message.make_query("version.bind", "TXT", "CH", id=7).to_wire(), "REFUSED"),
    ],
)
async def test_what_is_not_served_is_refused_in_no_more_bytes_than_were_asked(
    served: Served, wire: bytes, code: str
) -> None:
    answer = await served.send(wire)
    assert answer is not None
    assert dns.rcode.to_text(dns.rcode.Rcode(answer[3] & 15)) == code
    assert len(answer) <= max(len(wire), 12)
    assert served.machine.asked == []


async def test_strangers_are_not_answered(tmp_path: Path) -> None:
    machine = Machine(says_address)
    served = Served(tmp_path, machine)
    await served.start(IPv4Network("10.203.0.0/16"))
    reader, writer = await asyncio.open_connection(*served.at)
    assert await reader.read() == b""
    writer.close()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await served.ask(f"web.default.{S}")
    await served.stop()


IN_ROUTER = """
import asyncio, socket, sys
from ipaddress import IPv4Network
from pathlib import Path
from tidegate.local.nodes.network.resolver import serve
from tidegate.local.nodes.network.upstream import Upstream
at, folder, block = (sys.argv[1], 53), Path(sys.argv[2]), IPv4Network(sys.argv[3])
tcp, udp = socket.create_server(at), socket.socket(type=socket.SOCK_DGRAM)
udp.bind(at)
print("ready", flush=True)
upstream = Upstream(folder / "resolv.conf", socket.socket)
asyncio.run(serve(udp, tcp, folder / "names.json", upstream, [block]))
"""
LOOKS = """
import json, socket, subprocess, sys
subprocess.run(["mount", "--bind", sys.argv[1], "/etc/resolv.conf"], check=True)
def look(name):
    try:
        return sorted({found[4][0] for found in socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)})
    except socket.gaierror as error:
        return error.errno
print(json.dumps({name: look(name) for name in sys.argv[2:]}))
"""


@pytest.mark.real
def test_getaddrinfo_in_a_pod_finds_every_form_of_a_name(tmp_path: Path) -> None:
    shop = Named("shop", "db", members=(Member("10.203.1.8", "db-0"), Member("10.203.1.9", "db-1")))
    names = Names((WEB, MANY, shop), host="10.203.0.130", block=str(RANGES.block))
    (tmp_path / "names.json").write_bytes(to_json(names))
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    search = "search default.svc.cluster.local svc.cluster.local cluster.local"
    pod_file = tmp_path / "pod-resolv.conf"
    pod_file.write_text(f"nameserver {RANGES.dns}\n{search}\noptions ndots:5\n")
    forms = ("web", "web.default", "web.default.svc", f"web.default.{S}", f"web.default.{S}.")
    expected: dict[str, Any] = {form: ["10.203.129.1"] for form in forms}
    expected |= {
        "db.shop": ["10.203.1.8", "10.203.1.9"],
        "db-1.db.shop": ["10.203.1.9"],
        f"db-1.db.shop.{S}": ["10.203.1.9"],
        "many": sorted(one.address for one in MANY.members),
        "host.tidegate.internal": ["10.203.0.130"],
        f"no.default.{S}": socket.EAI_NONAME,
    }
    with pod_network() as network:
        network.add_pod("c", "10.203.1.3")
        network.start(
            "router", sys.executable, "-c", IN_ROUTER, str(RANGES.dns), str(tmp_path), str(RANGES.block)
        )
        found = network.run(
            "c", "unshare", "-m", sys.executable, "-I", "-S", "-c", LOOKS, str(pod_file), *expected
        )
    assert json.loads(found) == expected


def test_the_library_is_imported_by_the_router_alone() -> None:
    code = "import sys, tidegate.local.nodes.node as _; print('dns' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@given(st.binary(max_size=60), st.integers(0, 3))
def test_no_bytes_make_it_stumble_or_say_more_than_it_was_asked(noise: bytes, kept: int) -> None:
    """Noise, and noise behind the beginning of a question about the cluster."""
    query = dns.message.make_query(f"web.default.{S}", "A").to_wire()
    wire = (query[: kept * 12] + noise)[:512]

    class Nobody(Upstream):
        async def ask(self, query: dns.message.Message, wire: bytes) -> bytes | None:
            return None

    resolver = Resolver(NamesFile(Path("/nowhere")), Nobody(Path("/nowhere"), socket.socket), [LOOPBACK])
    answer = asyncio.run(resolver.respond(wire))
    assert answer is None or (answer[2] & 0x80 and len(answer) <= 512)
