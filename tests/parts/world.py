"""A small world for controllers: objects, a node that acts, and controllers that may be killed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from tests.parts.acting_node import ActingNode, Outcome
from tests.parts.jumping_loop import LoopClock, run
from tests.parts.memory_objects import MemoryObjects
from tests.parts.mortal_objects import MortalObjects

from tidegate.local.controllers.controller import Controller, Reconciler
from tidegate.local.objects import Object, Objects

Team = Callable[[Objects, LoopClock], Iterable[Reconciler[Any]]]


class World:
    """`start` and `kill` the controllers of `team` as often as you like; the node lives on."""

    def __init__(self, team: Team, outcome: Callable[[Object], Outcome] = lambda pod: None) -> None:
        self.clock = LoopClock()
        self.objects = MemoryObjects(self.clock)
        self.node = ActingNode(self.objects, outcome)
        self.node.start()
        self.team = team
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, objects: Objects | None = None) -> None:
        seen = objects or self.objects
        for reconciler in self.team(seen, self.clock):
            self._tasks.append(asyncio.create_task(Controller(reconciler, seen, self.clock).run()))

    async def kill(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def pass_s(self, seconds: float) -> None:
        await self.clock.sleep(seconds)
        for task in self._tasks:
            assert not task.done(), task

    async def end(self) -> None:
        await self.kill()
        self.node.stop()


Scenario = Callable[[World], Any]


def live(scenario: Scenario, team: Team, outcome: Callable[[Object], Outcome] = lambda pod: None) -> None:
    """Runs `await scenario(world)` with the team at work."""

    async def main() -> None:
        world = World(team, outcome)
        world.start()
        try:
            await scenario(world)
        finally:
            await world.end()

    run(main)


def die_everywhere(
    begin: Scenario,
    check: Scenario,
    team: Team,
    outcome: Callable[[Object], Outcome] = lambda pod: None,
    *,
    lifetime_s: float = 60,
) -> int:
    """Kills the team at its first write, at its second … each before and after the commit.

    Each time a fresh team takes over, and `check` looks at the world. Returns how many writes
    there were to die at.
    """
    last = 1
    while _die_at(last, False, (begin, check), (team, outcome), lifetime_s):
        assert _die_at(last, True, (begin, check), (team, outcome), lifetime_s)
        last += 1
    return last - 1


def _die_at(
    last: int,
    is_committed: bool,
    scenarios: tuple[Scenario, Scenario],
    cast: tuple[Team, Callable[[Object], Outcome]],
    lifetime_s: float,
) -> bool:
    async def main() -> bool:
        world = World(*cast)
        mortal = MortalObjects(world.objects, last, is_committed=is_committed)
        try:
            await scenarios[0](world)
            world.start(mortal)
            await world.pass_s(lifetime_s)
            await world.kill()
            world.start()
            await scenarios[1](world)
        finally:
            await world.end()
        return mortal.is_dead

    return run(main)
