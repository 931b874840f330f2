"""Claimed work of a ScaledJob: decided, carried out, decided again on what came of it, until nothing is left.

    broker ─► what we hold ─┐
    Jobs ───────────────────┼─► decide_claims ─► ask the broker ─► start Jobs, let Jobs go ─► again
    trigger's reading ──────┘

The broker is asked before the cluster is changed: a Job is started for what is still held then, and a Job
goes once its outcome was answered.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from tidegate.api.scaledjob import ScaledJob
from tidegate.base.errors import Failure
from tidegate.connections.adapter import Surroundings
from tidegate.connections.claims.writers import Writers
from tidegate.core.claims import answers
from tidegate.core.claims.decide import decide_claims
from tidegate.core.claims.values import (
    Ask,
    ClaimDecision,
    ClaimMemory,
    Policy,
    Queue,
    StartTask,
    Unguard,
)
from tidegate.core.claims.wishes import HELD
from tidegate.core.triggers.state import interpret
from tidegate.core.values import JobView
from tidegate.kube.resource import JOBS, ApiError
from tidegate.operator.cluster.writer import Place
from tidegate.operator.reconcile.claim_state import ClaimState
from tidegate.operator.reconcile.steps import Steps
from tidegate.operator.reconcile.tracker import Tracked
from tidegate.operator.scaledjob.claims import telling
from tidegate.operator.scaledjob.claims.broker import Broker
from tidegate.operator.scaledjob.claims.claiming import (
    MayClaim,
    claiming_of,
    is_asked_for,
    may_have_claims,
    policy_of,
)
from tidegate.operator.scaledjob.claims.receipts import Receipts
from tidegate.operator.scaledjob.claims.starting import Starting
from tidegate.operator.scaledjob.claims.task_job import FINALIZER, is_guarded
from tidegate.operator.scaledjob.job_body import OWNER_LABEL
from tidegate.operator.scaledjob.job_template import Template

log = logging.getLogger(__name__)

Object = dict[str, Any]
Snapshot = Callable[[], tuple[JobView, ...] | Failure]

# Decisions in a row before others have their turn.
_PASSES = 6


class ClaimedWork:
    """Carries out claims, for objects that ask for them and nobody else."""

    def __init__(self, steps: Steps, surroundings: Surroundings, may: MayClaim) -> None:
        self.steps = steps
        self.broker = Broker(Writers(surroundings, may.connect), steps.clock)
        self.may = may
        self.starting = Starting(steps)
        self.receipts = Receipts(steps)

    async def close(self) -> None:
        """Closes what writes to brokers; leases go on."""
        await self.broker.writers.close()

    def concerns(self, tracked: Tracked, object: ScaledJob, template: Object | None) -> bool:
        """Whether the object claims, or has claims that must come to an end. Asks nobody."""
        if self.steps.writer.is_shadow:
            return False
        return (
            tracked.claims is not None
            or may_have_claims(object)
            or is_asked_for(object, template, self.may, tracked.plan)
        )

    async def step(
        self, tracked: Tracked, object: ScaledJob, template: Template | Failure, snapshot: Snapshot
    ) -> tuple[ClaimDecision, Failure | None]:
        """The last decision of this reconcile, and what keeps the object from claiming; the plan tells where
        a Failure has no words.
        """
        assert tracked.plan is not None
        pods = template.pods if isinstance(template, Template) else None
        claiming = claiming_of(object, pods, tracked.plan, self.may)
        is_wanted = is_asked_for(object, pods, self.may, tracked.plan) or (
            pods is None and tracked.claims is not None
        )
        is_leaving = bool(object.metadata.deletion_timestamp) or not is_wanted
        problem = claiming.problem if not is_leaving else None
        state = tracked.claims
        if state is None and claiming.source is not None:
            state = tracked.claims = ClaimState(claiming.source, is_marked=may_have_claims(object))
        if state is None:
            return ClaimDecision(ClaimMemory()), problem
        is_other = claiming.source is not None and claiming.source != state.source
        if claiming.source is not None and not is_other:
            # The same queue, and perhaps another way to claim from it.
            state.source = claiming.source
        is_ending = is_leaving or is_other or (problem is not None and claiming.is_final)
        policy = policy_of(object, pods, claiming, is_ending=is_ending)
        if problem is not None:
            # What is wrong may be mended: leases are kept, and how Jobs end is told.
            policy = replace(policy, is_open=False)
        decision = await self._decided(tracked, object, state, policy, template, snapshot)
        if decision.is_over:
            await self._ended(tracked, object, state)
            if is_other:
                self.steps.again(tracked.key, 0.0)
        return decision, problem

    async def _decided(
        self,
        tracked: Tracked,
        object: ScaledJob,
        state: ClaimState,
        policy: Policy,
        template: Template | Failure,
        snapshot: Snapshot,
    ) -> ClaimDecision:
        """Decides and acts until there is nothing to do; the last decision."""
        place = self.steps.place(tracked)
        if not state.is_marked and not policy.is_ending:
            # Before the first claim: whoever comes after us knows that there may be some.
            written = await self.steps.writer.metadata(place, {"annotations": {HELD: "true"}})
            self.steps.wrote(tracked, object, written)
            state.is_marked = True
        for _ in range(_PASSES):
            now = self.steps.clock.now()
            jobs, queue = snapshot(), self._queue(tracked)
            decision = decide_claims(policy, state.memory, jobs, queue, now)
            state.memory, state.decision = decision.memory, decision
            await telling.told(self.steps.writer, place, state, decision)
            if not decision.actions:
                break
            await self._ask(tracked, state, policy, decision, jobs, queue.read)
            await self._change(tracked, object, state, template, decision)
        else:
            self.steps.again(tracked.key, 0.0)
        if decision.due is not None:
            rest_s = (decision.due - self.steps.clock.now()).total_seconds()
            self.steps.again(tracked.key, max(0.0, rest_s))
        return decision

    async def _ask(
        self,
        tracked: Tracked,
        state: ClaimState,
        policy: Policy,
        decision: ClaimDecision,
        jobs: tuple[JobView, ...] | Failure,
        read: datetime | None,
    ) -> None:
        """What the broker is asked to do."""
        asks: list[Ask] = [one for one in decision.actions if not isinstance(one, StartTask | Unguard)]
        if asks:
            known, shown = _known(state, jobs), await self._receipts(tracked, state)
            found = await self.broker.ask(tracked.uid, state, policy.lease_s, asks, known, shown)
            for ask, answer in zip(asks, found, strict=True):
                state.memory = answers.answered(state.memory, ask, answer, read, self.steps.clock.now())
                await telling.answered(self.steps.writer, self.steps.place(tracked), state, ask, answer)

    async def _receipts(self, tracked: Tracked, state: ClaimState) -> dict[str, str]:
        """The receipts that Jobs carry; before it is known what we hold, of those alone that go on."""
        if state.memory.is_resumed:
            return self.receipts.of(tracked)
        shown = self.receipts.of(tracked, is_running=True)
        gone = await self.receipts.drop_unfiled(tracked, state) if shown else ()
        return {id: one for id, one in shown.items() if id not in gone}

    async def _change(
        self,
        tracked: Tracked,
        object: ScaledJob,
        state: ClaimState,
        template: Template | Failure,
        decision: ClaimDecision,
    ) -> None:
        """What changes in the cluster, on what the broker has answered."""
        await self.starting.put_lost_files(tracked, object, state)
        for one in decision.actions:
            if isinstance(one, Unguard) and await self._free(tracked, one):
                state.memory = answers.freed(state.memory, one.job)
        held = {one.id for one in state.memory.held}
        starts = [one for one in decision.actions if isinstance(one, StartTask) and one.id in held]
        if starts and isinstance(template, Template):
            await self.starting.start(tracked, object, state, template, starts)
        await self.receipts.write(tracked, object, state)
        held = {one.id for one in state.memory.held}
        state.bodies = {id: one for id, one in state.bodies.items() if id in held}
        state.receipts = {id: one for id, one in state.receipts.items() if id in held}

    async def _free(self, tracked: Tracked, action: Unguard) -> bool:
        """Takes our finalizer off a Job; whether it is off."""
        _, namespace, _ = tracked.key
        found = self.steps.informers.get(JOBS, namespace, action.job)
        if found is not None and FINALIZER in (found["metadata"].get("finalizers") or ()):
            metadata = found["metadata"]
            kept = [one for one in metadata["finalizers"] if one != FINALIZER]
            place = Place(JOBS, namespace, action.job, metadata["uid"])
            try:
                await self.steps.writer.metadata(
                    place, {"finalizers": kept or None}, metadata["resourceVersion"]
                )
            except ApiError as error:
                if error.reason == "Conflict":
                    # Our cache is behind: the next reconcile sees it as it is.
                    self.steps.again(tracked.key, 0.0)
                    return False
                if error.reason != "NotFound":
                    raise
        if action.why:
            await telling.unanswered(self.steps.writer, self.steps.place(tracked), action)
        return True

    async def free_all(self, tracked: Tracked) -> None:
        """Takes our finalizer off every Job of an object whose source nobody can name any more."""
        _, namespace, name = tracked.key
        for job in self.steps.informers.labelled(JOBS, namespace, (OWNER_LABEL, name)):
            if is_guarded(job):
                await self._free(
                    tracked, Unguard(job["metadata"]["name"], "its source cannot be named any more")
                )

    def _queue(self, tracked: Tracked) -> Queue:
        """What the trigger says, in the reading that decisions are made on."""
        views = self.steps.views(tracked)
        reading = views[0].reading if views else None
        is_active = bool(interpret(views).active) if views else False
        return Queue(is_active and bool(tracked.followed), reading.at if reading is not None else None)

    async def _ended(self, tracked: Tracked, object: ScaledJob, state: ClaimState) -> None:
        """Nothing is claimed any more, and whoever comes after us need not ask."""
        await self.broker.writers.leave(tracked.uid)
        tracked.claims = None
        if object.metadata.deletion_timestamp or HELD not in object.metadata.annotations:
            return
        written = await self.steps.writer.metadata(self.steps.place(tracked), {"annotations": {HELD: None}})
        self.steps.wrote(tracked, object, written)


def _known(state: ClaimState, jobs: tuple[JobView, ...] | Failure) -> tuple[str, ...]:
    """What we hold and have the body of, or a Job for: of anything else the broker tells again."""
    seen = () if isinstance(jobs, Failure) else jobs
    started = {one.task.id for one in seen if one.task is not None}
    return tuple(one.id for one in state.memory.held if one.id in state.bodies or one.id in started)
