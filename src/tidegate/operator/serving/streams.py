"""One metrics API server that listens: its questions are answered, and what it asked for is followed.

    Questions ─► a task each ─► operator measures where due ─► reply ─┐
    a reading is kept, an object reconciled ─► numbers that are news ─┼─► one message for all ─► WebSocket
    asked for lately, and soon too old ─► measured again ─────────────┘

A slow listener costs nothing: what is to be told is a set of numbers, and the newest answer counts.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from tidegate.api.metric_stream import (
    MOST_IN_ONE,
    Answer,
    Answers,
    Dropped,
    Heard,
    Hello,
    Metric,
    Question,
    Questions,
    Told,
    Unchanged,
    read_asked,
    written,
)
from tidegate.base.errors import Failure, TidegateError, sentence
from tidegate.operator.scaledobject.external_metrics import Answered, OnChange
from tidegate.runtime.clock import Clock

# News of one round come one by one, and travel together.
GATHERED_S = 0.05
# A metric whose HPA asks is measured again this long before its answer is too old.
SPARE_S = 1.5
RENEWAL_S = 0.5
# An HPA asks every 15 s, and every minute where its controller has much to do.
ASKED_S = 60.0
# Readings of one round differ by their turn in it; the older moment counts.
MOMENT_S = 0.05
# So many metrics take milliseconds; the loop is not held longer.
AT_ONCE = 50
# Of a failure: an HPA's condition shows no more.
TEXT = 1_000
MOST_FOLLOWED = 100_000
MOST_UNDER_WAY = 2_000


Part = TypeVar("Part")
log = logging.getLogger(__name__)


class Metrics(Protocol):
    """Whoever answers for the operator (`operator.scaledobject.external_metrics`)."""

    async def renew(self, metric: Metric, spare_s: float) -> None: ...

    async def after_first_look(self, metric: Metric) -> Answered: ...

    def kept(self, metric: Metric, before: Answered | None = None) -> Answered: ...

    def heard(self, metric: Metric) -> None: ...

    def on_change(self, listener: OnChange) -> None: ...

    def forget(self, listener: OnChange) -> None: ...


class Socket(Protocol):
    """A WebSocket: messages in, `None` at its end, and messages out."""

    async def receive(self) -> bytes | str | None: ...

    async def send(self, message: bytes) -> None: ...


@dataclass(slots=True)
class _Followed:
    """`told` is what the listener knows, `asked_s` when an HPA last asked as far as we heard."""

    metric: Metric
    asked_s: float
    told: Answered | None = None
    is_renewing: bool = False


class Stream:
    """`run()` until the socket ends."""

    def __init__(self, socket: Socket, metrics: Metrics, clock: Clock, version: str) -> None:
        self._socket = socket
        self._metrics = metrics
        self._clock = clock
        self._version = version
        self._followed: dict[int, _Followed] = {}
        self._by_owner: dict[tuple[str, str], set[int]] = {}
        self._news: dict[int, None] = {}
        self._replies: list[tuple[int, Answered]] = []
        self._wake = asyncio.Event()
        self._room = asyncio.Semaphore(MOST_UNDER_WAY)
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serves the socket to its end. ValueError where it says what is no message."""
        self._metrics.on_change(self._changed)
        work = (self._listen(), self._tell(), self._renew())
        tasks = [asyncio.create_task(one) for one in work]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._metrics.forget(self._changed)
            for task in (*tasks, *self._under_way):
                task.cancel()
            await asyncio.gather(*tasks, *self._under_way, return_exceptions=True)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    # --- what is asked

    async def _listen(self) -> None:
        while (message := await self._socket.receive()) is not None:
            match read_asked(message):
                case Questions(questions):
                    for question in questions:
                        self._follow(question)
                        await self._room.acquire()
                        self._start(self._answer(question))
                case Heard(numbers):
                    self._heard(numbers)
                case Dropped(numbers):
                    self._drop(numbers)

    def _follow(self, question: Question) -> None:
        known = self._followed.get(question.number)
        if known is not None and known.metric == question.metric:
            known.asked_s = self._clock.monotonic()
            return
        if known is not None or len(self._followed) >= MOST_FOLLOWED:
            raise ValueError(f"{question.number} stands for something else, or is one metric too many")
        self._followed[question.number] = _Followed(question.metric, self._clock.monotonic())
        self._by_owner.setdefault(question.metric.owner, set()).add(question.number)

    def _heard(self, numbers: Iterable[int]) -> None:
        now_s = self._clock.monotonic()
        for followed in filter(None, map(self._followed.get, numbers)):
            followed.asked_s = now_s
            self._metrics.heard(followed.metric)

    def _drop(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            followed = self._followed.pop(number, None)
            if followed is None:
                continue
            left = self._by_owner[followed.metric.owner]
            left.discard(number)
            if not left:
                del self._by_owner[followed.metric.owner]

    async def _answer(self, question: Question) -> None:
        try:
            self._metrics.heard(question.metric)
            answered = await self._metrics.after_first_look(question.metric)
        except Exception as error:
            # One metric that cannot be answered must not end the stream of all others.
            log.exception("an external metric was not answered", extra={"metric": question.metric.name})
            answered = Answered(_defect(question.metric, error))
        finally:
            self._room.release()
        self._replies.append((question.number, answered))
        self._wake.set()

    # --- what is told

    def _changed(self, owner: tuple[str, str]) -> None:
        numbers = self._by_owner.get(owner)
        if numbers:
            self._news.update(dict.fromkeys(numbers))
            self._wake.set()

    async def _tell(self) -> None:
        await self._send(Hello(self._clock.monotonic(), self._version))
        while True:
            await self._wake.wait()
            if not self._replies:
                # A question does not wait for the news of a round; the news may wait for each other.
                await self._clock.sleep(GATHERED_S)
            self._wake.clear()
            replies, self._replies = self._replies, []
            news, self._news = self._news, {}
            told = self._replied(replies)
            changed, same = await self._compared(news)
            told += changed
            for part in _parts(told):
                await self._send(Answers(self._clock.monotonic(), part))
            for moment_s, numbers in same.items():
                for some in _parts(numbers):
                    await self._send(Unchanged(self._clock.monotonic(), moment_s, some))

    def _replied(self, replies: Sequence[tuple[int, Answered]]) -> list[Answer]:
        told = []
        for number, answered in replies:
            followed = self._followed.get(number)
            if followed is not None:
                followed.told = answered
            told.append(_answer(number, answered, is_reply=True))
        return told

    async def _compared(self, numbers: Iterable[int]) -> tuple[list[Answer], dict[float, list[int]]]:
        """What has other values than the listener knows; and what has the same as of a later moment."""
        changed: list[Answer] = []
        same: dict[float, list[int]] = {}
        for count, number in enumerate(numbers, start=1):
            if count % AT_ONCE == 0:
                await asyncio.sleep(0)
            followed = self._followed.get(number)
            told = followed.told if followed is not None else None
            if followed is None or told is None:
                # Dropped meanwhile, or its first question is under way.
                continue
            followed.told = answered = self._metrics.kept(followed.metric, told)
            if _is_other(told, answered):
                if not _is_untold(told, answered):
                    changed.append(_answer(number, answered))
            elif answered.measured_s > told.measured_s:
                moment_s = math.floor(answered.measured_s / MOMENT_S) * MOMENT_S
                same.setdefault(moment_s, []).append(number)
        return changed, same

    async def _send(self, message: Told) -> None:
        await self._socket.send(written(message))

    # --- what will be asked for

    async def _renew(self) -> None:
        """Measures again what HPAs ask for and no poll renews in time."""
        while True:
            await self._clock.sleep(RENEWAL_S)
            now_s = self._clock.monotonic()
            started = 0
            for followed in list(self._followed.values()):
                told = followed.told
                if told is None or now_s - followed.asked_s > ASKED_S or followed.is_renewing:
                    continue
                rest_s = told.measured_s + told.max_age_s - now_s
                if 0 < told.max_age_s < told.polling_s and rest_s < SPARE_S:
                    followed.is_renewing = True
                    self._start(self._renewed(followed))
                    started += 1
                    if started % AT_ONCE == 0:
                        await asyncio.sleep(0)

    async def _renewed(self, followed: _Followed) -> None:
        # What comes of it is told as any reading is.
        try:
            await self._metrics.renew(followed.metric, SPARE_S)
        except Exception:
            # Whoever asks next is told what is wrong.
            log.exception("an external metric was not renewed", extra={"metric": followed.metric.name})
        finally:
            followed.is_renewing = False


def _defect(metric: Metric, error: Exception) -> Failure:
    if isinstance(error, TidegateError):
        return Failure.of(error)
    # The error's own text may hold anything: it goes to the log only.
    answer, next_step = f"unexpected {type(error).__name__}", "see the operator's log"
    return Failure("Malformed", sentence("answer for the metric", metric.name, answer, next_step))


def _is_other(told: Answered, answered: Answered) -> bool:
    return told.values != answered.values or told.max_age_s != answered.max_age_s


def _is_untold(told: Answered, answered: Answered) -> bool:
    """Both may be told to their askers alone: nobody keeps the one, nobody would keep the other."""
    return told.max_age_s == 0 and answered.max_age_s == 0


def _answer(number: int, answered: Answered, *, is_reply: bool = False) -> Answer:
    values = answered.values
    if isinstance(values, Failure):
        return Answer(number, kind=values.kind, message=values.message[:TEXT], is_reply=is_reply)
    return Answer(
        number,
        list(values),
        measured_s=answered.measured_s,
        max_age_s=answered.max_age_s,
        is_reply=is_reply,
    )


def _parts(told: list[Part]) -> Iterable[list[Part]]:
    return (told[start : start + MOST_IN_ONE] for start in range(0, len(told), MOST_IN_ONE))
