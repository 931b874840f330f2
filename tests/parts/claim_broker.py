"""A broker that is claimed from, in memory, with the rules of our scripts for Redis; and its cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from parts.cluster import LABEL, Cluster, redis
from tidegate.base.errors import TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.claims.writers import Writer
from tidegate.core.claims.values import Acknowledge, DeadLetter, GiveBack, Release, Renew, Take
from tidegate.kit.question import Question, Server
from tidegate.kit.systems.claims import Command, Deliveries, Delivery, Done, NotYet, Renewals, Result
from tidegate.kit.systems.postgresql import PostgresqlServer
from tidegate.kube.resource import JOBS
from tidegate.operator.operator import Operator, Stance
from tidegate.operator.scaledjob.claims.claiming import MayClaim
from tidegate.runtime.clock import Clock

Object = dict[str, Any]


@dataclass
class Claimed:
    """A message that was handed out: held till `at_s`, or without a holder due then."""

    body: bytes
    holder: str
    at_s: float
    finished: int = 0
    receipt: str = ""


@dataclass
class ClaimBroker:
    """One list. `before` runs ahead of every command, and `after` before its answer comes; both may raise."""

    clock: Clock
    queue: list[bytes] = field(default_factory=list)
    claimed: dict[str, Claimed] = field(default_factory=dict)
    done: list[bytes] = field(default_factory=list)
    dead: list[bytes] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    batches: int = 0
    is_down: bool = False
    told: str = ""
    before: Callable[[Command], Awaitable[None]] | None = None
    after: Callable[[Command], Awaitable[None]] | None = None

    def connect(self, server: Server, surroundings: Surroundings) -> Writer:
        return self

    async def carry_out(self, commands: Sequence[Command]) -> Sequence[Result | TidegateError]:
        await asyncio.sleep(0.001)
        self.batches += 1
        if self.is_down:
            raise Unreachable("connect", on="Redis redis:6379", answer="connection refused")
        results = []
        for one in commands:
            if self.before is not None:
                await self.before(one)
            self.commands.append(one)
            results.append(self._result(one))
            if self.after is not None:
                await self.after(one)
        return results

    async def close(self) -> None:
        """Nothing is open."""

    def _result(self, command: Command) -> Result:
        ask, holder, now_s = command.ask, command.holder, self.clock.monotonic()
        until_s = now_s + command.lease_s
        if isinstance(ask, Take):
            return self._taken(command, ask.maximum, until_s)
        if isinstance(ask, Renew):
            lost = tuple(one for one in ask.ids if not self._is_of(holder, one))
            for id in set(ask.ids) - set(lost):
                self.claimed[id].at_s = until_s
            return Renewals(lost)
        if isinstance(ask, GiveBack):
            for id in ask.ids:
                if self._is_of(holder, id):
                    self.queue.insert(0, self.claimed.pop(id).body)
            for id in [id for id, one in self.claimed.items() if not one.holder]:
                self.queue.insert(0, self.claimed.pop(id).body)
            return Done()
        if not self._is_of(holder, ask.id):
            return Done(is_elsewhere=ask.id in self.claimed)
        if isinstance(ask, Acknowledge):
            self.done.append(self.claimed.pop(ask.id).body)
        elif isinstance(ask, DeadLetter):
            self.dead.append(self.claimed.pop(ask.id).body)
        elif isinstance(ask, Release) and self.claimed[ask.id].finished < ask.finished:
            one = self.claimed[ask.id]
            one.finished, one.holder, one.at_s = ask.finished, "", now_s + ask.delay_s
        return Done()

    def _is_of(self, holder: str, id: str) -> bool:
        return id in self.claimed and self.claimed[id].holder == holder

    def _taken(self, command: Command, maximum: int, until_s: float) -> Deliveries:
        now_s, holder = self.clock.monotonic(), command.holder
        held = [id for id, one in self.claimed.items() if one.holder == holder]
        given, room = [id for id in held if id not in command.known], maximum - len(held)
        for id, one in self.claimed.items():
            if room > 0 and one.holder != holder and one.at_s <= now_s:
                given.append(id)
                room -= 1
        while room > 0 and self.queue:
            id = f"{command.nonce}-{room}"
            self.claimed[id] = Claimed(self.queue.pop(0), holder, until_s)
            given.append(id)
            room -= 1
        for id in given:
            self.claimed[id].holder, self.claimed[id].at_s = holder, until_s
        due = [one.at_s - now_s for one in self.claimed.values() if not one.holder]
        items = (Delivery(id, self.claimed[id].body, self.claimed[id].finished) for id in given)
        return Deliveries(tuple(items), retry_s=max(0.0, min(due)) if due else None, told=self.told)


class ReceiptBroker(ClaimBroker):
    """One that knows messages by identity and receipt alone, as Azure does: it lists nothing that is held,
    tells no body twice, counts no Jobs, and gives another receipt with every answer.
    """

    def _result(self, command: Command) -> Result:
        ask, now_s = command.ask, self.clock.monotonic()
        until_s = now_s + command.lease_s
        if isinstance(ask, Renew):
            lost = tuple(id for id in ask.ids if not self._fits(command, id))
            renewed = [id for id in ask.ids if id not in lost]
            return Renewals(lost, receipts=tuple((id, self._again(id, until_s)) for id in renewed))
        if isinstance(ask, GiveBack):
            for id in ask.ids:
                if self._fits(command, id):
                    self._again(id, now_s)
            return Done()
        if isinstance(ask, Release):
            if self._fits(command, ask.id):
                self._again(ask.id, now_s + ask.delay_s)
            return Done(is_uncounted=True)
        if isinstance(ask, Acknowledge | DeadLetter):
            return self._ended(command, ask)
        return super()._result(command)

    def _ended(self, command: Command, ask: Acknowledge | DeadLetter) -> Result:
        if ask.id not in self.claimed:
            return Done()
        if not self._fits(command, ask.id):
            return NotYet()
        if isinstance(ask, DeadLetter) and command.body is None:
            self._again(ask.id, self.clock.monotonic())
            return NotYet()
        body = self.claimed.pop(ask.id).body
        (self.done if isinstance(ask, Acknowledge) else self.dead).append(body)
        return Done()

    def _taken(self, command: Command, maximum: int, until_s: float) -> Deliveries:
        if not maximum:
            ours = [id for id, _ in command.receipts if self._fits(command, id)]
            return Deliveries(held=tuple((id, self._again(id, until_s)) for id in ours))
        given = [id for id, one in self.claimed.items() if one.at_s <= self.clock.monotonic()]
        room = maximum - len(command.known)
        while self.queue and len(given) < room:
            given.append(f"{command.nonce}-{len(given)}")
            self.claimed[given[-1]] = Claimed(self.queue.pop(0), "", until_s)
        items = (Delivery(id, self.claimed[id].body, receipt=self._again(id, until_s)) for id in given[:room])
        return Deliveries(tuple(items))

    def _fits(self, command: Command, id: str) -> bool:
        return id in self.claimed and self.claimed[id].receipt == command.receipt(id)

    def _again(self, id: str, at_s: float) -> str:
        one = self.claimed[id]
        one.at_s, one.receipt = at_s, f"r{len(self.commands)}-{id}"
        return one.receipt


class Lengths(dict[str, float]):
    """The length of the broker's list, as it is now."""

    def __init__(self, broker: ClaimBroker) -> None:
        super().__init__()
        self.broker = broker

    def get(self, key: str, default: Any = None) -> Any:
        broker = self.broker
        # Azure's length counts what is held, too.
        held = len(broker.claimed) if isinstance(broker, ReceiptBroker) else 0
        return len(broker.queue) + held if key == "jobs" else default


@dataclass
class Rows:
    """A database whose queries count what the broker's list holds."""

    broker: ClaimBroker
    batch: int = 1000
    wake_gap_s: float = 0.25

    async def answer(self, questions: Sequence[Question]) -> Sequence[int]:
        await asyncio.sleep(0.001)
        return [len(self.broker.queue)] * len(questions)

    async def close(self) -> None:
        """Nothing is open."""


class ClaimCluster(Cluster):
    """A cluster whose operator claims from `broker`, where it is allowed."""

    def __init__(
        self, clock: Clock, may: MayClaim | None = None, broker: type[ClaimBroker] = ClaimBroker
    ) -> None:
        self.broker = broker(clock)
        self.may = may if may is not None else MayClaim(frozenset({"*"}))
        super().__init__(clock)
        self.redis.lists = Lengths(self.broker)

    def new_operator(self) -> Operator:
        may = MayClaim(self.may.namespaces, self.may.is_implied, self.broker.connect)
        return Operator(
            self.client,  # type: ignore[arg-type]
            self.clock,
            Surroundings(),
            self.options,
            connect=lambda server: (
                Rows(self.broker) if isinstance(server, PostgresqlServer) else self.redis.connect(server)
            ),
            stance=Stance(claims=may),
        )

    def push(self, *bodies: str | bytes) -> None:
        self.broker.queue += [one.encode() if isinstance(one, str) else one for one in bodies]

    async def claiming_job(self, *triggers: Object, **spec: Any) -> Object:
        annotations = {"tidegate.dev/claim": "true", **spec.pop("annotations", {})}
        spec = {"pollingInterval": 5, "maxReplicaCount": 3, **spec}
        metadata = {"annotations": annotations}
        return await self.scaled_job("crunch", *(triggers or (redis(),)), metadata=metadata, **spec)

    def found(self) -> list[Object]:
        """The Jobs, by the order of their creation."""
        return self.objects.list(JOBS, "shop", {LABEL: "crunch"})

    def environment(self, job: Object) -> dict[str, str]:
        (container,) = job["spec"]["template"]["spec"]["containers"]
        return {one["name"]: one["value"] for one in container["env"]}

    def carried(self) -> list[str]:
        """The bodies that unfinished Jobs carry."""
        return sorted(
            self.environment(one)["KEDA_TASK_DATA"]
            for one in self.found()
            if not (one.get("status") or {}).get("conditions")
        )

    async def work(self, *, fails: Callable[[str], bool] = lambda body: False) -> None:
        """Every unfinished Job ends."""
        for one in self.found():
            if not (one.get("status") or {}).get("conditions"):
                body = self.environment(one).get("KEDA_TASK_DATA", "")
                await self.finish(one["metadata"]["name"], "Failed" if fails(body) else "Complete")


@asynccontextmanager
async def claiming(clock: Clock, may: MayClaim | None = None) -> AsyncIterator[ClaimCluster]:
    """A cluster with an operator that runs while the block does."""
    cluster = ClaimCluster(clock, may)
    task = asyncio.create_task(cluster.operator.run())
    try:
        yield cluster
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if not task.cancelled() and task.exception() is not None:
        raise AssertionError("the operator ended") from task.exception()
