"""A world of claimed work in virtual time: a broker, a cluster, claimants that crash, stop and are cut off.

The broker keeps what it keeps as our scripts for Redis do; a claimant decides with `decide_claims` alone.
Laws are checked at every step that could break them.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from tidegate.base.errors import Failure
from tidegate.core.claims import answers
from tidegate.core.claims.decide import decide_claims
from tidegate.core.claims.values import (
    Acknowledge,
    Answer,
    Ask,
    ClaimMemory,
    DeadLetter,
    GiveBack,
    Message,
    Policy,
    Queue,
    Release,
    Renew,
    Renewed,
    Settled,
    StartTask,
    Take,
    Taken,
    Unguard,
)
from tidegate.core.values import JobView, Task

START = datetime(2026, 1, 1, tzinfo=UTC)
CUT = Failure("Unreachable", "the connection was cut")


@dataclass
class Record:
    """A message that the broker has handed out: held until `at`, or, without holder, due then."""

    body: str
    holder: str
    at: datetime
    finished: int = 0
    receipt: str = ""


@dataclass
class Broker:
    """A list, and what was claimed of it."""

    clock: Clock
    queue: list[str] = field(default_factory=list)
    records: dict[str, Record] = field(default_factory=dict)
    dead: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    count: int = 0
    requests: int = 0
    is_counting = True

    def carry_out(
        self, holder: str, known: list[str], policy: Policy, ask: Ask, receipts: dict[str, str]
    ) -> Answer:
        """`receipts` are those of the claimant; new ones are put there."""
        self.requests += 1
        now = self.clock.now
        until = now + timedelta(seconds=policy.lease_s)
        if isinstance(ask, Take):
            return self._take(holder, known, until, ask.maximum)
        if isinstance(ask, Renew):
            lost = tuple(one for one in ask.ids if not self._is_of(holder, one))
            for id in ask.ids:
                if id not in lost:
                    self.records[id].at = until
            return Renewed(until, lost)
        if isinstance(ask, GiveBack):
            for id in ask.ids:
                if self._is_of(holder, id):
                    self.queue.insert(0, self.records.pop(id).body)
            if not any(one.holder and one.holder != holder for one in self.records.values()):
                for id in [one for one, record in self.records.items() if not record.holder]:
                    self.queue.insert(0, self.records.pop(id).body)
            return Settled()
        if not self._is_of(holder, ask.id):
            return Settled(is_elsewhere=ask.id in self.records)
        if isinstance(ask, Acknowledge):
            self.done.append(self.records.pop(ask.id).body)
        elif isinstance(ask, DeadLetter):
            self.dead.append(self.records.pop(ask.id).body)
        elif self.records[ask.id].finished < ask.finished:
            record = self.records[ask.id]
            record.finished, record.holder = ask.finished, ""
            record.at = now + timedelta(seconds=ask.delay_s)
        return Settled()

    def held(self, holder: str) -> list[str]:
        return [id for id, one in self.records.items() if one.holder == holder]

    def _is_of(self, holder: str, id: str) -> bool:
        return id in self.records and self.records[id].holder == holder

    def _take(self, holder: str, known: list[str], until: datetime, maximum: int) -> Taken:
        now = self.clock.now
        given = [id for id in self.held(holder) if id not in known]
        room = maximum - len(self.held(holder))
        for id, one in self.records.items():
            if room > 0 and one.holder != holder and one.at <= now:
                given.append(id)
                room -= 1
        while room > 0 and self.queue:
            self.count += 1
            id = f"m{self.count}"
            self.records[id] = Record(self.queue.pop(0), holder, until)
            given.append(id)
            room -= 1
        for id in given:
            self.records[id].holder, self.records[id].at = holder, until
        due = [one.at for one in self.records.values() if not one.holder]
        found = (Message(id, until, now, self.records[id].finished) for id in given)
        return Taken(tuple(found), retry=min(due, default=None))


@dataclass
class Job:
    """One Job; `ends_at` is when it will have ended, `is_good` how."""

    name: str
    owner: str
    task: Task
    body: str
    created: datetime
    ends_at: datetime
    is_good: bool
    is_finished: bool = False
    is_ending: bool = False
    is_guarded: bool = True
    receipt: str = ""

    def view(self) -> JobView:
        return JobView(
            self.name,
            is_finished=self.is_finished,
            is_failed=self.is_finished and not self.is_good,
            created_at=self.created,
            ended_at=self.ends_at if self.is_finished and not self.is_good else None,
            is_ending=self.is_ending,
            task=self.task,
            is_guarded=self.is_guarded,
        )


@dataclass
class Clock:
    now: datetime = START


@dataclass
class Claimant:
    """A process that claims as `holder`; what it knows is lost with each crash."""

    holder: str
    policy: Policy
    memory: ClaimMemory = field(default_factory=ClaimMemory)
    receipts: dict[str, str] = field(default_factory=dict)
    stopped_until: datetime = START

    def crash(self) -> None:
        self.memory = ClaimMemory()
        self.receipts = {}


class Claims:
    """The world; `seed` decides everything."""

    def __init__(
        self,
        seed: int,
        policy: Policy,
        *,
        holders: int = 1,
        longest_stop_s: float = 0.0,
        broker: Callable[[Clock], Broker] = Broker,
    ) -> None:
        self.chance = random.Random(seed)
        self.clock = Clock()
        self.broker = broker(self.clock)
        self.jobs: dict[str, Job] = {}
        self.ended: dict[str, int] = {}
        self.successes: list[str] = []
        self.failed_once: set[str] = set()
        self.claimants = [Claimant(f"h{number}", policy) for number in range(holders)]
        self.longest_stop_s = longest_stop_s
        self.may_lapse = longest_stop_s > 0
        self.meddled = False
        self.cut = 0.0
        self.crash = 0.0
        self.meddling = 0.0

    def step(self) -> None:
        """Time passes, Jobs end, people meddle, every claimant that runs decides and acts."""
        self.clock.now += timedelta(seconds=self.chance.choice((0.5, 1, 5, 15)))
        self._live()
        for claimant in self.claimants:
            if self.longest_stop_s and self.chance.random() < 0.05:
                stop_s = self.chance.uniform(0, self.longest_stop_s)
                claimant.stopped_until = self.clock.now + timedelta(seconds=stop_s)
            if self.clock.now >= claimant.stopped_until:
                self._turn(claimant)

    def settle(self, steps: int = 400) -> None:
        """Nothing goes wrong any more: everything comes to its end."""
        self.cut = self.crash = self.meddling = self.longest_stop_s = 0.0
        for _ in range(steps):
            self.step()
            if not self.broker.queue and not self.broker.records and not self.jobs:
                return

    def _live(self) -> None:
        for job in list(self.jobs.values()):
            if not job.is_finished and job.ends_at <= self.clock.now:
                job.is_finished = True
                self.ended[job.body] = self.ended.get(job.body, 0) + 1
                if job.is_good:
                    self.successes.append(job.body)
            if self.chance.random() < self.meddling and (job.is_finished or self.chance.random() < 0.2):
                # TTL, history limits, or somebody with kubectl.
                job.is_ending = self.meddled = True
            is_trimmed = job.is_finished and self.chance.random() < 0.3
            if not job.is_guarded and (job.is_ending or is_trimmed):
                self._remove(job)

    def _remove(self, job: Job) -> None:
        del self.jobs[job.name]

    def _turn(self, claimant: Claimant) -> None:
        for _ in range(4):
            jobs = tuple(one.view() for one in self.jobs.values() if one.owner == claimant.holder)
            queue = Queue(bool(self.broker.queue), self.clock.now)
            decision = decide_claims(claimant.policy, claimant.memory, jobs, queue, self.clock.now)
            claimant.memory = decision.memory
            for act in decision.actions:
                if self.chance.random() < self.crash:
                    claimant.crash()
                    return
                self._act(claimant, act)
                if self.chance.random() < self.crash / 4:
                    # Before the receipts that came with the answer are written down.
                    claimant.crash()
                    return
                self._write(claimant)
            if not decision.actions:
                return

    def _write(self, claimant: Claimant) -> None:
        """Puts the receipts of what is held on its Jobs."""
        for job in self.jobs.values():
            held = claimant.memory.message(job.task.id)
            if job.owner == claimant.holder and held is not None and job.task.attempt == held.attempt:
                job.receipt = claimant.receipts.get(held.id, job.receipt)

    def _shown(self, claimant: Claimant, act: Ask) -> dict[str, str]:
        """The receipts that a claimant can show: its own, else those of its Jobs."""
        jobs = sorted(self.jobs.values(), key=lambda one: one.task.attempt)
        is_resuming = isinstance(act, Take) and not act.maximum
        found = {
            one.task.id: one.receipt
            for one in jobs
            if one.owner == claimant.holder and not (is_resuming and one.is_finished)
        }
        held = {id: one for id, one in claimant.receipts.items() if claimant.memory.message(id) is not None}
        return {**found, **held}

    def _act(self, claimant: Claimant, act: Ask | StartTask | Unguard) -> None:
        if isinstance(act, StartTask):
            if claimant.memory.message(act.id) is None:
                return
            self._start(claimant, act)
            claimant.memory = answers.started(claimant.memory, _name(claimant.holder, act), self.clock.now)
            return
        if isinstance(act, Unguard):
            job = self.jobs[act.job]
            job.is_guarded = False
            claimant.memory = answers.freed(claimant.memory, act.job)
            if job.is_ending and not job.is_finished:
                # Its pods are stopped, and it is over.
                self._remove(job)
            return
        answer: Answer = CUT
        chance = self.chance.random()
        if chance >= self.cut / 2:
            shown = self._shown(claimant, act)
            known = [one.id for one in claimant.memory.held]
            answer = self.broker.carry_out(claimant.holder, known, claimant.policy, act, shown)
            if chance >= self.cut:
                claimant.receipts = shown
            self._law_of_the_maximum(claimant)
            if isinstance(act, Release | DeadLetter) and act.job and not self.jobs[act.job].is_finished:
                # A Job that was deleted while it ran counts from here on.
                self._count_deleted(self.jobs[act.job])
        if self.cut / 2 <= chance < self.cut:
            answer = CUT
        claimant.memory = answers.answered(
            claimant.memory, act, answer, self.clock.now - timedelta(seconds=0.1), self.clock.now
        )

    def _count_deleted(self, job: Job) -> None:
        if self.ended.get(job.body, 0) < job.task.attempt:
            self.ended[job.body] = self.ended.get(job.body, 0) + 1
        job.ends_at = datetime.max.replace(tzinfo=UTC)

    def _start(self, claimant: Claimant, act: StartTask) -> None:
        name = _name(claimant.holder, act)
        if name in self.jobs:
            return
        record = self.broker.records.get(act.id)
        message = claimant.memory.message(act.id)
        assert message is not None
        assert record is not None or self.may_lapse, "a Job for a message that the broker does not hold"
        if record is None:
            return
        running = [
            one
            for one in self.jobs.values()
            if one.body == record.body and not one.is_finished and one.ends_at.year < 9000
        ]
        is_held = record.holder == claimant.holder and record.at > self.clock.now
        if is_held and not self.may_lapse:
            assert not running, f"two Jobs at a time for {record.body}"
            ended = self.ended.get(record.body, 0)
            assert act.attempt == ended + 1 or self._may_miscount(act.attempt, ended), "ended Jobs count"
        good = not record.body.startswith("poison")
        if good and record.body.startswith("shaky") and record.body not in self.failed_once:
            self.failed_once.add(record.body)
            good = False
        rest = timedelta(seconds=self.chance.choice((1, 12, 30, 200)))
        now = self.clock.now
        task = Task(act.id, act.attempt)
        self.jobs[name] = Job(name, claimant.holder, task, record.body, now, now + rest, good)
        self.jobs[name].receipt = claimant.receipts.get(act.id, "")

    def _may_miscount(self, attempt: int, ended: int) -> bool:
        """A Job that is deleted while it runs is not counted where Jobs alone count."""
        return not self.broker.is_counting and bool(self.meddled) and attempt <= ended + 1

    def _law_of_the_maximum(self, claimant: Claimant) -> None:
        if not self.broker.is_counting:
            # It counts claims whose answer was lost, and which nobody knows of.
            assert len(claimant.memory.held) <= claimant.policy.maximum
            return
        held = self.broker.held(claimant.holder)
        assert len(held) <= claimant.policy.maximum, f"{len(held)} messages held"


def _name(holder: str, act: StartTask) -> str:
    return f"{holder}-{act.id}-{act.attempt}"


def ending(policy: Policy) -> Policy:
    """The policy of an object that is being deleted."""
    return replace(policy, is_ending=True)
