"""Adapters of HTTP servers that answer several questions in one request: what they have in common.

    questions → by group, in parts → one request each → an answer by question
                                       │ spoilt or too large: each alone; who fails again stays alone
                                       │ until it is answered; what can never travel with others: `apart`
                                       │ late: next time each alone; who is in time joins the others again

A part that fails, fails for its own questions. When nobody is there, nobody is let in, or the server wants
rest, what was not asked yet is not asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence
from typing import Any, ClassVar

from tidegate.base.errors import TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.http import failures
from tidegate.connections.http.answer import TooLarge
from tidegate.connections.http.client import HttpClient
from tidegate.kit.question import Question
from tidegate.kit.systems.http import HttpServer

Found = dict[Any, Any]
"""By question: its answer, or the error in its place."""

_GRACE_S = 1.0


class Spoilt(Exception):
    """One of several questions has spoilt the request, and the answer does not say which."""


class PackedConnection:
    """Answers questions of `kinds`, up to `at_once` of a group in one request.

    A subclass says what it knows and how it asks: `packed`, and `group` where not all may travel together.
    """

    batch = 1000
    wake_gap_s = 0.25
    kinds: ClassVar[tuple[type, ...]] = ()
    at_once: ClassVar[int] = 1
    longest: ClassVar[int] = 1 << 30
    """How much one request may carry, in the measure of `length`."""

    def __init__(self, server: HttpServer, surroundings: Surroundings, *, concurrency: int = 16) -> None:
        self.client = HttpClient(server, surroundings, concurrency=concurrency)
        self.patience_s = -(-self.batch // concurrency) * self.client.timeout_s + _GRACE_S
        self._turns = asyncio.Semaphore(concurrency)
        self.apart: set[Any] = set()
        self._loners: set[Any] = set()
        self._late: set[Any] = set()
        self._end: TidegateError | None = None
        self._is_alive = False

    @property
    def round_trips(self) -> int:
        """Requests sent since the adapter was made."""
        return self.client.requests

    @property
    def connections(self) -> int:
        """Connections opened since the adapter was made."""
        return self.client.connections

    # --- what a subclass says

    def group(self, question: Any) -> Hashable:
        """Questions of equal groups may travel together; None: always alone."""
        return True

    def length(self, question: Any) -> int:
        """How much of a request it takes."""
        return 1

    async def packed(self, questions: Sequence[Any]) -> Found:
        """What all of them come to, in one request or one exchange.

        Raises Spoilt where several do and each would better be asked alone, one of the five where all fail.
        """
        raise NotImplementedError

    # --- what all do

    async def with_the_rest(
        self, found: Found, questions: Sequence[Any], alone: Callable[[Any], Awaitable[Any]]
    ) -> Found:
        """`found`, and what `alone` says of each question that is not in it: its answer, or the error in its
        place."""
        for one in questions:
            if one not in found:
                try:
                    found[one] = await alone(one)
                except TidegateError as error:
                    found[one] = error
        return found

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        """One answer per question, in order. Raises where the server as a whole has failed."""
        asked = list(dict.fromkeys(one for one in questions if isinstance(one, self.kinds)))
        self._end, self._is_alive = None, False
        found: Found = {}
        outcomes = await asyncio.gather(*map(self._part, self._parts(asked)), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            found |= outcome
        _raise_if_nobody_is_served(list(found.values()))
        return [found[one] if isinstance(one, self.kinds) else _unknown(one) for one in questions]

    async def close(self) -> None:
        await self.client.close()

    def _parts(self, asked: Sequence[Any]) -> Iterator[list[Any]]:
        together: dict[Hashable, list[Any]] = {}
        for one in asked:
            group = self.group(one)
            if group is None or one in self.apart or one in self._loners or one in self._late:
                yield [one]
            else:
                together.setdefault(group, []).append(one)
        for some in together.values():
            part: list[Any] = []
            length = 0
            for one in some:
                length += self.length(one)
                if part and (len(part) == self.at_once or length > self.longest):
                    yield part
                    part, length = [], self.length(one)
                part.append(one)
            yield part

    async def _part(self, part: list[Any]) -> Found:
        try:
            return await self._asked(part)
        except (Spoilt, TooLarge):
            found: Found = {}
            for outcome in await asyncio.gather(*(self._asked([one]) for one in part)):
                found |= outcome
            self._loners |= {one for one, value in found.items() if isinstance(value, TidegateError)}
            return found

    async def _asked(self, part: list[Any]) -> Found:
        async with self._turns:
            if self._end is not None:
                return dict.fromkeys(part, self._end)
            try:
                found = await self.packed(part)
            except failures.Late as error:
                if len(part) > 1:
                    self._late |= set(part)
                elif not self._is_alive:
                    self._end = error
                return dict.fromkeys(part, error)
            except (Spoilt, TooLarge) as error:
                self._is_alive = True
                if len(part) > 1:
                    raise
                if isinstance(error, TooLarge):
                    return dict.fromkeys(part, error)
                raise AssertionError("a question alone spoils nothing but itself") from error
            except TidegateError as error:
                is_of_all = isinstance(error, failures.Down | failures.Unauthorized)
                if is_of_all or (isinstance(error, Unreachable) and error.retry_after_s is not None):
                    self._end = error
                return dict.fromkeys(part, error)
            self._is_alive = True
            self._late -= set(part)
            if len(part) == 1 and not isinstance(found[part[0]], TidegateError):
                self._loners -= set(part)
            return found


def _raise_if_nobody_is_served(found: list[Any]) -> None:
    """One question that is late, or not let in, tells nothing of the server; all of several do."""
    if not found or not all(isinstance(one, TidegateError) for one in found):
        return
    if isinstance(found[0], failures.Down):
        raise found[0]
    of_all = [one for one in found if isinstance(one, failures.Silent | failures.Unauthorized)]
    if len(of_all) == len(found) > 1:
        raise of_all[0]


def _unknown(question: Question) -> Unsupported:
    return Unsupported(f"answer {type(question).__name__}", on=question.server.label())
