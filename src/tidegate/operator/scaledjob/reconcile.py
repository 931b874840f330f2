"""One reconcile of a ScaledJob: its Jobs, its triggers; then the decision, carried out.

A creating round is claimed before it creates: the object is patched with the round's number on
condition that nobody has changed it since we read it. Who loses the claim reconciles again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from tidegate.api.scaledjob import ScaledJob
from tidegate.base.errors import Failure, TidegateError
from tidegate.connections.adapter import Surroundings
from tidegate.core import memory, messages
from tidegate.core.control_annotations import PAUSED, ROUND, is_set
from tidegate.core.reasons import Code
from tidegate.core.scaledjob import pacing
from tidegate.core.scaledjob.claimed import with_claims
from tidegate.core.scaledjob.cleanup import REFUSED_FOR, refusals
from tidegate.core.scaledjob.decide import decide_scaled_job
from tidegate.core.values import Action, CreateJobs, Decision, DeleteJobs, EmitEvent, NoTemplate
from tidegate.kube.resource import JOBS, SCALED_JOBS, ApiError
from tidegate.operator.cluster.writer import Place
from tidegate.operator.reconcile.expectations import UNSEEN_S
from tidegate.operator.reconcile.reconciler import KindReconciler
from tidegate.operator.reconcile.steps import FINALIZER, Steps
from tidegate.operator.reconcile.tracker import RefusedJobs, Tracked, with_refusals
from tidegate.operator.reconcile.trigger_plan import Plan
from tidegate.operator.reconcile.turns import awaited, refresh, tell_stretches
from tidegate.operator.scaledjob import job_body, snapshot
from tidegate.operator.scaledjob.claims.claiming import MayClaim, may_have_claims
from tidegate.operator.scaledjob.claims.work import ClaimedWork
from tidegate.operator.scaledjob.job_template import Template, template_of
from tidegate.operator.scaledjob.pending_jobs import PendingJobs

log = logging.getLogger(__name__)

Object = dict[str, Any]

# How often an object that is going looks whether its claims have ended; their Jobs tell it before.
AGAIN_S = 5.0


class ScaledJobReconciler(KindReconciler[ScaledJob]):
    """Reconciles ScaledJobs."""

    resource = SCALED_JOBS

    def __init__(self, steps: Steps, surroundings: Surroundings, may_claim: MayClaim) -> None:
        super().__init__(steps)
        self.pending = PendingJobs(steps.informers)
        self.claims = ClaimedWork(steps, surroundings, may_claim)

    def marks(self, object: ScaledJob) -> tuple[Mapping[str, str], Mapping[str, str]]:
        return {}, {}

    async def reconcile_present(self, place: Place, tracked: Tracked, object: ScaledJob) -> None:
        await self._check_overdue(tracked)
        named = object.spec.job_target_ref.model
        self.steps.tracker.set_target(tracked, (JOBS, place.namespace, named) if named else None)
        template = template_of(self.steps.informers, object)
        pods = template if isinstance(template, Failure) else template.pods
        plan = await self.steps.planned(tracked, object, pods, object.spec.env_source_container_name)
        if is_set(object.metadata.annotations, PAUSED):
            await self.steps.stop(tracked)
        else:
            await self.pending.follow(object)
            await self.steps.follow(tracked, object.spec.polling_s, partial(self._snapshot, tracked))
            await tell_stretches(self.steps, tracked)
            await self._tick(tracked, object.spec.polling_s)
        await self.steps.references.remove(place, object)
        check = template if isinstance(template, Failure) else _check(tracked, object, plan)
        if self.claims.concerns(tracked, object, None if isinstance(template, Failure) else template.pods):
            decision = await self._claimed(tracked, object, template, check)
        else:
            decision = await self._decided(tracked, object, template, check)
        await self._carry_out(tracked, object, template, decision)
        await self.steps.references.add(place, object.spec.triggers)

    def heard(self, tracked: Tracked) -> None:
        """Something has changed about a Job: claims look at how it is."""
        if tracked.claims is not None:
            self.steps.again(tracked.key, 0.0)

    def ended(self, tracked: Tracked, how: str) -> None:
        """A Job has ended: Complete, Failed or deleted (""). It wakes where that starts no endless row."""
        object: ScaledJob | None = self.steps.informers.get(*tracked.key)
        if object is None or tracked.plan is None:
            return
        strategy, views = object.spec.scaling_strategy, self.steps.views(tracked)
        if pacing.asks_anew(strategy, how, tracked.memory, views):
            self.wake(tracked)

    def wake(self, tracked: Tracked) -> None:
        """Its triggers are asked at once, but for the clocks."""
        self.steps.rounds.wake((tracked.uid, index) for index in _asked(tracked))

    async def _decided(
        self, tracked: Tracked, object: ScaledJob, template: Template | NoTemplate, check: Failure | None
    ) -> Decision:
        """The decision. Jobs for a queue are created on what all triggers say now: those read before are
        asked again first, as is a single one that was decided upon already.
        """

        def decide(is_awaited: bool = False) -> Decision:
            jobs = self._snapshot(tracked, template.uid if isinstance(template, Template) else "")
            views, now = self.steps.views(tracked), self.steps.clock.now()
            views = awaited(views) if is_awaited else views
            return decide_scaled_job(object, jobs, views, tracked.memory, now, check)

        asked, before = _asked(tracked), tracked.moments
        tracked.moments = self._moments(tracked)
        decision = decide()
        is_news = len(asked) == 1 and tracked.moments != before
        if any(one.code == Code.JOBS_CREATED for one in decision.reasons) and not is_news:
            is_fresh = await refresh(self.steps, tracked, asked)
            tracked.moments = self._moments(tracked)
            decision = decide(is_awaited=not is_fresh)
        else:
            tracked.asked_anew = None
        return decision

    async def _claimed(
        self, tracked: Tracked, object: ScaledJob, template: Template | NoTemplate, check: Failure | None
    ) -> Decision:
        """The decision where messages are claimed, or were. Nothing is counted against a queue."""
        model = template.uid if isinstance(template, Template) else ""
        jobs = partial(self._snapshot, tracked, model)
        claims, problem = await self.claims.step(tracked, object, template, jobs)
        if problem is not None and problem.message:
            texts = [check.message] if check is not None else []
            check = Failure(problem.kind, "; ".join([*texts, problem.message]))
        views, now = self.steps.views(tracked), self.steps.clock.now()
        object = self.steps.newest(tracked, object)
        decision = decide_scaled_job(object, jobs(), views, tracked.memory, now, check)
        if tracked.claims is None and not problem and not claims.reasons:
            # It claims no more: the next decision counts.
            self.steps.again(tracked.key, 0.0)
        return with_claims(decision, claims, tracked.memory)

    async def finalize(self, place: Place, object: ScaledJob) -> None:
        """Claims come to their end before the object does."""
        pods = object.spec.job_target_ref.template
        key = (place.resource, place.namespace, place.name)
        tracked = self.steps.tracker.by_key.get(key)
        may_claim = may_have_claims(object) and FINALIZER in object.metadata.finalizers
        if tracked is None and may_claim:
            tracked = self.steps.track(key, object)
        if tracked is not None and may_claim and not self.steps.writer.is_shadow:
            await self.steps.planned(tracked, object, pods, object.spec.env_source_container_name)
            if not await self._is_wound_down(tracked, object):
                return
        await super().finalize(place, object)

    async def _is_wound_down(self, tracked: Tracked, object: ScaledJob) -> bool:
        """Whether nothing of its claims is left. What cannot be told to its broker any more goes untold."""
        template = template_of(self.steps.informers, object)
        decision, _ = await self.claims.step(tracked, object, template, partial(self._snapshot, tracked))
        if tracked.claims is None and not decision.is_over:
            await self.claims.free_all(tracked)
            return True
        if not decision.is_over:
            self.steps.again(tracked.key, AGAIN_S)
        return decision.is_over

    def _moments(self, tracked: Tracked) -> tuple[datetime | None, ...]:
        """Of which moments the readings are that the decision is made on."""
        readings = [self.steps.rounds.polled((tracked.uid, index)) for index in sorted(_asked(tracked))]
        return tuple(one.at if one is not None else None for one in readings)

    async def _tick(self, tracked: Tracked, polling_s: int) -> None:
        """A clock trigger that is active starts anew what has ended, at the pace of the polling interval;
        where nobody is asked, that is the pace of reconciles too.
        """
        if not _asked(tracked):
            self.steps.again(tracked.key, polling_s)
        for index in tracked.plan.clocks() if tracked.plan is not None else ():
            key = (tracked.uid, index)
            reading = self.steps.rounds.latest(key)
            if reading is None or not any(reading.values):
                continue
            rest_s = polling_s - (self.steps.clock.now() - reading.at).total_seconds()
            # More than an interval: the clock was set back.
            if not 0 < rest_s <= polling_s:
                await self.steps.rounds.decisive(key, 0.0)
                rest_s = polling_s
            self.steps.again(tracked.key, rest_s)

    def _snapshot(self, tracked: Tracked, model: str = "") -> Any:
        _, namespace, name = tracked.key
        object: ScaledJob | None = self.steps.informers.get(SCALED_JOBS, namespace, name)
        if object is None:
            return Failure("Misconfigured", f"there is no ScaledJob {namespace}/{name} any more")
        return snapshot.take_snapshot(self.steps.informers, object, tracked.expectations, model)

    async def _check_overdue(self, tracked: Tracked) -> None:
        """Jobs that should have been seen by now are looked up: one that does not exist stops counting."""
        now_s = self.steps.clock.monotonic()
        for name in tracked.expectations.overdue(now_s):
            try:
                await self.steps.informers.client.get(JOBS, tracked.key[1], name)
            except ApiError as error:
                if error.code == 404:
                    tracked.expectations.observed(name)
            except TidegateError:
                # Nobody can tell: it goes on counting.
                continue
        if tracked.expectations.unseen:
            self.steps.again(tracked.key, UNSEEN_S)

    async def _carry_out(
        self, tracked: Tracked, object: ScaledJob, template: Template | NoTemplate, decision: Decision
    ) -> None:
        """The round first. Once it is claimed its Jobs count, whatever becomes of the rest."""
        if self.steps.writer.is_shadow:
            as_before = memory.unclaimed(decision.memory, tracked.memory)
            self.steps.decided(tracked, object, replace(decision, memory=as_before))
            self.steps.happened(tracked, object, ())
            tracked.memory = as_before
            await self.steps.watcher.looked(tracked, object)
            return
        done, refused_before = list[Action](), tracked.refused_jobs
        creation = next((one for one in decision.actions if isinstance(one, CreateJobs)), None)
        if creation is not None and not await self._claim(tracked, object, creation.round):
            # The object is gone: nothing of the decision stands.
            self.steps.again(tracked.key, 0.0)
            return
        if creation is not None:
            claimed = memory.claimed(decision.memory, self.steps.clock.now())
            decision = replace(decision, memory=claimed)
        self.steps.decided(tracked, object, decision)
        try:
            if creation is not None and isinstance(template, Template):
                made = await self._create(tracked, object, template, creation)
                done += [replace(creation, count=made)] if made else []
            undone = [
                await self._delete(tracked, action, done)
                for action in decision.actions
                if isinstance(action, DeleteJobs)
            ]
        finally:
            self.steps.happened(tracked, object, done)
        is_refused = creation is not None and tracked.refused_jobs is not None
        if any(undone) or is_refused or tracked.refused_jobs != refused_before:
            # What is said depends on it: decided again, with the refusals.
            self.steps.again(tracked.key, 0.0)
            return
        if creation is None and not decision.memory.is_active and _may_have_passed(tracked):
            # Nothing asks for Jobs any more, and what was refused may be taken by now.
            tracked.refused_jobs = None
            self.steps.again(tracked.key, 0.0)
        await self.steps.say(tracked, object, decision, {})

    async def _delete(self, tracked: Tracked, action: DeleteJobs, done: list[Action]) -> bool:
        """Deletes what can be deleted, and adds it to `done`. Whether a refusal is news."""
        place, writer = self.steps.place(tracked), self.steps.writer
        if action.before is not None:
            await writer.event(place, action.before)
        results = await writer.delete_jobs(place.namespace, action.names, action.propagation)
        refused = {name: cause for name, cause in results.items() if isinstance(cause, str)}
        names = tuple(name for name in action.names if name not in refused)
        for name in names:
            tracked.expectations.deleted(name, is_absent=not results[name])
        news = tracked.expectations.refuse(refused, self.steps.clock.now())
        if names:
            done.append(replace(action, names=names))
        is_rollout = action.why == Code.ROLLED_OUT
        if is_rollout:
            for text in refusals(refused.items()):
                await writer.event(place, messages.rollout_failed(text))
        elif news:
            causes = "; ".join(refusals(news.items()))
            log.warning("finished Jobs not deleted", extra={"key": str(tracked.key), "causes": causes})
        if refused:
            self.steps.again(tracked.key, REFUSED_FOR.total_seconds())
        elif action.then is not None:
            await writer.event(place, action.then)
        return bool(news)

    async def _claim(self, tracked: Tracked, object: ScaledJob, round: int) -> bool:
        """Whether the round is ours. From then on no other process creates it. Conflict: somebody else has
        changed the object, which the cache will show."""
        try:
            claimed = await self.steps.writer.metadata(
                self.steps.place(tracked),
                {"annotations": {ROUND: str(round)}},
                object.metadata.resource_version,
            )
        except ApiError as error:
            if error.reason == "NotFound":
                return False
            raise
        self.steps.wrote(tracked, object, claimed)
        return True

    async def _create(
        self, tracked: Tracked, object: ScaledJob, template: Template, action: CreateJobs
    ) -> int:
        """How many Jobs there are now, or may be."""
        place = self.steps.place(tracked)
        bodies = job_body.bodies(object, template.spec, action.round, action.count, template.uid)
        views = (snapshot.view_of(body, lambda job: True) for body in bodies)
        tracked.expectations.expect(views, self.steps.clock.monotonic())
        made = await self.steps.writer.create_jobs(place.namespace, bodies)
        for name, _ in made.refused:
            tracked.expectations.observed(name)
        # Without the Job's own name: the next round's refusal is the same news.
        general = f"{place.name}-"
        texts = [
            f"Failed to create job {general}: {said.replace(name, general)}" for name, said in made.refused
        ]
        texts += [
            f"It is not known whether a job {general} was created: {said.replace(name, general)}; "
            "it counts as running until it is seen or known not to exist"
            for name, said in made.unknown
        ]
        for text in dict.fromkeys(texts):
            await self.steps.writer.event(place, EmitEvent("Warning", "KEDAJobCreateFailed", text))
        generation = object.metadata.generation or 0
        tracked.refused_jobs = RefusedJobs(generation, texts[0], made.is_invalid) if made.refused else None
        if made.refused:
            (name, said), names = made.refused[0], frozenset(name for name, _ in made.refused)
            tracked.memory = memory.refused(tracked.memory, names, said.replace(name, general))
        if made.created:
            text = f"Created {len(made.created)} jobs"
            await self.steps.writer.event(place, EmitEvent("Normal", "KEDAJobsCreated", text))
        return len(made.created) + len(made.unknown)


def _check(tracked: Tracked, object: ScaledJob, plan: Plan) -> Failure | None:
    """Everything that is wrong with the object, in one text."""
    refused = tracked.refused_jobs
    if refused is not None and refused.generation != object.metadata.generation:
        tracked.refused_jobs = None
    return with_refusals(plan.check(messages.JOB_TRIGGERS_STAGE), tracked)


def _may_have_passed(tracked: Tracked) -> bool:
    return tracked.refused_jobs is not None and not tracked.refused_jobs.is_invalid


def _asked(tracked: Tracked) -> frozenset[int]:
    """The triggers that somebody is asked for; the others only follow the clock."""
    clocks = tracked.plan.clocks() if tracked.plan is not None else frozenset()
    return frozenset(tracked.followed.keys() - clocks)
