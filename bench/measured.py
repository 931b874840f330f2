"""The operator alone in a process, with its counters: started, left until it is quiet, then measured.

Run as `python -m bench.measured KUBECONFIG OBJECTS WINDOW_S INTERVAL_S [stopped]`; prints one JSON object.
`stopped`: nothing is polled in the window, which every lower limit must notice.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import msgspec

from bench.machine import rss_mb
from tidegate.auth.resolve import Options
from tidegate.connections.adapter import Counted, Surroundings
from tidegate.core.values import Reading
from tidegate.kube.client import Client
from tidegate.kube.config import load
from tidegate.measure.counters import Lateness
from tidegate.measure.schedule import GRID_S
from tidegate.operator.operator import Operator
from tidegate.runtime import loop
from tidegate.runtime.clock import SystemClock

PATIENCE_S = 900.0
# So long all triggers of a metered server are woken, again and again.
WOKEN_S = 20.0
# No reconcile within this long: nothing is left to do but to measure.
QUIET_S = 3.0
PROBE_S = 0.002
# Triggers that are looked at in one turn of the loop.
GLANCE = 500


@dataclass(slots=True)
class Stalls:
    """How long the loop kept a timer waiting, by the wall and in processor time of its own thread."""

    wall_s: list[float] = field(default_factory=list)
    own_s: list[float] = field(default_factory=list)

    async def watch(self) -> None:
        """Probes until cancelled."""
        running = asyncio.get_running_loop()
        arrived = asyncio.Event()
        while True:
            due_s, own_s = running.time() + PROBE_S, time.thread_time()
            running.call_at(due_s, arrived.set)
            await arrived.wait()
            arrived.clear()
            self.wall_s.append(running.time() - due_s)
            self.own_s.append(time.thread_time() - own_s)


@dataclass(slots=True)
class Values:
    """How many values each trigger has brought: seen twice in each interval, so that none is missed."""

    operator: Operator
    interval_s: float
    last: dict[str, Reading | None] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    async def watch(self) -> None:
        """Looks until cancelled; what is there at first is no new one."""
        self.counts = dict.fromkeys(self.operator.steps.tracker.by_uid, 0)
        self.last = {uid: self.operator.rounds.latest((uid, 0)) for uid in self.counts}
        while True:
            await asyncio.sleep(self.interval_s / 2)
            await self.look()

    async def look(self) -> None:
        for turn, (uid, before) in enumerate(list(self.last.items()), start=1):
            reading = self.operator.rounds.latest((uid, 0))
            if reading is not before:
                self.last[uid] = reading
                self.counts[uid] += reading is not None and reading.failure is None
            if turn % GLANCE == 0:
                await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class Count:
    """The operator's counters at a moment."""

    at_s: float
    cpu_s: float
    round_trips: int
    dialled: int
    status_writes: int
    decisions: int
    readings: int
    questions: int

    @staticmethod
    def of(operator: Operator) -> Count:
        adapters = [cast(Counted, kept.adapter) for kept in operator.connections]
        return Count(
            time.monotonic(),
            time.process_time(),
            sum(one.round_trips for one in adapters),
            sum(one.connections for one in adapters),
            operator.steps.writer.status_writes,
            operator.steps.tallies.decisions.total(),
            operator.rounds.counters.answers,
            operator.rounds.counters.questions,
        )


async def measure(
    kubeconfig: Path, objects: int, window_s: float, interval_s: float, *, is_stopped: bool = False
) -> dict[str, float]:
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    client = Client(load(kubeconfig))
    operator = Operator(client, SystemClock(), Surroundings(), Options(cluster_namespace="default"))
    running = asyncio.create_task(operator.run())
    starting = Stalls()
    watching = asyncio.create_task(starting.watch())
    quiet_s = await _until_quiet(operator, objects, running)
    start = {
        "start_s": quiet_s - began_s,
        "start_cpu_s": time.process_time() - began_cpu_s,
        "start_stall_s": max(starting.wall_s),
        "start_stall_own_s": max(starting.own_s),
        "start_status_writes": operator.steps.writer.status_writes,
    }
    watching.cancel()
    stalls = Stalls()
    values = Values(operator, interval_s)
    if is_stopped:
        for uid in operator.steps.tracker.by_uid:
            operator.rounds.forget((uid, 0))
    watched = asyncio.gather(stalls.watch(), values.watch())
    lateness = operator.rounds.counters.lateness = Lateness()
    before = Count.of(operator)
    collected = sum(one["collections"] for one in gc.get_stats())
    await asyncio.sleep(window_s)
    after = Count.of(operator)
    watched.cancel()
    await values.look()
    result = start | {
        "window_s": after.at_s - before.at_s,
        "values_least": min(values.counts.values()),
        "cpu_s": after.cpu_s - before.cpu_s,
        "round_trips": after.round_trips - before.round_trips,
        "dialled": after.dialled,
        "open_connections": len(operator.connections),
        "status_writes": after.status_writes - before.status_writes,
        "decisions": after.decisions - before.decisions,
        "readings": after.readings - before.readings,
        "questions": after.questions - before.questions,
        "late_p50_s": lateness.quantile_s(0.5),
        "late_p99_s": lateness.quantile_s(0.99),
        "late_max_s": lateness.max_s,
        "stall_s": max(stalls.wall_s),
        "stall_own_s": max(stalls.own_s),
        "rss_mb": rss_mb(),
        "rss_most_mb": rss_mb(field="VmHWM"),
        "collections": sum(one["collections"] for one in gc.get_stats()) - collected,
    }
    result |= await _woken(operator)
    running.cancel()
    await asyncio.gather(running, watching, watched, return_exceptions=True)
    await client.close()
    return result


async def _woken(operator: Operator) -> dict[str, float]:
    """What is sent while every trigger is woken as often as it can be; only where calls are metered."""
    gaps = [kept.wake_gap_s for kept in operator.connections if kept.wake_gap_s > GRID_S]
    if not gaps:
        return {}
    before = Count.of(operator)
    while time.monotonic() < before.at_s + WOKEN_S:
        operator.rounds.wake((uid, 0) for uid in operator.steps.tracker.by_uid)
        await asyncio.sleep(GRID_S)
    after = Count.of(operator)
    return {
        "woken_s": after.at_s - before.at_s,
        "woken_round_trips": after.round_trips - before.round_trips,
        "wake_gap_s": min(gaps),
    }


async def _until_quiet(operator: Operator, objects: int, running: asyncio.Task[None]) -> float:
    """Every object is decided with a reading, and none has been looked at for a while; since when."""
    reconciles, since_s = -1, time.monotonic()
    deadline_s = since_s + PATIENCE_S
    while True:
        await asyncio.sleep(0.1)
        if running.done():
            running.result()
        now_s = time.monotonic()
        if operator.queue.reconciles != reconciles or not operator.queue.is_idle:
            reconciles, since_s = operator.queue.reconciles, now_s
        if now_s - since_s >= QUIET_S and _read(operator) == objects:
            return since_s
        if now_s > deadline_s:
            raise SystemExit(f"not quiet within {PATIENCE_S:g} s: {_read(operator)} of {objects} are read")


def _read(operator: Operator) -> int:
    """Objects whose trigger has a value."""
    readings = (operator.rounds.latest((uid, 0)) for uid in operator.steps.tracker.by_uid)
    return sum(reading is not None and reading.failure is None for reading in readings)


if __name__ == "__main__":
    kubeconfig, objects, window_s, interval_s, *more = sys.argv[1:]
    found = loop.run(
        lambda: measure(
            Path(kubeconfig), int(objects), float(window_s), float(interval_s), is_stopped=bool(more)
        )
    )
    print(msgspec.json.encode(found).decode())
