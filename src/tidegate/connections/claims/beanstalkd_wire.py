"""The lines of beanstalkd's protocol: all commands of a step are written at once, then all answers read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.base.addresses import split_address
from tidegate.base.errors import Malformed, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import dialable
from tidegate.connections.causes import cause_of
from tidegate.connections.queries import Cut
from tidegate.kit.systems.beanstalkd import BeanstalkdServer

_HEAD_BYTES = 16 * 1024
MOST_BYTES = 64 * 2**20
"""A body that is longer is not read."""

_WITH_BODY = (b"RESERVED", b"FOUND", b"OK")
_WORDS = frozenset(
    b"BAD_FORMAT BURIED DEADLINE_SOON DELETED DRAINING FOUND INTERNAL_ERROR NOT_FOUND NOT_IGNORED OK"
    b" OUT_OF_MEMORY RELEASED RESERVED TIMED_OUT TOUCHED UNKNOWN_COMMAND WATCHING".split()
)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: its first word, its number if it has one, its body."""

    word: str
    number: int = 0
    body: bytes = b""

    def fields(self) -> dict[str, str]:
        """The lines `key: value` of a statistics answer."""
        pairs = (line.partition(": ") for line in self.body.decode(errors="replace").splitlines())
        return {key: value.strip('"') for key, colon, value in pairs if colon}


class Wire:
    """One open connection; whatever goes wrong on it ends it."""

    def __init__(
        self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], label: str, limit_s: float
    ) -> None:
        self._reader, self._writer = streams
        self._label = label
        self._limit_s = limit_s

    async def exchange(self, commands: Sequence[str]) -> list[Reply]:
        try:
            async with asyncio.timeout(self._limit_s):
                # Not drained: while we waited for room to write, nobody would read what the server says.
                self._writer.write("".join(f"{one}\r\n" for one in commands).encode())
                return [await self._read() for _ in commands]
        except (EOFError, ConnectionError) as error:
            raise Cut("claim messages", on=self._label, answer="the connection was closed") from error
        except TimeoutError as error:
            answer = f"no answer within {self._limit_s:g} s"
            raise Unreachable("claim messages", on=self._label, answer=answer) from error

    def abort(self) -> None:
        self._writer.transport.abort()

    async def _read(self) -> Reply:
        try:
            words = (await self._reader.readuntil(b"\r\n"))[:-2].split(b" ")
        except asyncio.LimitOverrunError as error:
            raise self._strange() from error
        numbers = words[1:]
        if words[0] not in _WORDS or not all(one.isdigit() and len(one) < 20 for one in numbers):
            raise self._strange()
        if words[0] not in _WITH_BODY:
            return Reply(words[0].decode(), int(numbers[0]) if numbers else 0)
        if not numbers or int(numbers[-1]) > MOST_BYTES:
            raise self._strange()
        body = (await self._reader.readexactly(int(numbers[-1]) + 2))[:-2]
        return Reply(words[0].decode(), int(numbers[0]), body)

    def _strange(self) -> Malformed:
        answer, step = "what came back is not the beanstalkd protocol", "check that the port is beanstalkd's"
        return Malformed("claim messages", on=self._label, answer=answer, next_step=step)


async def opened(server: BeanstalkdServer, surroundings: Surroundings) -> Wire:
    """A new connection."""
    host, port = split_address(server.address)
    limit_s = max(surroundings.timeout_s, server.dial_s)
    failure: OSError = OSError()
    try:
        async with asyncio.timeout(limit_s):
            for dialled in await dialable(surroundings, host, port):
                try:
                    streams = await asyncio.open_connection(dialled, port, limit=_HEAD_BYTES)
                    return Wire(streams, server.label(), surroundings.timeout_s)
                except OSError as error:
                    failure = error
    except TimeoutError as error:
        failure = error
    step = "check that the server runs and that host and port are right"
    raise Unreachable(
        "claim messages", on=server.label(), answer=cause_of(failure, limit_s)[0], next_step=step
    ) from failure
