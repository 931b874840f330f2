"""The adapter for one Cassandra node."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import Any

from tidegate.base.errors import Denied, Malformed, TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import dialable
from tidegate.connections.cassandra import frames
from tidegate.connections.cassandra.frames import NoNumber, Refusal, Strange
from tidegate.connections.causes import cause_of
from tidegate.connections.queries import Cut, Found, QueryConnection, TooSlow
from tidegate.connections.tls import shared_context
from tidegate.kit.systems.cassandra import CassandraServer, CqlQuery

AT_ONCE = 64
"""Queries under way at a time."""

_BAD_VERSION, _BAD_LOGIN, _UNAUTHORIZED = 0x000A, 0x0100, 0x2100
_SLOW = frozenset({0x1200})
_UNREACHABLE = {
    0x0000: "the server failed",
    0x1000: "too few replicas are alive for the consistency",
    0x1001: "the node is overloaded",
    0x1002: "the node is still starting",
    0x1300: "a replica failed to read",
}
_MALFORMED = {
    0x2000: "it has an error of syntax",
    0x2200: "it is not valid: a table, a column or the consistency is not right",
}

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class CassandraConnection(QueryConnection):
    """One connection, opened by the first question."""

    kind = CqlQuery

    def __init__(self, server: CassandraServer, surroundings: Surroundings) -> None:
        super().__init__(server, surroundings)
        self._at = server
        self._streams: Streams | None = None

    async def close(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].transport.abort()
            await asyncio.sleep(0)  # the socket itself is closed in the loop's next turn

    async def _open(self) -> None:
        if self._streams is not None:
            return
        limit_s = self._surroundings.timeout_s
        streams: Streams | None = None
        try:
            async with asyncio.timeout(limit_s):
                streams = await self._dialled()
                await self._log_in(*streams)
        except BaseException as error:
            if streams is not None:
                streams[1].transport.abort()
                await asyncio.sleep(0)
            if isinstance(error, Refusal):
                raise self._refused(error, "log in") from error
            if isinstance(error, Strange):
                step = "check that the port is the one of the native protocol (9042)"
                raise self._unreachable("what came back is not Cassandra's protocol", step) from error
            if isinstance(error, OSError | EOFError | TimeoutError):
                step = "check that the server runs, its host and port, and whether it wants TLS"
                raise self._unreachable(cause_of(error, limit_s)[0], step) from error
            raise
        self._streams = streams
        self.connections += 1

    async def _dialled(self) -> Streams:
        context: ssl.SSLContext | None = None
        if self._at.tls is not None:
            context = await shared_context(self._at.tls, self._surroundings.tls)
        failure: OSError | None = None
        name = self._at.host if context else None
        for address in await dialable(self._surroundings, self._at.host, self._at.port):
            try:
                return await asyncio.open_connection(
                    address, self._at.port, ssl=context, server_hostname=name
                )
            except OSError as error:
                failure = failure or error
        raise failure or OSError()

    async def _log_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        version = self._at.version
        writer.write(frames.frame(version, 0, frames.STARTUP, frames.startup()))
        said = await frames.read_frame(reader, version)
        if said.opcode == frames.AUTHENTICATE:
            token = frames.login(self._at.user, self._at.password)
            writer.write(frames.frame(version, 0, frames.AUTH_RESPONSE, token))
            said = await frames.read_frame(reader, version)
        if said.opcode == frames.ERROR:
            raise frames.refusal(said.body)
        if said.opcode not in (frames.READY, frames.AUTH_SUCCESS):
            raise Strange

    async def _ask(self, questions: Sequence[CqlQuery], found: Found) -> None:
        streams = self._streams
        assert streams is not None
        reader, writer = streams
        left = list(reversed(questions))
        under_way: dict[int, CqlQuery] = {}
        free = list(range(AT_ONCE))
        try:
            while left or under_way:
                while left and free:
                    number, one = free.pop(), left.pop()
                    body = frames.query(one.statement, one.consistency)
                    writer.write(frames.frame(self._at.version, number, frames.QUERY, body))
                    under_way[number] = one
                    self.round_trips += 1
                answer = await frames.read_frame(reader, self._at.version)
                asked = under_way.pop(answer.stream, None)
                if asked is None:
                    raise Strange
                found[asked] = self._outcome(answer)
                free.append(answer.stream)
        except Strange as error:
            raise Cut("run the query", on=self._label, answer="the connection was out of step") from error
        except (OSError, EOFError) as error:
            raise Cut("run the query", on=self._label, answer=cause_of(error, 0)[0]) from error

    def _outcome(self, answer: frames.Frame) -> Any:
        if answer.opcode == frames.ERROR:
            return self._refused(frames.refusal(answer.body), "run the query")
        if answer.opcode != frames.RESULT:
            raise Strange
        try:
            return frames.first_value(answer.body)
        except NoNumber as error:
            return Malformed(
                "run the query", on=self._label, answer=f"it {error}", next_step="let it give one number"
            )

    def _refused(self, error: Refusal, attempted: str) -> TidegateError:
        code, on = error.code, self._label
        made: TidegateError
        if code == _BAD_LOGIN:
            step = "check `username` and `password`"
            made = Denied(attempted, on=on, answer="the login is not accepted", next_step=step)
        elif code == _UNAUTHORIZED:
            step = "give the user the right to read this"
            made = Denied(attempted, on=on, answer="the user may not read this", next_step=step)
        elif code == _BAD_VERSION:
            step = "check `protocolVersion`: 3 for servers before 2.2"
            made = Malformed(attempted, on=on, answer="the protocol is not accepted", next_step=step)
        elif code in _SLOW:
            step = "make it faster, or its consistency lower; it is tried again after a pause"
            made = TooSlow(attempted, on=on, answer="it was stopped at the server's limit", next_step=step)
        elif code in _UNREACHABLE:
            made = Unreachable(attempted, on=on, answer=_UNREACHABLE[code])
        else:
            answer = _MALFORMED.get(code, f"error 0x{code & 0xFFFF:04x}")
            made = Malformed(attempted, on=on, answer=answer, next_step="check the query")
        secret = self._at.password
        words = error.words.replace(secret, "***") if secret else error.words
        made.excerpt = " ".join(words.split())[:200]
        return made

    def _unreachable(self, answer: str, step: str) -> Unreachable:
        return Unreachable("connect", on=self._label, answer=answer, next_step=step)
