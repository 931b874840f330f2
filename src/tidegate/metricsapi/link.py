"""Our side of the stream: what the operator tells is kept, what it did not tell lately enough is asked.

    HPA ──► answer() ──► told and not too old ────────────────────────────────► values, and no question
                    └──► question ──► stream ──► operator measures ──► reply ─► values, or why there are none

The stream is opened anew, by itself, for as long as we run. What was told before stays good until it is too
old, whether or not a stream is open; nothing older is ever told as current.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from tidegate.api.metric_stream import (
    MOST_IN_ONE,
    Answer,
    Answers,
    Asked,
    Dropped,
    Heard,
    Hello,
    Metric,
    Question,
    Questions,
    Unchanged,
    read_told,
    written,
)
from tidegate.base.errors import Failure, TidegateError, Unreachable, sentence
from tidegate.metricsapi.offset import Offset
from tidegate.metricsapi.told import Memory, Told
from tidegate.runtime.clock import Clock

# A question for an HPA: Kubernetes itself gives up after a minute.
ANSWER_S = 20.0
# The operator changes its place within seconds; an HPA that asks just then waits that long.
AWAY_S = 3.0
HEARD_S = 5.0
UNASKED_S = 300.0
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 5.0

log = logging.getLogger(__name__)


class Socket(Protocol):
    """A WebSocket: messages in, `None` at its end, and messages out."""

    async def receive(self) -> bytes | str | None: ...

    async def send(self, message: bytes) -> None: ...


Connect = Callable[[], AbstractAsyncContextManager[Socket]]
"""Opens a stream; raises one of the five errors where there is none."""


class Link:
    """`run()` keeps a stream open until cancelled; `operator` is how people call the address it leads to.
    A question waits `patience_s` for an operator that is away since just then.
    """

    def __init__(self, connect: Connect, clock: Clock, operator: str, patience_s: float = AWAY_S) -> None:
        self.questions = 0
        self.answers_from_memory = 0
        self.messages_in = 0
        self.messages_out = 0
        self._connect = connect
        self._clock = clock
        self._operator = operator
        self._patience_s = patience_s
        self._memory = Memory()
        self._offset = Offset()
        self._next_number = 0
        self._asking: dict[Metric, asyncio.Future[Answer]] = {}
        self._to_ask: list[Question] = []
        self._heard: set[int] = set()
        self._to_drop: list[int] = []
        self._wake = asyncio.Event()
        self._open = asyncio.Event()
        self._away_s: float | None = None
        self._why = "it was not reached yet"

    @property
    def kept(self) -> int:
        """How many metrics are kept."""
        return len(self._memory)

    @property
    def is_open(self) -> bool:
        """Whether the operator answers us now."""
        return self._open.is_set()

    # --- answers

    async def answer(self, metric: Metric) -> Told | Failure:
        """What the metric is, or why nobody knows."""
        now_s = self._clock.monotonic()
        told = self._memory.get(metric)
        if told is not None and told.is_good(now_s):
            told.asked_s = now_s
            self.answers_from_memory += 1
            if told.number is not None:
                self._heard.add(told.number)
            elif self.is_open:
                # Told by a stream before this one: the operator of now is asked to follow it too.
                self._ask(metric)
            return told
        if told is not None:
            # It is asked for: it must not be forgotten while the question is under way.
            told.asked_s = now_s
        if not await self._is_reached():
            return self._away(metric, told)
        future = self._ask(metric)
        try:
            answer = await asyncio.wait_for(asyncio.shield(future), ANSWER_S)
        except TimeoutError:
            return self._unanswered(metric, f"it gave no answer within {ANSWER_S:.0f} s", told)
        except TidegateError as error:
            return self._unanswered(metric, str(error.answer), told)
        if answer.kind:
            return Failure(answer.kind, answer.message)
        return self._told(answer, self._clock.monotonic())

    def _ask(self, metric: Metric) -> asyncio.Future[Answer]:
        future = self._asking.get(metric)
        if future is None:
            future = self._asking[metric] = asyncio.get_running_loop().create_future()
            # Perhaps nobody waits for it: then nobody needs to hear that it failed.
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
            told = self._memory.get(metric)
            if told is not None and told.number is not None:
                number = told.number
            else:
                self._next_number = number = self._next_number + 1
                self._memory.name(number, metric)
            self._to_ask.append(Question(number, metric))
            self.questions += 1
            self._wake.set()
        return future

    async def _is_reached(self) -> bool:
        """Waits a little for an operator that is away since a moment ago."""
        if self.is_open:
            return True
        since_s = self._away_s if self._away_s is not None else self._clock.monotonic()
        rest_s = since_s + self._patience_s - self._clock.monotonic()
        if rest_s > 0:
            try:
                await asyncio.wait_for(self._open.wait(), rest_s)
            except TimeoutError:
                return False
        return self.is_open

    def _away(self, metric: Metric, told: Told | None) -> Failure:
        away_s = self._clock.monotonic() - (self._away_s or self._clock.monotonic())
        return self._unanswered(metric, f"it is away since {away_s:.0f} s: {self._why}", told)

    def _unanswered(self, metric: Metric, why: str, told: Told | None) -> Failure:
        old = ""
        if told is not None:
            age_s = self._clock.monotonic() - told.measured_s
            old = f"the last value is {age_s:.0f} s old and counts for {told.max_age_s:.0f} s"
        owner = "/".join(metric.owner)
        return Failure(
            "Unreachable",
            sentence(f"ask the operator for {metric.name} of ScaledObject {owner}", self._operator, why, old),
        )

    # --- the stream

    async def run(self) -> None:
        """Opens a stream again and again."""
        self._away_s = self._clock.monotonic()
        wait_s = FIRST_WAIT_S
        while True:
            try:
                async with self._connect() as socket:
                    await self._serve(socket)
                why, wait_s = "it ended the stream", FIRST_WAIT_S
            except TidegateError as error:
                why = f"{error.answer or error}"
                wait_s = FIRST_WAIT_S if self.is_open else wait_s
            except (OSError, ValueError) as error:
                why = str(error) or type(error).__name__
            self._ended(why)
            # Several of us, and many replicas of the operator: nobody keeps step.
            await self._clock.sleep(wait_s * random.uniform(0.75, 1.25))
            wait_s = min(wait_s * 2, LONGEST_WAIT_S)

    async def _serve(self, socket: Socket) -> None:
        """Returns when the stream has ended; raises what ended it otherwise."""
        first = await self._received(socket)
        if not isinstance(first, Hello):
            raise Unreachable("follow metrics", answer="it does not speak as an operator does")
        self._opened(first)
        tasks = [
            asyncio.create_task(work)
            for work in (self._hear(socket), self._tell(socket), self._report(socket))
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _hear(self, socket: Socket) -> None:
        while (message := await self._received(socket)) is not None:
            self._take(message)

    async def _received(self, socket: Socket) -> Hello | Answers | Unchanged | None:
        while (message := await socket.receive()) is not None:
            self.messages_in += 1
            read = read_told(message)
            if read is not None:
                self._offset.heard(read.now_s, self._clock.monotonic())
                return read
        return None

    def _opened(self, hello: Hello) -> None:
        log.info("the operator answers", extra={"operator": self._operator, "version": hello.version})
        self._away_s = None
        self._open.set()

    def _ended(self, why: str) -> None:
        if self.is_open or why != self._why:
            log.warning("the operator is away", extra={"operator": self._operator, "reason": why})
        if self._away_s is None:
            self._away_s = self._clock.monotonic()
        self._why = why
        self._open.clear()
        self._offset = Offset()
        self._memory.forget_numbers()
        self._heard.clear()
        self._to_drop.clear()
        self._to_ask.clear()
        asking, self._asking = self._asking, {}
        for future in asking.values():
            if not future.done():
                future.set_exception(Unreachable("ask", answer=f"the stream ended before it answered: {why}"))

    # --- what is told

    def _take(self, message: Hello | Answers | Unchanged) -> None:
        match message:
            case Answers(_, answers):
                for answer in answers:
                    self._take_answer(answer)
            case Unchanged(_, measured_s, numbers):
                for number in numbers:
                    metric = self._memory.named(number)
                    told = self._memory.get(metric) if metric is not None else None
                    if told is not None:
                        told.measured_s = self._offset.here(measured_s)

    def _take_answer(self, answer: Answer) -> None:
        metric = self._memory.named(answer.number)
        if metric is None:
            return
        before = self._memory.get(metric)
        if answer.is_reply:
            future = self._asking.pop(metric, None)
            if future is not None and not future.done():
                future.set_result(answer)
        if answer.kind or answer.max_age_s <= 0:
            self._memory.forget(metric)
            if metric in self._asking:
                # News that crossed a question: its number stands until the reply.
                self._memory.name(answer.number, metric)
                return
            # Whoever asks next asks the operator: it need not tell us of this one.
            self._memory.forget_number(answer.number)
            self._to_drop.append(answer.number)
            return
        now_s = self._clock.monotonic()
        asked_s = now_s if answer.is_reply or before is None else before.asked_s
        told = self._told(answer, asked_s, answer.number)
        self._to_drop += self._memory.keep(metric, told)

    def _told(self, answer: Answer, asked_s: float, number: int | None = None) -> Told:
        # What may be told to its asker alone is of this moment.
        measured_s = self._offset.here(answer.measured_s) if answer.max_age_s else self._clock.monotonic()
        return Told(tuple(answer.values), measured_s, answer.max_age_s, asked_s, number)

    # --- what we say

    async def _tell(self, socket: Socket) -> None:
        """Questions are asked at once."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            questions, self._to_ask = self._to_ask, []
            for start in range(0, len(questions), MOST_IN_ONE):
                await self._send(socket, Questions(questions[start : start + MOST_IN_ONE]))

    async def _report(self, socket: Socket) -> None:
        """What was answered from memory is told in one message, and so is what nobody asks for any more."""
        while True:
            await self._clock.sleep(HEARD_S)
            for metric in self._memory.unasked_since(self._clock.monotonic() - UNASKED_S):
                self._to_drop += self._memory.forget(metric)
            heard, self._heard = self._heard, set()
            dropped, self._to_drop = self._to_drop, []
            await self._in_parts(socket, Heard, heard.difference(dropped))
            await self._in_parts(socket, Dropped, dropped)

    async def _in_parts(
        self, socket: Socket, kind: Callable[[list[int]], Asked], numbers: Iterable[int]
    ) -> None:
        every = list(numbers)
        for start in range(0, len(every), MOST_IN_ONE):
            await self._send(socket, kind(every[start : start + MOST_IN_ONE]))

    async def _send(self, socket: Socket, message: Asked) -> None:
        self.messages_out += 1
        await socket.send(written(message))
