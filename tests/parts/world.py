"""A small world for controllers: objects, a node that acts, and controllers that may be killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from parts.acting_node import ActingNode, Outcome
from parts.counted_objects import CountedObjects
from parts.memory_objects import MemoryObjects
from parts.mortal_objects import MortalObjects
from parts.served import without_authorities
from parts.virtualtime import VirtualClock, VirtualLoop, run
from tidegate.kube.resource import NAMESPACES
from tidegate.local.apiserver.control_plane import open_plane
from tidegate.local.controllers.controller import Controller, Reconciler
from tidegate.local.objects import Object, Objects

Team = Callable[[Objects, VirtualClock], Iterable[Reconciler[Any]]]
Outcomes = Callable[[Object], Outcome]
Backing = Callable[[VirtualClock], AbstractAsyncContextManager[Objects]]


def runs_on(pod: Object) -> Outcome:
    return None


@asynccontextmanager
async def in_memory(clock: VirtualClock) -> AsyncIterator[Objects]:
    objects = MemoryObjects(clock)
    await objects.create(NAMESPACES, {"metadata": {"name": "default"}})
    yield objects


@asynccontextmanager
async def on_the_plane(clock: VirtualClock) -> AsyncIterator[Objects]:
    """The API server's own objects, in a directory that goes with the test."""
    with TemporaryDirectory() as directory:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.wait_while(lambda: True)
        plane = await without_authorities(await open_plane(Path(directory), clock))
        try:
            yield plane.objects
        finally:
            loop.wait_while(lambda: True)
            await plane.close()


class World:
    """`start` and `kill` the controllers of `team` as often as you like; the node lives on."""

    def __init__(self, clock: VirtualClock, objects: Objects, team: Team, outcome: Outcomes) -> None:
        self.clock = clock
        self.objects = CountedObjects(objects)
        self.node = ActingNode(self.objects, clock, outcome)
        self.node.start()
        self.team = team
        self._tasks: list[asyncio.Task[None]] = []
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        loop.wait_while(lambda: self.objects.in_flight > 0)

    def start(self, objects: Objects | None = None) -> None:
        seen = objects or self.objects
        for reconciler in self.team(seen, self.clock):
            self._tasks.append(asyncio.create_task(Controller(reconciler, seen, self.clock, workers=3).run()))

    async def kill(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def pass_s(self, seconds: float) -> None:
        await self.clock.sleep(seconds)
        for task in self._tasks:
            assert not task.done(), task

    async def writes_at_rest(self, seconds: float) -> int:
        """How much a team that begins anew writes within `seconds`; nobody else may write meanwhile."""
        await self.kill()
        before = self.objects.writes
        self.start()
        await self.pass_s(seconds)
        return self.objects.writes - before

    async def end(self) -> None:
        await self.kill()
        self.node.stop()


Scenario = Callable[[World], Any]


def live(
    scenario: Scenario, team: Team, outcome: Outcomes = runs_on, *, backing: Backing = in_memory
) -> None:
    """Runs `await scenario(world)` with the team at work."""

    async def story(clock: VirtualClock) -> None:
        async with backing(clock) as objects:
            world = World(clock, objects, team, outcome)
            world.start()
            try:
                await scenario(world)
            finally:
                await world.end()

    run(story)


def die_everywhere(
    begin: Scenario,
    check: Scenario,
    team: Team,
    outcome: Outcomes = runs_on,
    *,
    lifetime_s: float = 60,
    backing: Backing = in_memory,
) -> int:
    """Kills the team at its first write, at its second … each before and after the commit.

    Each time a fresh team takes over, and `check` looks at the world. Returns how many writes
    there were to die at.
    """

    async def die_at(last: int, is_committed: bool, clock: VirtualClock) -> bool:
        async with backing(clock) as objects:
            world = World(clock, objects, team, outcome)
            mortal = MortalObjects(world.objects, last, is_committed=is_committed)
            try:
                await begin(world)
                world.start(mortal)
                await world.pass_s(lifetime_s)
                await world.kill()
                world.start()
                await check(world)
            finally:
                await world.end()
            return mortal.is_dead

    last = 1
    while run(partial(die_at, last, False)):
        assert run(partial(die_at, last, True))
        last += 1
    return last - 1
