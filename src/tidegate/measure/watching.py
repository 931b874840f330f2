"""Watches: a server that can say when something has changed makes the poll come now.

A push is never believed, it only wakes who waits for it: the reading comes from the server's answer as ever.
A push that gets lost costs one polling interval. Equal watches are kept open once, however many triggers
share them.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from tidegate.base.errors import TidegateError, Unsupported
from tidegate.connections.adapter import Adapter, Watchable
from tidegate.kit.question import Question, Server
from tidegate.kit.scaler import Pushed
from tidegate.measure.followed import Followed
from tidegate.runtime.clock import Clock

log = logging.getLogger(__name__)

_FIRST_S, _LONGEST_S = 2.0, 60.0


@dataclass(slots=True)
class _Watch:
    """One watch, and who is woken by it. `is_open`: the server was asked and has not ended it."""

    members: dict[Followed, None] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    is_open: bool = False


class Watching:
    """Keeps the watches of followed triggers open: `wake` is called for each trigger on each push.

    `adapter` gives the open adapter of a server, and raises where there is none.
    """

    def __init__(
        self, clock: Clock, adapter: Callable[[Server], Adapter], wake: Callable[[Followed], None]
    ) -> None:
        self.group: asyncio.TaskGroup | None = None
        self._clock = clock
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
        return watch is not None and watch.is_open

    async def _keep(self, question: Question, watch: _Watch) -> None:
        """Opens the watch again and again: 2, 4 … 60 s after what failed, 2 s after what has worked."""
        strikes = 0
        while True:
            has_pushed = False

            def pushed() -> None:
                nonlocal has_pushed
                has_pushed = True
                for followed in watch.members:
                    self._wake(followed)

            try:
                adapter = self._adapter(question.server)
                if not isinstance(adapter, Watchable):
                    return
                watch.is_open = True
                await adapter.watch(question, pushed)
                strikes = 0
            except Unsupported as error:
                # The server does not offer it, and will not in a minute: polling goes on as before.
                log.debug("watch not offered", extra={"failure": str(error)})
                return
            except TidegateError as error:
                strikes = 0 if has_pushed else strikes + 1
                log.debug("watch ended", extra={"failure": str(error)})
            except Exception as error:
                strikes += 1
                if strikes == 1:
                    log.error("watch failed unexpectedly", exc_info=error)
            finally:
                watch.is_open = False
            await self._clock.sleep(pause_s(question, strikes))


def watched_by(followed: Followed) -> Question | None:
    """What the trigger wants to be woken by; None where it only polls."""
    return followed.scaler.watch() if isinstance(followed.scaler, Pushed) else None


def pause_s(question: Question, strikes: int) -> float:
    """Seconds until a watch is opened again after `strikes` failures in a row.

    After a restart of a server its watches come back spread over the pause, each at its own moment.
    """
    longest_s = min(_FIRST_S * 2.0 ** min(max(strikes - 1, 0), 16), _LONGEST_S)
    spread = zlib.crc32(repr(question).encode()) % 1000 / 1000
    return longest_s * (0.75 + 0.25 * spread)
