"""A whole life of claimed work at a real source: our decisions and writers, Jobs as values, and deaths.

The one that claims may die before or after any of its commands; the next one begins with nothing. Rests
between attempts are left out, so that a life takes no time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from parts.claim_sources import ClaimSource
from tidegate.connections.adapter import Surroundings
from tidegate.connections.claims.writers import Writer, Writers, connected
from tidegate.core.claims import answers
from tidegate.core.claims.decide import decide_claims
from tidegate.core.claims.values import Ask, Policy, Queue, Release, StartTask, Unguard
from tidegate.core.values import JobView, Task
from tidegate.kit.question import Server
from tidegate.kit.systems.claims import Command
from tidegate.operator.reconcile.claim_state import ClaimState
from tidegate.operator.scaledjob.claims.broker import Broker
from tidegate.runtime.clock import SystemClock

POISON = b"poison"


class Killed(Exception):
    """The one that claims is dead."""


@dataclass
class Fate:
    """Dies at its n-th command (0: never), before the server has heard of it or once it is done."""

    dies_at: int = 0
    is_done: bool = False
    steps: int = 0

    def passes(self, *, is_done: bool) -> None:
        self.steps += not is_done
        if self.steps == self.dies_at and is_done == self.is_done:
            self.dies_at = 0
            raise Killed


class Mortal:
    """A writer whose commands go one by one, so that death may come between any two."""

    def __init__(self, writer: Writer, fate: Fate) -> None:
        self.writer = writer
        self.fate = fate

    async def carry_out(self, commands: Sequence[Command]) -> Any:
        results = []
        for command in commands:
            self.fate.passes(is_done=False)
            results += await self.writer.carry_out([command])
            self.fate.passes(is_done=True)
        return results

    async def close(self) -> None:
        await self.writer.close()


@dataclass
class Life:
    """A ScaledJob that claims at most `maximum` at a time, each message in two attempts, and its Jobs."""

    source: ClaimSource
    address: str
    fate: Fate = field(default_factory=Fate)
    maximum: int = 2
    jobs: dict[str, JobView] = field(default_factory=dict)
    bodies: dict[str, bytes] = field(default_factory=dict)
    receipts: dict[str, str] = field(default_factory=dict)
    begun: Counter[bytes] = field(default_factory=Counter)
    ended: Counter[bytes] = field(default_factory=Counter)

    @property
    def lease_s(self) -> float:
        return self.source.shortest_s if self.source.gives_receipts else 60.0

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A process that knows nothing."""

        def mortal(server: Server, surroundings: Surroundings) -> Writer:
            return Mortal(connected(server, surroundings), self.fate)

        self.broker = Broker(Writers(Surroundings(timeout_s=5.0), mortal), SystemClock())
        self.source.lasts(self.lease_s)
        self.state = ClaimState(self.source.source(self.address))

    async def dies(self) -> None:
        await self.broker.writers.close()

    async def until_all_have_ended(self, turns: int = 60) -> None:
        """Lives on, through every death, until nothing is left to do."""
        for _ in range(turns):
            try:
                is_quiet = await self.turn()
            except Killed:
                await self.dies()
                self.begin()
                continue
            is_left = bool(self.source.unclaimed())
            if self.source.gives_receipts:
                # A lease may end between two looks.
                is_left = is_left or bool(self.source.kept()) or bool(self.source.unclaimed())
            if is_quiet and not self.jobs and not is_left:
                await self.dies()
                return
            self._tell_again()
            self.work()
            if self.source.gives_receipts and (is_left or not is_quiet):
                # A claim whose answer nobody has heard is over when its lease is.
                await asyncio.sleep(self.source.shortest_s / 5)
        raise AssertionError(f"not at an end: {self.jobs}, {self.state.memory}")

    async def turn(self) -> bool:
        """Decides and acts as the reconcile does; whether nothing was left to do but to look for more."""
        is_quiet = True
        for _ in range(6):
            now = self.broker.clock.now()
            policy = Policy(maximum=self.maximum, attempts=2, lease_s=self.lease_s)
            decision = decide_claims(
                policy, self.state.memory, tuple(self.jobs.values()), Queue(True, now), now
            )
            self.state.memory = decision.memory
            if not decision.actions:
                break
            await self._ask([one for one in decision.actions if not isinstance(one, StartTask | Unguard)])
            for one in decision.actions:
                if isinstance(one, Unguard):
                    del self.jobs[one.job]
                    self.state.memory = answers.freed(self.state.memory, one.job)
                elif isinstance(one, StartTask) and self.state.memory.message(one.id) is not None:
                    self._start(one)
            is_quiet = not self.state.memory.held and not self.state.memory.retry
        return is_quiet

    async def _ask(self, asks: list[Ask]) -> None:
        asks = [replace(one, delay_s=0.0) if isinstance(one, Release) else one for one in asks]
        state = self.state
        started = {one.task.id for one in self.jobs.values() if one.task is not None}
        known = tuple(one.id for one in state.memory.held if one.id in state.bodies or one.id in started)
        shown = self._receipts()
        found = await self.broker.ask("holder", state, self.lease_s, asks, known, shown) if asks else []
        for ask, answer in zip(asks, found, strict=True):
            now = self.broker.clock.now()
            state.memory = answers.answered(state.memory, ask, answer, now, now)
        assert state.memory.trouble is None, state.memory.trouble
        for message in state.memory.held:
            if message.id in state.receipts:
                self.receipts[f"{message.id}-{message.attempt}"] = state.receipts[message.id]
        held = {one.id for one in state.memory.held}
        state.receipts = {id: one for id, one in state.receipts.items() if id in held}

    def _receipts(self) -> dict[str, str]:
        """Those that stand on Jobs; before it is known what we hold, of those alone that go on."""
        found = {}
        for job in sorted(self.jobs.values(), key=lambda one: one.task.attempt if one.task else 0):
            if job.task is not None and (self.state.memory.is_resumed or not job.is_finished):
                found[job.task.id] = self.receipts.get(job.name, "")
        return {id: receipt for id, receipt in found.items() if receipt}

    def _start(self, act: StartTask) -> None:
        name = f"{act.id}-{act.attempt}"
        if name in self.jobs:
            return
        body = self.state.bodies[act.id].body
        running = [one.name for one in self.jobs.values() if not one.is_finished]
        assert body not in [self.bodies[one] for one in running], f"two Jobs at a time for {body!r}"
        self.jobs[name] = JobView(name, task=Task(act.id, act.attempt), is_guarded=True)
        self.bodies[name] = body
        self.begun[body] += 1

    def _tell_again(self) -> None:
        """An outcome that waits for its message is told again at once: its rest is left out, too."""
        now = self.broker.clock.now()
        waiting = tuple(replace(one, until=now) for one in self.state.memory.waiting)
        self.state.memory = replace(self.state.memory, waiting=waiting)

    def work(self) -> None:
        """Every Job ends: those of poison fail."""
        for name, job in self.jobs.items():
            if not job.is_finished:
                body = self.bodies[name]
                self.jobs[name] = replace(job, is_finished=True, is_failed=body == POISON)
                self.ended[body] += body != POISON


WORDS = [b"a", b"b", POISON, b"c"]
STEPS = 20
"""Commands of a whole life, and more."""


async def lived(source: ClaimSource, fate: Fate) -> Life:
    """A whole life, and what must be true at its end."""
    source.empty()
    source.push(*WORDS)
    life = Life(source, f"127.0.0.1:{source.port}", fate)
    await life.until_all_have_ended()
    assert life.begun == {b"a": 1, b"b": 1, b"c": 1, POISON: 2}
    assert life.ended == {b"a": 1, b"b": 1, b"c": 1, POISON: 0}
    assert source.dead() == [POISON]
    assert (source.unclaimed(), source.kept()) == ([], 0)
    return life
