"""The queue of one destination: events wait in it until they are taken, in order.

    taken ───────────► the next one at once
    not taken ───────► the same one again after 0.5, 1, 2 … 60 s, or when the destination wants it
    unwelcome itself ─► five times, then it is dropped
    queue full ──────► the oldest is dropped: the newest says more about what is

Nothing is kept beyond the process. A destination that fails is told once, and once when it takes events
again.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections import Counter, deque
from collections.abc import Awaitable, Callable

from tidegate.base.errors import Malformed, TidegateError, Unreachable
from tidegate.runtime.clock import Clock
from tidegate.telemetry.cloudevents.event import CloudEvent

log = logging.getLogger(__name__)

CAPACITY = 1_024
ATTEMPTS = 5
"""So many attempts in vain make a destination one that fails; an event that is refused is dropped then."""
_FIRST_S, _LONGEST_S = 0.5, 60.0

Send = Callable[[CloudEvent], Awaitable[None]]
"""Returns when the event is taken; raises one of the five where it is not."""


class Unwelcome(Malformed):
    """The destination answers, and cannot take this very event."""


class Outbox:
    """Sends what is added, with `send`. `on_health` hears when `failure` changes."""

    def __init__(self, name: str, clock: Clock, send: Send, on_health: Callable[[], None]) -> None:
        self.name = name
        self.send = send
        self.tally: Counter[str] = Counter(emitted=0, failed=0, dropped=0)
        self.failure: TidegateError | None = None
        self._clock = clock
        self._on_health = on_health
        self._waiting: deque[CloudEvent] = deque()
        self._news = asyncio.Event()
        self._anew = asyncio.Event()
        self._attempts = 0
        self._is_dropping = False

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, event: CloudEvent) -> None:
        if len(self._waiting) >= CAPACITY:
            self._waiting.popleft()
            self._attempts = 0
            self._drop("the queue is full")
        self._waiting.append(event)
        self._news.set()

    def use(self, send: Send) -> None:
        """Sends in this way from now on; what waits is tried at once."""
        self.send = send
        self._attempts = 0
        self._anew.set()

    async def run(self) -> None:
        """Sends until cancelled."""
        while True:
            while not self._waiting:
                self._news.clear()
                await self._news.wait()
            await self._try(self._waiting[0])

    async def _try(self, event: CloudEvent) -> None:
        self._anew.clear()
        try:
            await self.send(event)
        except TidegateError as error:
            await self._failed(event, error)
        except Exception as error:
            log.error("sending an event failed unexpectedly", exc_info=error, extra={"source": self.name})
            await self._failed(event, Malformed("send an event", answer=f"unexpected {type(error).__name__}"))
        else:
            self.tally["emitted"] += 1
            self._leave(event)
            self._healthy()

    async def _failed(self, event: CloudEvent, error: TidegateError) -> None:
        error.__traceback__ = None
        self.tally["failed"] += 1
        self._attempts += 1
        if self._attempts >= ATTEMPTS and (self.failure is None or self.failure.kind != error.kind):
            self.failure = error
            log.warning("events are not taken", extra={"source": self.name, "failure": str(error)})
            self._on_health()
        if self._attempts >= ATTEMPTS and isinstance(error, Unwelcome):
            # Those behind it may be taken.
            self._leave(event)
            self._drop("one is refused again and again")
            return
        try:
            async with asyncio.timeout(pause_s(self.name, self._attempts, error)):
                await self._anew.wait()
        except TimeoutError:
            pass

    def _leave(self, event: CloudEvent) -> None:
        """It may have been dropped while it was sent."""
        if self._waiting and self._waiting[0] is event:
            self._waiting.popleft()
        self._attempts = 0

    def _drop(self, why: str) -> None:
        self.tally["dropped"] += 1
        if not self._is_dropping:
            self._is_dropping = True
            log.warning("events are dropped", extra={"source": self.name, "why": why})
            self._on_health()

    def _healthy(self) -> None:
        self._is_dropping = False
        if self.failure is not None:
            self.failure = None
            log.info("events are taken again", extra={"source": self.name})
            self._on_health()


def pause_s(name: str, attempts: int, error: TidegateError) -> float:
    """Seconds until the next attempt; each destination has its own, so that they do not come back at once."""
    told_s = error.retry_after_s if isinstance(error, Unreachable) else None
    share = 0.75 + 0.25 * (zlib.crc32(name.encode()) % 1000 / 1000)
    own_s = min(_LONGEST_S, _FIRST_S * 2.0 ** min(attempts - 1, 16)) * share
    return max(own_s, told_s or 0.0)
