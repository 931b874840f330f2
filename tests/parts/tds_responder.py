"""A responder that speaks TDS 7.4 as [MS-TDS] has it: a fake of SQL Server, which is not to be had.

Written from https://learn.microsoft.com/openspecs/windows_protocols/ms-tds/ (section numbers are its), and
held to it by a client that is not ours (python-tds). It knows logins, TLS in its three forms, batches that
a test has put into `answers`, errors, attentions, session resets and Azure's routing; it knows no SQL.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Reply = Callable[["Session"], Awaitable[None]]

OFF, ON, NOT_SUPPORTED, REQUIRED = range(4)
_FINAL, _MORE, _ERROR, _COUNT, _ATTENTION = 0, 1, 2, 0x10, 0x20


@dataclass
class Login:
    """What a LOGIN7 said (2.2.6.4)."""

    user: str
    password: str
    database: str
    application: str
    server: str
    flags: int
    token: str = ""
    echoes: bool = False
    nonce: bytes = b""


@dataclass
class Responder:
    """`answers` says what a batch is answered with, by its text; another one is a syntax error.

    `encryption` is what it says in PRELOGIN where the client lets it choose. `takes` says which tokens of
    identities are good (FEDAUTH), and `nonce` is what must come back with one.
    """

    tls: ssl.SSLContext | None = None
    encryption: int = NOT_SUPPORTED
    users: dict[str, str] = field(default_factory=lambda: {"sa": "hunter2-hunter2"})
    databases: tuple[str, ...] = ("", "shop")
    route: tuple[str, int] | None = None
    takes: Callable[[str], bool] | None = None
    nonce: bytes = b""
    answers: dict[str, bytes | Reply] = field(default_factory=dict)
    port: int = 0
    connections: int = 0
    logins: list[Login] = field(default_factory=list)
    batches: list[str] = field(default_factory=list)
    resets: int = 0
    attentions: int = 0
    is_login_encrypted: list[bool] = field(default_factory=list)
    _sessions: set[Session] = field(default_factory=set)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator[Responder]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            session = Session(self, reader, writer)
            self._sessions.add(session)
            with suppress(OSError, EOFError):
                await session.serve()
            self._sessions.discard(session)
            writer.transport.abort()

        listener = await asyncio.start_server(serve, "127.0.0.1", port)
        self.port = listener.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            listener.close()
            self.cut()
            await asyncio.sleep(0)

    def cut(self) -> None:
        for session in list(self._sessions):
            session.abort()


class Session:
    """One connection, from its PRELOGIN on."""

    def __init__(
        self, responder: Responder, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.responder = responder
        self._reader, self._writer = reader, writer
        self._tls: ssl.SSLObject | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._clear = bytearray()

    def __hash__(self) -> int:
        return id(self)

    def abort(self) -> None:
        self._writer.transport.abort()

    async def serve(self) -> None:
        kind, _, body = await self._message()
        if kind != 0x12:
            return
        is_whole = await self._greet(body)
        kind, _, body = await self._message()
        self.responder.is_login_encrypted.append(self._tls is not None)
        if not is_whole:
            self._tls = None
        if kind != 0x10 or not await self._let_in(read_login(body)):
            return
        while True:
            kind, status, body = await self._message()
            if kind == 0x06:  # of a batch that is answered already
                self.responder.attentions += 1
                await self.send(done(_ATTENTION))
                continue
            self.responder.resets += bool(status & 0x08)
            await self._answer(read_batch(body))

    async def send(self, tokens: bytes, *, kind: int = 0x04, is_last: bool = True) -> None:
        """A message, in packets of 4,096 bytes; or a part of one, which must fill its packets."""
        room = 4096 - 8
        pieces = [tokens[first : first + room] for first in range(0, len(tokens), room)] or [b""]
        sent = b""
        for number, piece in enumerate(pieces, 1):
            status = int(is_last and number == len(pieces))
            sent += struct.pack(">BBHHBB", kind, status, len(piece) + 8, 51, number % 256, 0) + piece
        if self._tls is not None:
            self._tls.write(sent)
            sent = self._outgoing.read()
        self._writer.write(sent)
        await self._writer.drain()

    async def listen_for_attention(self, crossing: bytes = b"") -> None:
        """Until the client wants the batch to be stopped (2.2.1.7); its answer may cross that on the way."""
        kind, _, _ = await self._message()
        assert kind == 0x06
        self.responder.attentions += 1
        if crossing:
            await self.send(crossing)
        await self.send(done(_ATTENTION))

    async def until_closed(self) -> None:
        """Hears nothing more, whatever the client says."""
        while True:
            await self._message()

    async def _greet(self, body: bytes) -> bool:
        """Answers a PRELOGIN (2.2.6.5); whether everything is encrypted from then on."""
        said = read_prelogin(body)
        wanted, is_federated = said[1][0], said.get(6) == b"\1" and self.responder.takes is not None
        offered = self.responder.encryption if self.responder.tls else NOT_SUPPORTED
        if wanted == ON and offered in (OFF, ON):
            offered = ON
        elif wanted == OFF and offered == ON:
            offered = REQUIRED
        elif wanted == NOT_SUPPORTED and offered == OFF:
            offered = NOT_SUPPORTED
        more = {6: b"\1", **({7: self.responder.nonce} if self.responder.nonce else {})}
        await self.send(prelogin(offered, more if is_federated else {}))
        if offered == NOT_SUPPORTED or wanted == NOT_SUPPORTED:
            return False
        assert self.responder.tls is not None
        tls = self.responder.tls.wrap_bio(self._incoming, self._outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                if flight := self._outgoing.read():
                    await self.send(flight, kind=0x12)
                kind, _, piece = await self._message()
                if kind != 0x12:
                    raise EOFError from None
                self._incoming.write(piece)
            else:
                break
        if flight := self._outgoing.read():
            await self.send(flight, kind=0x12)
        self._tls = tls
        return offered in (ON, REQUIRED)

    async def _let_in(self, login: Login) -> bool:
        self.responder.logins.append(login)
        if login.token:
            assert self.responder.takes is not None
            assert (login.user, login.password, login.echoes) == ("", "", True)
            assert login.nonce == self.responder.nonce
            is_known = self._tls is not None and self.responder.takes(login.token)
        else:
            is_known = self.responder.users.get(login.user) == login.password
        if not is_known:
            text = f"Login failed for user '{login.user}'."
            await self.send(error(18456, text, severity=14) + done(_ERROR))
            return False
        if login.database not in self.responder.databases:
            text = f'Cannot open database "{login.database}" requested by the login. The login failed.'
            failed = error(18456, f"Login failed for user '{login.user}'.", severity=14)
            await self.send(error(4060, text, severity=11) + failed + done(_ERROR))
            return False
        where = change(1, login.database or "master", "master")
        said = where + login_ack() + change(4, "4096", "4096")
        said += b"\xae\x02\0\0\0\0\xff" if login.token else b""
        if self.responder.route is not None:
            await self.send(said + routing(*self.responder.route) + done())
            return False
        await self.send(said + done())
        return True

    async def _answer(self, statement: str) -> None:
        self.responder.batches.append(statement)
        found = self.responder.answers.get(statement)
        if found is None:
            text = f"Incorrect syntax near '{statement}'."
            await self.send(error(102, text) + done(_ERROR))
        elif isinstance(found, bytes):
            await self.send(found)
        else:
            await found(self)

    async def _message(self) -> tuple[int, int, bytes]:
        """Kind, status of the first packet, and payload."""
        body, first = b"", -1
        while True:
            kind, status, size, *_ = struct.unpack(">BBHHBB", await self._exactly(8))
            first = status if first < 0 else first
            body += await self._exactly(size - 8)
            if status & 1:
                return kind, first, body

    async def _exactly(self, size: int) -> bytes:
        while len(self._clear) < size:
            piece = await self._reader.read(65536)
            if not piece:
                raise EOFError
            if self._tls is None:
                self._clear += piece
                continue
            self._incoming.write(piece)
            with suppress(ssl.SSLWantReadError):
                while some := self._tls.read(65536):
                    self._clear += some
        found = bytes(self._clear[:size])
        del self._clear[:size]
        return found


# --- what a client says


def read_prelogin(body: bytes) -> dict[int, bytes]:
    found, place = {}, 0
    while body[place] != 0xFF:
        option, start, size = struct.unpack_from(">BHH", body, place)
        found[option] = body[start : start + size]
        place += 5
    return found


def read_login(body: bytes) -> Login:
    (size, version) = struct.unpack_from("<II", body)
    assert size == len(body), (size, len(body))
    assert version == 0x74000004, hex(version)
    texts = []
    for number in range(9):
        start, length = struct.unpack_from("<HH", body, 36 + 4 * number)
        texts.append(body[start : start + 2 * length])
    token, echoes, nonce = read_token(body) if body[27] & 0x10 else ("", False, b"")
    turned = bytes((byte ^ 0xA5) >> 4 | (byte ^ 0xA5) << 4 & 0xF0 for byte in texts[2])
    return Login(
        user=texts[1].decode("utf-16-le"),
        password=turned.decode("utf-16-le"),
        database=texts[8].decode("utf-16-le"),
        application=texts[3].decode("utf-16-le"),
        server=texts[4].decode("utf-16-le"),
        flags=body[26],
        token=token,
        echoes=echoes,
        nonce=nonce,
    )


def read_token(body: bytes) -> tuple[str, bool, bytes]:
    """The token that is the one feature of a LOGIN7 (FEDAUTH), whether it echoes, what comes back with it."""
    (start, size) = struct.unpack_from("<HH", body, 36 + 4 * 5)
    assert size == 4
    (place,) = struct.unpack_from("<I", body, start)
    kind, length = struct.unpack_from("<BI", body, place)
    feature = body[place + 5 : place + 5 + length]
    assert kind == 2
    assert body[place + 5 + length] == 0xFF
    assert feature[0] >> 1 == 1, "a security token"
    (size,) = struct.unpack_from("<I", feature, 1)
    token = feature[5 : 5 + size].decode("utf-16-le")
    return token, bool(feature[0] & 1), feature[5 + size :]


def read_batch(body: bytes) -> str:
    (headers,) = struct.unpack_from("<I", body)
    (size, kind) = struct.unpack_from("<IH", body, 4)
    assert (size, kind) == (18, 2), "the transaction's header must be there"
    return body[headers:].decode("utf-16-le")


# --- what a server says


def prelogin(encryption: int, more: dict[int, bytes] | None = None) -> bytes:
    options = {0: b"\x0f\x00\x07\xd0\0\0", 1: bytes((encryption,)), 4: b"\0", **(more or {})}
    table, values, place = b"", b"", 5 * len(options) + 1
    for option, value in options.items():
        table += struct.pack(">BHH", option, place + len(values), len(value))
        values += value
    return table + b"\xff" + values


def login_ack() -> bytes:
    body = b"\x01" + struct.pack(">I", 0x74000004) + _short("Microsoft SQL Server") + b"\x0f\0\x07\xd0"
    return b"\xad" + struct.pack("<H", len(body)) + body


def change(kind: int, new: str, old: str) -> bytes:
    body = bytes((kind,)) + _short(new) + _short(old)
    return b"\xe3" + struct.pack("<H", len(body)) + body


def routing(host: str, port: int) -> bytes:
    value = struct.pack("<BHH", 0, port, len(host)) + host.encode("utf-16-le")
    body = b"\x14" + struct.pack("<H", len(value)) + value + b"\0\0"
    return b"\xe3" + struct.pack("<H", len(body)) + body


def error(number: int, text: str, *, severity: int = 16, kind: int = 0xAA) -> bytes:
    said = struct.pack("<H", len(text)) + text.encode("utf-16-le")
    body = (
        struct.pack("<iBB", number, 1, severity) + said + _short("fake") + _short("") + struct.pack("<I", 1)
    )
    return bytes((kind,)) + struct.pack("<H", len(body)) + body


def done(status: int = _FINAL, rows: int = 0, *, kind: int = 0xFD) -> bytes:
    return bytes((kind,)) + struct.pack("<HHQ", status | (_COUNT if rows else 0), 0xC1, rows)


def columns(*types: bytes) -> bytes:
    """COLMETADATA of columns without names."""
    said = b"".join(struct.pack("<IH", 0, 9) + one + _short("") for one in types)
    return b"\x81" + struct.pack("<H", len(types)) + said


def rows(type_: bytes, *values: bytes) -> bytes:
    """A result of one column, and that it is all."""
    return columns(type_) + b"".join(b"\xd1" + one for one in values) + done(rows=len(values))


COLLATION = b"\x09\x04\xd0\x00\x34"
INT, BIGINT, BIT = b"\x26\x04", b"\x26\x08", b"\x68\x01"
FLOAT, MONEY, DATETIME = b"\x6d\x08", b"\x6e\x08", b"\x6f\x08"
NUMERIC = b"\x6c\x11\x26\x02"
NVARCHAR, NVARCHAR_MAX = b"\xe7\xa0\x0f" + COLLATION, b"\xe7\xff\xff" + COLLATION
VARCHAR, TEXT = b"\xa7\x64\x00" + COLLATION, b"\x23\xff\xff\xff\x7f" + COLLATION + b"\x01\x01\x00t\x00"
VARIANT = b"\x62\x49\x1f\x00\x00"
NULL = b"\0"


def sized(value: bytes) -> bytes:
    return bytes((len(value),)) + value


def integer(value: int, size: int = 4) -> bytes:
    return sized(value.to_bytes(size, "little", signed=True))


def text(value: str) -> bytes:
    said = value.encode("utf-16-le")
    return struct.pack("<H", len(said)) + said


def chunked(value: str, *, size: int = 4000) -> bytes:
    said = value.encode("utf-16-le")
    pieces = [said[first : first + size] for first in range(0, len(said), size)]
    parts = b"".join(struct.pack("<I", len(piece)) + piece for piece in pieces)
    return struct.pack("<Q", len(said)) + parts + struct.pack("<I", 0)


def _short(value: str) -> bytes:
    return bytes((len(value),)) + value.encode("utf-16-le")
