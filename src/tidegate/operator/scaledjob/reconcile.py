"""One look at a ScaledJob: its Jobs, its triggers; then the decision, carried out.

A creating round is claimed before it creates: the object is patched with the round's number on
condition that nobody has changed it since we looked. Who loses the claim looks again.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from tidegate.api.scaledjob import ScaledJob
from tidegate.base.errors import Failure, TidegateError
from tidegate.core import memory, messages
from tidegate.core.annotations import PAUSED, ROUND, is_set
from tidegate.core.reasons import Code
from tidegate.core.scaledjob import pacing
from tidegate.core.scaledjob.cleanup import REFUSED_FOR, refusals
from tidegate.core.scaledjob.decide import decide_scaled_job
from tidegate.core.values import Action, CreateJobs, Decision, DeleteJobs, EmitEvent, NoTemplate
from tidegate.kube.resource import JOBS, SCALED_JOBS, ApiError
from tidegate.operator.cluster.writer import Place
from tidegate.operator.reconcile.expectations import UNSEEN_S
from tidegate.operator.reconcile.reconciler import Desk
from tidegate.operator.reconcile.tracked import Key, Known
from tidegate.operator.scaledjob import job_body as jobs
from tidegate.operator.scaledjob import snapshot
from tidegate.operator.scaledjob.job_template import Template, template_of
from tidegate.operator.scaledjob.pending_jobs import PendingJobs

log = logging.getLogger(__name__)

Object = dict[str, Any]


class ScaledJobs:
    """Looks at ScaledJobs."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.pending = PendingJobs(desk.world)

    async def look(self, key: Key) -> None:
        _, namespace, name = key
        object: ScaledJob | None = self.desk.world.get(SCALED_JOBS, namespace, name)
        if object is None:
            self.desk.forget(key)
            return
        place = Place(SCALED_JOBS, namespace, name, object.metadata.uid)
        if object.metadata.deletion_timestamp:
            await self.desk.release(place, object)
            return
        misread = self.desk.world.misread(*key)
        if misread is not None and misread.is_held:
            await self.desk.unready(place, object, Failure("Misconfigured", misread.text))
            return
        if await self.desk.prepare(place, object, {}):
            return
        known = self.desk.known(key, object)
        object = self.desk.newest(known, object)
        await self._settle(known)
        named = object.spec.job_target_ref.model
        self.desk.register.aim(known, (JOBS, namespace, named) if named else None)
        template = template_of(self.desk.world, object)
        pods = template if isinstance(template, Failure) else template.pods
        plan = await self.desk.planned(known, object, pods, object.spec.env_source_container_name)
        if is_set(object.metadata.annotations, PAUSED):
            await self.desk.stop(known)
        else:
            await self.pending.follow(object)
            await self.desk.follow(known, object.spec.polling_s, partial(self._sight, known))
            await self._tick(known, object.spec.polling_s)
        await self.desk.references.leave(place, object)
        check = template if isinstance(template, Failure) else plan.check(messages.JOB_TRIGGERS_STAGE)
        decision = await self._decided(known, object, template, check)
        await self._carry_out(known, object, template, decision)
        await self.desk.references.add(place, object.spec.triggers)

    def ended(self, known: Known, how: str) -> None:
        """A Job has ended: Complete, Failed or deleted (""). It wakes where that starts no endless row."""
        object: ScaledJob | None = self.desk.world.get(*known.key)
        if object is None or known.plan is None:
            return
        strategy, views = object.spec.scaling_strategy, self.desk.views(known)
        if pacing.asks_anew(strategy, how, known.memory, views):
            self.wake(known)

    def wake(self, known: Known) -> None:
        """Its triggers are asked at once, but for the clocks."""
        self.desk.rounds.wake((known.uid, index) for index in _asked(known))

    async def _decided(
        self, known: Known, object: ScaledJob, template: Template | NoTemplate, check: Failure | None
    ) -> Decision:
        """The decision. Jobs for a queue are created on what all triggers say now: those read before are
        asked again first, as is a single one that was decided upon already.
        """

        def decide() -> Decision:
            jobs = self._sight(known, template.uid if isinstance(template, Template) else "")
            views, now = self.desk.views(known), self.desk.clock.now()
            return decide_scaled_job(object, jobs, views, known.memory, now, check)

        asked, before = _asked(known), known.moments
        known.moments = self._moments(known)
        decision = decide()
        is_news = len(asked) == 1 and known.moments != before
        if any(one.code == Code.JOBS_CREATED for one in decision.reasons) and not is_news:
            await self.desk.refresh(known, asked)
            known.moments = self._moments(known)
            decision = decide()
        return decision

    def _moments(self, known: Known) -> tuple[datetime | None, ...]:
        """Of which moments the readings are that the decision is made on."""
        readings = [self.desk.rounds.polled((known.uid, index)) for index in sorted(_asked(known))]
        return tuple(one.at if one is not None else None for one in readings)

    async def _tick(self, known: Known, polling_s: int) -> None:
        """A clock trigger that is active starts anew what has ended, at the pace of the polling interval;
        where nobody is asked, that is the pace of looks too.
        """
        if not _asked(known):
            self.desk.again(known.key, polling_s)
        for index in known.plan.clocks() if known.plan is not None else ():
            key = (known.uid, index)
            reading = self.desk.rounds.latest(key)
            if reading is None or not any(reading.values):
                continue
            rest_s = polling_s - (self.desk.clock.now() - reading.at).total_seconds()
            # More than an interval: the clock was set back.
            if not 0 < rest_s <= polling_s:
                await self.desk.rounds.decisive(key, 0.0)
                rest_s = polling_s
            self.desk.again(known.key, rest_s)

    def _sight(self, known: Known, model: str = "") -> Any:
        _, namespace, name = known.key
        object: ScaledJob | None = self.desk.world.get(SCALED_JOBS, namespace, name)
        if object is None:
            return Failure("Misconfigured", f"there is no ScaledJob {namespace}/{name} any more")
        return snapshot.look_at(self.desk.world, object, known.ledger, model)

    async def _settle(self, known: Known) -> None:
        """Jobs that should have been seen by now are looked up: one that does not exist stops counting."""
        now_s = self.desk.clock.monotonic()
        for name in known.ledger.overdue(now_s):
            try:
                await self.desk.world.client.get(JOBS, known.key[1], name)
            except ApiError as error:
                if error.code == 404:
                    known.ledger.settle(name)
            except TidegateError:
                # Nobody can tell: it goes on counting.
                continue
        if known.ledger.unseen:
            self.desk.again(known.key, UNSEEN_S)

    async def _carry_out(
        self, known: Known, object: ScaledJob, template: Template | NoTemplate, decision: Decision
    ) -> None:
        """The round first. Once it is claimed its Jobs count, whatever becomes of the rest."""
        done = list[Action]()
        creation = next((one for one in decision.actions if isinstance(one, CreateJobs)), None)
        if creation is not None and not await self._claim(known, object, creation.round):
            # Lost to somebody else: nothing of the decision stands.
            self.desk.again(known.key, 0.0)
            return
        if creation is not None:
            claimed = memory.claimed(decision.memory, self.desk.clock.now())
            decision = replace(decision, memory=claimed)
        self.desk.decided(known, decision)
        try:
            if creation is not None and isinstance(template, Template):
                made = await self._create(known, object, template, creation)
                done += [replace(creation, count=made)] if made else []
            undone = [
                await self._delete(known, action, done)
                for action in decision.actions
                if isinstance(action, DeleteJobs)
            ]
        finally:
            self.desk.happened(known, object, done)
        if any(undone):
            # What is said depends on it: decided again, with the refusals.
            self.desk.again(known.key, 0.0)
            return
        await self.desk.say(known, object, decision, {})

    async def _delete(self, known: Known, action: DeleteJobs, done: list[Action]) -> bool:
        """Deletes what can be deleted, and adds it to `done`. Whether a refusal is news."""
        place, writer = self.desk.place(known), self.desk.writer
        if action.before is not None:
            await writer.event(place, action.before)
        results = await writer.delete_jobs(place.namespace, action.names, action.propagation)
        refused = {name: cause for name, cause in results.items() if isinstance(cause, str)}
        names = tuple(name for name in action.names if name not in refused)
        for name in names:
            known.ledger.deleted(name, is_absent=not results[name])
        news = known.ledger.refuse(refused, self.desk.clock.now())
        if names:
            done.append(replace(action, names=names))
        is_rollout = action.why == Code.ROLLED_OUT
        if is_rollout:
            for text in refusals(refused.items()):
                await writer.event(place, messages.rollout_failed(text))
        elif news:
            causes = "; ".join(refusals(news.items()))
            log.warning("finished Jobs not deleted", extra={"key": str(known.key), "causes": causes})
        if refused:
            self.desk.again(known.key, REFUSED_FOR.total_seconds())
        elif action.then is not None:
            await writer.event(place, action.then)
        return bool(news)

    async def _claim(self, known: Known, object: ScaledJob, round: int) -> bool:
        """Whether the round is ours. From then on no other process creates it."""
        try:
            claimed = await self.desk.writer.metadata(
                self.desk.place(known), {"annotations": {ROUND: str(round)}}, object.metadata.resource_version
            )
        except ApiError as error:
            if error.reason in ("Conflict", "NotFound"):
                return False
            raise
        self.desk.wrote(known, object, claimed)
        return True

    async def _create(self, known: Known, object: ScaledJob, template: Template, action: CreateJobs) -> int:
        """How many Jobs there are now, or may be."""
        place = self.desk.place(known)
        bodies = jobs.bodies(object, template.spec, action.round, action.count, template.uid)
        views = (snapshot.view_of(body, lambda job: True) for body in bodies)
        known.ledger.expect(views, self.desk.clock.monotonic())
        made = await self.desk.writer.create_jobs(place.namespace, bodies)
        for name, _ in made.refused:
            known.ledger.settle(name)
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
            await self.desk.writer.event(place, EmitEvent("Warning", "KEDAJobCreateFailed", text))
        if made.created:
            text = f"Created {len(made.created)} jobs"
            await self.desk.writer.event(place, EmitEvent("Normal", "KEDAJobsCreated", text))
        return len(made.created) + len(made.unknown)


def _asked(known: Known) -> frozenset[int]:
    """The triggers that somebody is asked for; the others only follow the clock."""
    clocks = known.plan.clocks() if known.plan is not None else frozenset()
    return frozenset(known.followed.keys() - clocks)
