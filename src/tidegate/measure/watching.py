"""Watches: a server that can say when something has changed makes the poll come now.

A push is never believed, it only wakes who waits for it: the reading comes from the server's answer as ever.
A push that gets lost costs one polling interval. Equal watches are kept open once, however many triggers
share them. However often a server pushes, nobody is woken by it more than once a second: what comes sooner
wakes at the end of that second.
"""

from __future__ import annotations

import asyncio
import logging
import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from tidegate.base.errors import TidegateError, Unsupported
from tidegate.connections.adapter import Adapter, Watchable
from tidegate.kit.question import Question, Server
from tidegate.kit.scaler import Pushed
from tidegate.measure.followed import Followed
from tidegate.measure.schedule import Agenda
from tidegate.runtime.clock import Clock

log = logging.getLogger(__name__)

GAP_S = 1.0
"""Least time between two wake-ups by one watch."""

UNOFFERED_S = 600.0
"""What a server does not offer is asked for again after this at most: somebody may have switched it on."""

_FIRST_S, _LONGEST_S = 2.0, 60.0


@dataclass(slots=True)
class _Watch:
    """One watch, and who is woken by it.

    `is_open`: the server was asked and has not ended it. `why` it was ended last, "" where it was not.
    `woken_at` is the last wake-up (monotonic), `is_owing` that another one is due at the end of its second.
    """

    members: dict[Followed, None] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    is_open: bool = False
    has_pushed: bool = False
    is_owing: bool = False
    woken_at: float = -math.inf
    why: str = ""


class Watching:
    """Keeps the watches of followed triggers open: `wake` is called for each trigger on each push.

    `adapter` gives the open adapter of a server, and raises where there is none.
    """

    def __init__(
        self,
        clock: Clock,
        agenda: Agenda,
        adapter: Callable[[Server], Adapter],
        wake: Callable[[Followed], None],
    ) -> None:
        self.group: asyncio.TaskGroup | None = None
        self._clock = clock
        self._agenda = agenda
        self._adapter = adapter
        self._wake = wake
        self._watches: dict[Question, _Watch] = {}

    def add(self, followed: Followed) -> None:
        """Opens what the trigger wants to be woken by, unless somebody else has."""
        question = watched_by(followed)
        if question is None or self.group is None:
            return
        watch = self._watches.get(question)
        if watch is None:
            watch = self._watches[question] = _Watch()
            watch.task = self.group.create_task(self._keep(question, watch))
        watch.members[followed] = None

    def drop(self, followed: Followed) -> None:
        """Closes the watch with the last trigger that wants it."""
        question = watched_by(followed)
        watch = self._watches.get(question) if question is not None else None
        if question is None or watch is None:
            return
        watch.members.pop(followed, None)
        if not watch.members:
            del self._watches[question]
            if watch.task is not None:
                watch.task.cancel()

    def is_watched(self, followed: Followed) -> bool:
        """Whether its server would tell of a change now."""
        question = watched_by(followed)
        watch = self._watches.get(question) if question is not None else None
        if question is None or watch is None or not watch.is_open:
            return False
        return _is_confirmed(self._adapter(question.server), question)

    def why_unwatched(self, followed: Followed) -> str:
        """Why its server does not tell of changes now; "" where it does, and where nobody knows."""
        question = watched_by(followed)
        watch = self._watches.get(question) if question is not None else None
        return watch.why if watch is not None and not self.is_watched(followed) else ""

    async def _keep(self, question: Question, watch: _Watch) -> None:
        """Opens the watch again and again: 2, 4 … 60 s after what failed, 2 s after what has worked."""
        strikes = 0
        while True:
            watch.has_pushed, longest_s = False, _LONGEST_S
            try:
                adapter = self._adapter(question.server)
                if not isinstance(adapter, Watchable):
                    return
                watch.is_open = True
                await adapter.watch(question, partial(self._pushed, watch))
                strikes, watch.why = 0, ""
            except TidegateError as error:
                strikes = 0 if watch.has_pushed else strikes + 1
                watch.why = str(error)
                if isinstance(error, Unsupported):
                    # The server does not offer it, and will not in a minute: polling goes on as before.
                    longest_s = UNOFFERED_S
                log.debug("watch ended", extra={"failure": watch.why})
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                # Its connection was closed under it: by a round that got no answer, say.
                strikes += 1
                watch.why = "the watch was given up inside the client"
            except Exception as error:
                strikes += 1
                watch.why = f"unexpected {type(error).__name__}"
                if strikes == 1:
                    log.error("watch failed unexpectedly", exc_info=error)
            finally:
                watch.is_open = False
            first_s = _FIRST_S if longest_s == _LONGEST_S else longest_s
            await self._clock.sleep(pause_s(question, strikes, first_s, longest_s))

    def _pushed(self, watch: _Watch) -> None:
        """Wakes all members now, or as soon as they may be woken again."""
        watch.has_pushed = True
        if watch.is_owing:
            return
        now_s = self._clock.monotonic()
        if now_s >= watch.woken_at + GAP_S:
            self._wake_all(watch, now_s)
        else:
            watch.is_owing = True
            self._agenda.add(watch.woken_at + GAP_S, partial(self._wake_all, watch))

    def _wake_all(self, watch: _Watch, due_s: float) -> None:
        watch.is_owing = False
        watch.woken_at = due_s
        for followed in watch.members:
            self._wake(followed)


def watched_by(followed: Followed) -> Question | None:
    """What the trigger wants to be woken by; None where it only polls."""
    return followed.scaler.watch() if isinstance(followed.scaler, Pushed) else None


def pause_s(
    question: Question, strikes: int, first_s: float = _FIRST_S, longest_s: float = _LONGEST_S
) -> float:
    """Seconds until a watch is opened again after `strikes` failures in a row.

    After a restart of a server its watches come back spread over the pause, each at its own moment.
    """
    rest_s = min(first_s * 2.0 ** min(max(strikes - 1, 0), 16), longest_s)
    spread = zlib.crc32(repr(question).encode()) % 1000 / 1000
    return rest_s * (0.75 + 0.25 * spread)


def _is_confirmed(adapter: Adapter, question: Question) -> bool:
    """What the adapter says of an open watch; one that says nothing has it as soon as it was asked."""
    is_watching = getattr(adapter, "is_watching", None)
    return is_watching is None or bool(is_watching(question))
