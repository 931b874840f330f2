"""How a running instance is ended: its hook, its turn, TERM, and KILL when its grace is over.

Each step is written down before the next, so that a later server goes on from there with what is left.
Source: Kubernetes documentation, "Pod Lifecycle", termination of Pods.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tidegate.local.nodes.processes.instance import Instance
from tidegate.local.nodes.processes.instance_life import Life
from tidegate.runtime.clock import Clock

LEAST_S = 2.0
"""What every program has between TERM and KILL, however long its hook took."""


@dataclass(frozen=True, slots=True)
class Process:
    """What an ending does to the processes of an instance. `over` is set once they have ended."""

    over: asyncio.Event
    signal: Callable[[signal.Signals], None]
    sweep: Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Manner:
    """`pre_stop` runs the hook (given the seconds it has run under an earlier server), None for none;
    `turn` returns when those have ended that have to end before."""

    pre_stop: Callable[[float], Awaitable[None]] | None = None
    turn: Callable[[], Awaitable[Any]] | None = None


class Ending:
    """One instance on its way out. `run` returns when nothing of it is left to be signalled."""

    def __init__(self, instance: Instance, process: Process, clock: Clock) -> None:
        self._instance = instance
        self._process = process
        self._clock = clock
        self._life = Life.read(instance.path)
        # On the clock that only goes forward: a corrected wall clock cuts no grace short.
        self._until = self._clock.monotonic() + self._life.until - self._now
        self._is_shortened = asyncio.Event()

    def allow(self, grace_s: float) -> None:
        """It has to be over in `grace_s`, unless it has less already."""
        until = self._clock.monotonic() + grace_s
        if not self._life.until or until < self._until:
            self._until, self._life.until = until, self._now + grace_s
            self._write()
            self._is_shortened.set()

    async def run(self, manner: Manner) -> None:
        if not self._life.signalled_at:
            if manner.pre_stop is not None and not self._life.is_pre_stop_done and self._left_s > 0:
                await self._run_pre_stop(manner.pre_stop)
            if manner.turn is not None:
                await self._within(manner.turn())
            if not self._process.over.is_set():
                self._process.signal(signal.SIGTERM)
                self._life.signalled_at = self._now
                self._write()
        least_s = LEAST_S - (self._now - self._life.signalled_at)
        self._until = max(self._until, self._clock.monotonic() + min(least_s, LEAST_S))
        await self._within(self._process.over.wait())
        if not self._process.over.is_set():
            await self._process.sweep()
            self._process.signal(signal.SIGKILL)
            await self._process.over.wait()

    async def _run_pre_stop(self, hook: Callable[[float], Awaitable[None]]) -> None:
        began = self._life.pre_stop_at
        if not began:
            self._life.pre_stop_at = self._now
            self._write()
        await self._within(hook(max(0.0, self._now - began) if began else 0.0))
        self._life.is_pre_stop_done = True
        self._write()

    async def _within(self, work: Awaitable[Any]) -> None:
        """Until `work` is done, the processes have ended, or the grace is over (it may be shortened)."""
        tasks = {asyncio.ensure_future(work), asyncio.ensure_future(self._process.over.wait())}
        try:
            while (left_s := self._left_s) > 0:
                self._is_shortened.clear()
                shortened = asyncio.ensure_future(self._is_shortened.wait())
                try:
                    done, _ = await asyncio.wait(
                        {*tasks, shortened}, timeout=left_s, return_when=asyncio.FIRST_COMPLETED
                    )
                finally:
                    shortened.cancel()
                if done & tasks:
                    return
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def _now(self) -> float:
        return self._clock.now().timestamp()

    @property
    def _left_s(self) -> float:
        return self._until - self._clock.monotonic()

    def _write(self) -> None:
        self._life.write(self._instance.path)
