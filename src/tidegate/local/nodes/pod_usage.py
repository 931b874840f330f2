"""What pods use of the machine: cpu in cores, memory in bytes, by the sessions of their containers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.base.errors import Failure
from tidegate.base.selectors import parse_selector
from tidegate.kube.resource import PODS
from tidegate.local.nodes.context import NodeContext
from tidegate.local.nodes.pods.container import Container
from tidegate.local.nodes.pods.container_plan import memory_limit
from tidegate.local.nodes.pods.pod_worker import PodTask
from tidegate.local.nodes.runtimes.of_engine import session_of
from tidegate.local.nodes.runtimes.port import PROCESS
from tidegate.local.objects import Objects
from tidegate.runtime.clock import Clock

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
WINDOW_S = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Ticks of cpu and bytes of memory by session, at a moment.

    A process that was waited for is in its parent's share, so a session's ticks only grow.
    """

    at: float
    ticks: Mapping[int, int] = field(default_factory=dict)
    memory: Mapping[int, int] = field(default_factory=dict)
    machine: int = 0


@dataclass(frozen=True, slots=True)
class Use:
    """Of a container, or of the machine."""

    cores: float
    bytes: int


@dataclass(frozen=True, slots=True)
class PodUse:
    namespace: str
    name: str
    labels: Mapping[str, str]
    containers: Mapping[str, Use]


@dataclass(frozen=True, slots=True)
class Uses:
    """What everything has used over `window_s`."""

    machine: Use
    pods: tuple[PodUse, ...]
    window_s: float


def machine_use(before: Sample, now: Sample) -> Use:
    """All processes of this machine together; memory is what is not available to others."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    sizes = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)}
    cores = max(0, now.machine - before.machine) / TICKS_PER_S / (now.at - before.at)
    return Use(cores, sizes["MemTotal"] - sizes["MemAvailable"])


def _machine_ticks() -> int:
    """Ticks in which a cpu of this machine was not idle and did not wait for a disk."""
    words = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    numbers = [int(word) for word in words]
    return sum(numbers) - numbers[3] - numbers[4]


def sample(at: float) -> Sample:
    """Reads all of /proc once."""
    ticks: dict[int, int] = {}
    memory: dict[int, int] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            fields = Path(f"/proc/{entry}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue
        session = int(fields[3])
        ticks[session] = ticks.get(session, 0) + sum(int(word) for word in fields[11:15])
        memory[session] = memory.get(session, 0) + int(fields[21]) * PAGE_BYTES
    return Sample(at, ticks, memory, _machine_ticks())


class Meter:
    """Measures when it is asked: usage since the asker before, over a second at least."""

    def __init__(self, objects: Objects, pods: Mapping[str, PodTask], clock: Clock) -> None:
        self._objects = objects
        self._pods = pods
        self._clock = clock
        self._before: Sample | None = None
        self._now: Sample | None = None
        self._turn = asyncio.Lock()

    async def usage(
        self, namespace: str, selector: str, resource: str, container: str = ""
    ) -> dict[str, float] | Failure:
        """Usage by pod name of the running pods that the label selector takes; cores or bytes.

        `container` "" is all of a pod's containers.
        """
        if resource not in ("cpu", "memory"):
            return Failure(
                "Unsupported", f"cannot measure {resource} of pods: only cpu and memory are measured"
            )
        before, now = await self._window()
        wanted = parse_selector(selector)
        result: dict[str, float] = {}
        for pod in self._objects.list(PODS, namespace):
            task = self._pods.get(pod["metadata"]["uid"])
            if task is None or not wanted.matches(pod["metadata"].get("labels") or {}):
                continue
            sessions = list(_sessions(task, container))
            if not sessions:
                continue
            if resource == "memory":
                result[task.name] = float(sum(now.memory.get(session, 0) for session in sessions))
            else:
                result[task.name] = _use(before, now, sessions).cores
        return result

    async def uses(self) -> Uses:
        """Of all running pods by container, and of the machine."""
        before, now = await self._window()
        pods = []
        for pod in self._objects.list(PODS):
            task = self._pods.get(pod["metadata"]["uid"])
            if task is None:
                continue
            names = [one.name for one in task.containers]
            sessions = {name: list(_sessions(task, name)) for name in names}
            used = {name: _use(before, now, of) for name, of in sessions.items() if of}
            meta = pod["metadata"]
            if used:
                pods.append(PodUse(meta["namespace"], meta["name"], meta.get("labels") or {}, used))
        return Uses(machine_use(before, now), tuple(pods), now.at - before.at)

    async def _window(self) -> tuple[Sample, Sample]:
        async with self._turn:
            if self._now is None:
                self._now = await asyncio.to_thread(sample, self._clock.monotonic())
            if self._before is None or self._clock.monotonic() - self._now.at >= WINDOW_S:
                missing_s = WINDOW_S - (self._clock.monotonic() - self._now.at)
                await self._clock.sleep(missing_s)
                self._before = self._now
                self._now = await asyncio.to_thread(sample, self._clock.monotonic())
            return self._before, self._now


class MemoryWatch:
    """Kills containers that take more memory than their limit, where no control group does it."""

    def __init__(self, context: NodeContext, pods: Mapping[str, PodTask]) -> None:
        self._context = context
        self._pods = pods

    async def run(self) -> None:
        while True:
            await self._context.clock.sleep(WINDOW_S)
            if self._context.groups is None:
                await self._look()

    async def _look(self) -> None:
        limited = [one for task in self._pods.values() for one in _limited(task)]
        if not limited:
            return
        used = (await asyncio.to_thread(sample, self._context.clock.monotonic())).memory
        for session, task, container, limit in limited:
            # What processes share counts in each of them: the sum is looked at closely before it counts.
            if used.get(session, 0) <= limit or await asyncio.to_thread(_own_memory, session) <= limit:
                continue
            instance = container.current
            if container.is_running and instance is not None:
                instance.mark_out_of_memory()
                await self._context.sweeper.sweep(task.uid, instance.name)


def _limited(task: PodTask) -> Iterator[tuple[int, PodTask, Container, int]]:
    for one in task.containers:
        limit = memory_limit(one.spec)
        if limit and one.is_running and one.seen and one.seen.claim and _is_process(one):
            yield one.seen.claim.session, task, one, limit


def _is_process(container: Container) -> bool:
    """What is in an engine is limited by it."""
    return container.current is not None and container.current.record().runtime in ("", PROCESS)


def _own_memory(session: int) -> int:
    """Bytes of the session's processes, with each one's part of what it shares."""
    total = 0
    for entry in os.listdir("/proc"):
        with suppress(OSError):
            if entry.isdigit() and os.getsid(int(entry)) == session:
                lines = Path(f"/proc/{entry}/smaps_rollup").read_text().splitlines()
                total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def _use(before: Sample, now: Sample, sessions: Iterable[int]) -> Use:
    sessions = list(sessions)
    ticks = sum(max(0, now.ticks.get(one, 0) - before.ticks.get(one, 0)) for one in sessions)
    cores = ticks / TICKS_PER_S / (now.at - before.at)
    return Use(cores, sum(now.memory.get(one, 0) for one in sessions))


def _sessions(task: PodTask, container: str) -> Iterable[int]:
    for one in task.containers:
        if container in ("", one.name) and one.is_running and one.seen and one.seen.claim:
            yield from _sessions_of(one, one.seen.claim.session)


def _sessions_of(container: Container, launched: int) -> Iterator[int]:
    if _is_process(container):
        yield launched
    elif container.current is not None and (session := session_of(container.current)) is not None:
        yield session
