"""An object's triggers measured once, as answers: what each says, and the formula over them."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tidegate.base.errors import TidegateError
from tidegate.base.problems import Problem

if TYPE_CHECKING:
    from tidegate.api.scaledjob import ScaledJob
    from tidegate.api.scaledobject import ScaledObject
    from tidegate.cli.manifests.lookup import ManifestLookup
    from tidegate.cli.polling.cluster_access import ClusterAccess
    from tidegate.cli.polling.fetched_once import FetchedOnce
    from tidegate.connections.pool import Kept
    from tidegate.core.triggers.scaling_modifiers import Composite
    from tidegate.core.triggers.state import Summary, TriggerState
    from tidegate.core.values import ExternalMetric, Reading, TriggerView
    from tidegate.kit.question import Question
    from tidegate.operator.reconcile.trigger_plan import Plan
    from tidegate.review.manifest import TriggerPlan

LIMIT_S = 60.0
"""Each call of a source has a bound of its own; this is for one that needs many."""

AT_A_TIME = 16
"""Triggers that are asked for side by side: one that waits for a dead server holds up no other."""

BY_HPA = "read by the HPA itself"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one metric of a trigger said. `replicas` is what it asks for within min and max.

    `failure` says why there is no value; `is_wrong`: it is a mistake of the manifest, its `problems` where
    they are a trigger's. `note` says why there is none to have, `said` how an answer began that could not
    be used. `sources` are those that its credentials were fetched from. Triggers that a formula reads have
    no target, activation and replicas of their own.
    """

    object: str
    trigger: str
    metric: str = ""
    value: float | None = None
    target: float | None = None
    activation: float | None = None
    is_active: bool | None = None
    replicas: int | None = None
    time_s: float | None = None
    failure: str = ""
    is_wrong: bool = False
    problems: tuple[Problem, ...] = ()
    note: str = ""
    said: str = ""
    sources: tuple[str, ...] = ()


@dataclass(slots=True)
class Heard:
    """How long the source took to answer, and how its answer began where it was refused."""

    spent_s: float = 0.0
    said: str = ""

    def listen(self, answer: Any) -> None:
        self.said = self.said or (answer.excerpt if isinstance(answer, TidegateError) else "")


class Overheard:
    """An adapter that is listened to. Waiting for the round's slot is not the source's doing."""

    def __init__(self, adapter: Kept, heard: Heard) -> None:
        self.batch = adapter.batch
        self.wake_gap_s = adapter.wake_gap_s
        self.patience_s = adapter.patience_s
        self._adapter = adapter
        self._heard = heard

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        begun_s = time.monotonic()
        try:
            answers = await self._adapter.answer(questions)
        except TidegateError as error:
            self._heard.listen(error)
            raise
        finally:
            self._heard.spent_s += time.monotonic() - begun_s
        for one in answers:
            self._heard.listen(one)
        return answers

    async def close(self) -> None:
        await self._adapter.close()


async def measured(
    object: ScaledObject | ScaledJob,
    made: Plan,
    cluster: ClusterAccess,
    fetched: FetchedOnce,
    turn: asyncio.Semaphore,
) -> list[Answer]:
    """One answer for each metric of each trigger, then that of the formula."""
    from datetime import UTC, datetime

    from tidegate.core.triggers.state import interpret

    kind = type(object).__name__
    about = Answer(f"{kind.lower()}/{object.metadata.name}", "")

    async def ask(one: TriggerPlan) -> tuple[Answer, Reading | None]:
        async with turn:
            sources = sorted(filter(None, map(fetched.told, made.wanted.get(one.index, ()))))
            sources += filter(None, [_identity(one)])
            trigger = f"{one.index}: {one.trigger.type}"
            return await _asked(replace(about, trigger=trigger, sources=tuple(sources)), made, one, cluster)

    found = await asyncio.gather(*(ask(one) for one in made.review.triggers))
    asked = [answer for answer, _ in found]
    readings = {
        one.index: reading
        for one, (_, reading) in zip(made.review.triggers, found, strict=True)
        if reading is not None
    }
    made = made.described(lambda index: readings[index].specs if index in readings else ())
    views = made.views(lambda index: (readings.get(index), 0), datetime.now(UTC))
    summary = interpret(views)
    answers: list[Answer] = []
    for answer, one, state in zip(asked, made.review.triggers, summary.states, strict=True):
        answers += _told(object, answer, one, state, readings.get(one.index))
    if made.review.composite is not None:
        answers.append(_composed(object, about, made.review.composite, views, summary))
    return answers


def _identity(one: TriggerPlan) -> str:
    """As whom the trigger asks, "" where no identity of a cloud does."""
    identity = one.scaler.asks_as() if one.scaler is not None else None
    if identity is None:
        return ""
    if identity.application is not None:
        return f"the {identity.label()}, by its own secret or certificate"
    if identity.service_account:
        return f"the {identity.label()}, as ServiceAccount {identity.service_account} or by your own login"
    return f"the {identity.label()}, by your own login"


async def planned(
    object: ScaledObject | ScaledJob, lookup: ManifestLookup, cluster: ClusterAccess, fetched: FetchedOnce
) -> Plan:
    """The object's triggers with all that they refer to. One at a time: `lookup` tells what it lacks, and
    `fetched` what no vault was asked for yet."""
    from tidegate.auth.lending import EVERYONE
    from tidegate.auth.resolve import Options
    from tidegate.cli.cluster.vault_defaults import vault_defaults
    from tidegate.operator.reconcile.trigger_plan import plan

    # Who polls by hand asks as himself.
    options = Options(lends_identity=(EVERYONE,), fetches=fetched, vault=vault_defaults(os.environ))
    template, container = _template(object, lookup)
    made = plan(object, template, container, lookup, options)
    # What was fetched may name what is missing next: an authentication its Secret, a Secret its vault.
    while fetched.missing or (cluster.client is not None and lookup.missing):
        missing, lookup.missing = lookup.missing, []
        for resource, namespace, called in missing if cluster.client is not None else ():
            lookup.keep(resource, namespace, called, await cluster.get(resource, namespace, called))
        await fetched.fetch()
        template, container = _template(object, lookup)
        made = plan(object, template, container, lookup, options)
    return made


def _template(
    object: ScaledObject | ScaledJob, lookup: ManifestLookup
) -> tuple[dict[str, Any] | None, str | None]:
    """The pod template whose environment counts, and the container's name."""
    from tidegate.api.scaledjob import ScaledJob
    from tidegate.kube.resource import DEPLOYMENTS

    if isinstance(object, ScaledJob):
        return object.spec.job_target_ref.template, object.spec.env_source_container_name
    ref = object.spec.scale_target_ref
    if (ref.kind or "Deployment") != "Deployment":
        return None, ref.env_source_container_name
    found = lookup.get(DEPLOYMENTS, object.metadata.namespace, ref.name)
    return (found["spec"].get("template") if found else None), ref.env_source_container_name


async def _asked(
    about: Answer, made: Plan, one: TriggerPlan, cluster: ClusterAccess
) -> tuple[Answer, Reading | None]:
    """The trigger's reading by the same rounds as in the operator; or what keeps it from being read."""
    from datetime import UTC, datetime

    from tidegate.base.errors import Failure
    from tidegate.base.problems import join
    from tidegate.connections.pool import Connections
    from tidegate.core.values import Reading
    from tidegate.kit.scaler import Polled
    from tidegate.measure.rounds import Rounds
    from tidegate.runtime.clock import SystemClock

    failure = made.failures.get(one.index)
    if failure is not None or one.problems:
        text = failure.message if failure is not None else join(one.problems)
        return replace(about, failure=text, is_wrong=failure is None, problems=one.problems), None
    if not isinstance(one.scaler, Polled):
        return replace(about, note=BY_HPA), None
    clock, heard = SystemClock(), Heard()
    adapter = Connections(cluster.surroundings).adapter
    rounds = Rounds(clock, lambda server: Overheard(adapter(server), heard), lambda key, reading: None)
    running = asyncio.create_task(rounds.run())
    try:
        rounds.follow((about.object, one.index), one.scaler, interval_s=3600)
        reading = await asyncio.wait_for(rounds.fresh((about.object, one.index), 0.0), LIMIT_S)
    except TimeoutError:
        failure = Failure("Unreachable", f"no answer within {LIMIT_S:g} s")
        return about, Reading(datetime.now(UTC), failure=failure)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    said = heard.said if reading.failure is not None else ""
    return replace(about, time_s=round(heard.spent_s, 3), said=said), reading


def _told(
    object: ScaledObject | ScaledJob,
    about: Answer,
    one: TriggerPlan,
    state: TriggerState,
    reading: Reading | None,
) -> list[Answer]:
    """One answer for each metric of a trigger; a formula alone says what its sources ask for."""
    from tidegate.review.manifest import is_metric_source

    if about.failure or about.note or reading is None:
        return [about]
    if state.failure is not None:
        return [replace(about, failure=state.failure.message)]
    if is_metric_source(object):
        return [
            replace(about, metric=metric.name, value=value)
            for metric, value in zip(one.metrics, reading.values, strict=True)
        ]
    is_active = state.state == "active"
    return [
        replace(
            about,
            metric=metric.name,
            value=value,
            target=metric.target,
            activation=one.activation,
            is_active=is_active,
            replicas=asked_for(object, value, metric, is_active=is_active),
        )
        for metric, value in zip(one.metrics, reading.values, strict=True)
    ]


def _composed(
    object: ScaledObject | ScaledJob,
    about: Answer,
    composite: Composite,
    views: tuple[TriggerView, ...],
    summary: Summary,
) -> Answer:
    """What the formula makes of the readings; a fallback is for failures in a row, and this is one look."""
    from tidegate.core.triggers.scaling_modifiers import compose
    from tidegate.core.values import Seen

    about = replace(about, trigger="formula", metric=composite.metric.name)
    composed = compose(composite, None, Seen(0), views, summary)
    if composed.value is None:
        failure = composed.failure.message if composed.is_own and composed.failure is not None else ""
        return replace(about, failure=failure or "a trigger that the formula reads has no value")
    value = composed.value
    return replace(
        about,
        value=value,
        target=composite.metric.target,
        activation=composite.activation,
        is_active=composed.is_active,
        replicas=asked_for(object, value, composite.metric, is_active=composed.is_active),
    )


def asked_for(
    object: ScaledObject | ScaledJob, value: float, metric: ExternalMetric, *, is_active: bool
) -> int | None:
    """Replicas (or Jobs) that one metric asks for, within min and max; None without a positive target, and
    for a metric of type Value, which multiplies the replicas that are there. The idle count where there is
    one and the metric is not active."""
    from tidegate.api.scaledjob import ScaledJobSpec

    spec, target = object.spec, metric.target
    if not is_active:
        idle = None if isinstance(spec, ScaledJobSpec) else spec.idle_replica_count
        return spec.replicas_min if idle is None else idle
    if target <= 0 or metric.target_type == "Value":
        return None
    return max(1, spec.replicas_min, min(spec.replicas_max, math.ceil(value / target)))
