"""A connection to a SQL Server: packets in and out, and TLS, whose handshake travels in packets too."""

from __future__ import annotations

import asyncio
import ssl

from tidegate.connections.mssql.messages import HEADER_BYTES, LAST, PRELOGIN, Header, packets

_PIECE = 65536


class Excess(Exception):
    """More is on its way than one could want; says what. The connection must be given up."""


class Channel:
    """`allow` says how many bytes may come; more is an Excess. An end of the connection is an OSError."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._left = _PIECE
        self._tls: ssl.SSLObject | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._clear = bytearray()

    def allow(self, size: int) -> None:
        self._left = size

    def close(self) -> None:
        self._writer.transport.abort()

    async def send(self, text: bytes) -> None:
        if self._tls is not None:
            self._tls.write(text)
            text = self._outgoing.read()
        self._writer.write(text)
        await self._writer.drain()

    async def packet(self) -> tuple[bytes, bool]:
        """The next packet's payload, and whether it is its message's last. ValueError if it is none."""
        header = Header.read(await self._exactly(HEADER_BYTES))
        self._left -= header.size
        if self._left < 0:
            raise Excess("too much")
        return await self._exactly(header.size), bool(header.status & LAST)

    async def message(self) -> bytes:
        """All packets up to the last of a message."""
        whole, is_last = b"", False
        while not is_last:
            piece, is_last = await self.packet()
            whole += piece
        return whole

    async def secure(self, context: ssl.SSLContext, name: str) -> None:
        """The handshake of 3.2.5.2: each of its flights is a PRELOGIN message. An SSLError where it fails."""
        tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                if flight := self._outgoing.read():
                    await self.send(packets(PRELOGIN, flight))
                self._incoming.write(await self.message())
            else:
                break
        if flight := self._outgoing.read():
            await self.send(packets(PRELOGIN, flight))
        self._tls = tls

    def reveal(self) -> None:
        """Speaks plainly again: what was to be hidden was the login."""
        self._tls = None

    async def _exactly(self, size: int) -> bytes:
        while len(self._clear) < size:
            piece = await self._reader.read(_PIECE)
            if not piece:
                raise ConnectionResetError("the connection was closed")
            self._clear += self._opened(piece)
        found = bytes(self._clear[:size])
        del self._clear[:size]
        return found

    def _opened(self, piece: bytes) -> bytes:
        if self._tls is None:
            return piece
        self._incoming.write(piece)
        found = b""
        while True:
            try:
                some = self._tls.read(_PIECE)
            except ssl.SSLWantReadError:
                return found
            if not some:
                raise ConnectionResetError("the connection was closed")
            found += some
