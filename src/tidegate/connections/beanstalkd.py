"""beanstalkd: one connection per server, one round trip for the tubes of a batch.

The protocol is lines of text, answered in order: all commands are written at once, then all answers read.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import Any

from tidegate.base.addresses import split_address
from tidegate.base.errors import Malformed, TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.connections.addresses import dialable
from tidegate.connections.causes import cause_of
from tidegate.kit.question import Question
from tidegate.kit.systems.beanstalkd import BeanstalkdServer, JobCounts, TubeJobs

_BODY_BYTES = 16 * 1024
_KEYS = {
    "ready": b"current-jobs-ready",
    "reserved": b"current-jobs-reserved",
    "delayed": b"current-jobs-delayed",
}
_UNABLE = (b"OUT_OF_MEMORY", b"INTERNAL_ERROR", b"DRAINING")
_WORD = re.compile(rb"[A-Z_]{2,40}")


class _Cut(Unreachable):
    """The connection ended while we asked: a new one is worth one more try."""


class BeanstalkdConnection:
    """Opened by the first question, and again where the server had closed it."""

    batch = 1000
    wake_gap_s = 0.25

    def __init__(self, server: BeanstalkdServer, surroundings: Surroundings) -> None:
        self._server = server
        self._surroundings = surroundings
        self._lock = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        tubes = [question.tube for question in questions if isinstance(question, TubeJobs)]
        outcomes: Sequence[JobCounts | TidegateError]
        async with self._lock:
            try:
                outcomes = await self._counts(tubes) if tubes else ()
            except Malformed as error:
                outcomes = [error] * len(tubes)
        answers = iter(outcomes)
        return [next(answers) if isinstance(one, TubeJobs) else _unknown(one) for one in questions]

    async def close(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].transport.abort()
            await asyncio.sleep(0)  # the socket itself is closed in the loop's next turn

    async def _counts(self, tubes: Sequence[str]) -> list[JobCounts | TidegateError]:
        try:
            return await self._exchange(tubes)
        except _Cut:
            return await self._exchange(tubes)

    async def _exchange(self, tubes: Sequence[str]) -> list[JobCounts | TidegateError]:
        """The counts of each tube. The connection is closed when it is out of step or out of reach."""
        try:
            reader, writer = self._streams = self._streams or await self._open()
            async with asyncio.timeout(self._surroundings.timeout_s):
                # Not drained: while we waited for room to write, nobody would read what the server says.
                writer.write(b"".join(b"stats-tube %s\r\n" % tube.encode() for tube in tubes))
                return [await self._read(reader, tube) for tube in tubes]
        except (EOFError, ConnectionError) as error:
            await self.close()
            raise self._unreachable("the connection was closed", _Cut) from error
        except TimeoutError as error:
            await self.close()
            raise self._unreachable(f"no answer within {self._surroundings.timeout_s:g} s") from error
        except BaseException:
            await self.close()
            raise

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = split_address(self._server.address)
        limit_s = max(self._surroundings.timeout_s, self._server.dial_s)
        failure: OSError | None = None
        try:
            async with asyncio.timeout(limit_s):
                for dialled in await dialable(self._surroundings, host, port):
                    try:
                        return await asyncio.open_connection(dialled, port, limit=_BODY_BYTES)
                    except OSError as error:
                        failure = failure or error
        except TimeoutError as error:
            raise self._unreachable(cause_of(error, limit_s)[0]) from error
        raise self._unreachable(cause_of(failure or OSError(), limit_s)[0]) from failure

    async def _read(self, reader: asyncio.StreamReader, tube: str) -> JobCounts | TidegateError:
        """One answer. An error of this question alone is a value."""
        attempted = f"count the jobs of tube {tube}"
        try:
            head = (await reader.readuntil(b"\r\n"))[:-2]
        except asyncio.LimitOverrunError as error:
            raise self._strange(attempted) from error
        word, _, rest = head.partition(b" ")
        if head == b"NOT_FOUND":
            return JobCounts()
        if word == b"OK" and rest.isdigit() and len(rest) < 6 and int(rest) <= _BODY_BYTES:
            body = await reader.readexactly(int(rest) + 2)
            return _counts_in(body) or self._malformed(attempted, "its statistics lack the numbers of jobs")
        if head in _UNABLE:
            return Unreachable(attempted, on=self._server.label(), answer=head.decode())
        if _WORD.fullmatch(head):
            return self._malformed(attempted, head.decode())
        raise self._strange(attempted)

    def _strange(self, attempted: str) -> Malformed:
        step = "check that the port is beanstalkd's"
        return self._malformed(attempted, "what came back is not the beanstalkd protocol", step)

    def _malformed(self, attempted: str, answer: str, next_step: str = "") -> Malformed:
        return Malformed(attempted, on=self._server.label(), answer=answer, next_step=next_step)

    def _unreachable(self, answer: str, kind: type[Unreachable] = Unreachable) -> Unreachable:
        step = "check that the server runs and that host and port are right"
        return kind("count jobs", on=self._server.label(), answer=answer, next_step=step)


def connect(server: BeanstalkdServer, surroundings: Surroundings) -> Adapter:
    """The adapter for `server`; touches no network."""
    return BeanstalkdConnection(server, surroundings)


def _counts_in(body: bytes) -> JobCounts | None:
    """The counts in the lines `key: number` of an answer; None when one is missing or no number."""
    pairs = dict(line.split(b": ", 1) for line in body.splitlines() if b": " in line)
    texts = {name: pairs.get(key, b"") for name, key in _KEYS.items()}
    if not all(text.isdigit() and len(text) < 20 for text in texts.values()):
        return None
    return JobCounts(**{name: int(text) for name, text in texts.items()})


def _unknown(question: Question) -> Unsupported:
    return Unsupported(f"answer {type(question).__name__}", on=question.server.label())
