"""Why an object has the number it has, as plain JSON values: what was read, each step, what would change it.

Read from the last decision and from what is seen now; nothing is decided or measured for it.
docs/explain.md says what each field means.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import Failure, TidegateError
from tidegate.base.quantity import parse_quantity
from tidegate.base.times import format_time
from tidegate.core import control_annotations
from tidegate.core.outlook.scaledjob import outlook_jobs
from tidegate.core.outlook.scaledobject import Prospect, outlook
from tidegate.core.triggers.state import interpret
from tidegate.core.triggers.summary import summary_of
from tidegate.core.values import Decision, HpaView, ResourceUse, Seen
from tidegate.kube.resource import HPAS, SCALED_OBJECTS
from tidegate.operator.explain import triggers as explained_triggers
from tidegate.operator.explain.claims import claims
from tidegate.operator.explain.hpa import told_by
from tidegate.operator.explain.triggers import Entry, Subject
from tidegate.operator.explain.workers import Workers
from tidegate.operator.history.object_state import annotations_of
from tidegate.operator.history.store import reason_values
from tidegate.operator.reconcile.steps import Steps
from tidegate.operator.reconcile.tracker import Tracked, with_refusals
from tidegate.operator.scaledjob import snapshot
from tidegate.operator.scaledjob.job_template import template_of


def explained(
    steps: Steps,
    tracked: Tracked,
    object: ScaledObject | ScaledJob,
    workers: Workers,
    hpa: dict[str, Any] | None = None,
) -> Entry:
    """Everything about one object, for people and programs; `hpa` is its HPA's body."""
    subject = replace(_subject(steps, tracked, object, workers), hpa=told_by(tracked, hpa))
    decision, has_plan = tracked.decision, tracked.plan is not None
    prospects = _outlook(subject)
    triggers = explained_triggers.triggers(subject) if has_plan else []
    formula = explained_triggers.formula(subject) if has_plan else None
    return {
        "kind": tracked.key[0].kind,
        "namespace": tracked.key[1],
        "name": tracked.key[2],
        "at": format_time(subject.now),
        "decidedAt": format_time(tracked.decided_at) if tracked.decided_at else None,
        "replicas": subject.replicas,
        **_workers(workers),
        "minimum": object.spec.replicas_min,
        "maximum": object.spec.replicas_max,
        "paused": subject.is_paused,
        "annotations": annotations_of(object),
        "triggers": triggers,
        "formula": formula,
        "notices": tracked.plan.notices_of(None) if tracked.plan is not None else [],
        "reasons": [reason_values(one) for one in decision.reasons] if decision else [],
        "hpa": subject.hpa.entry(_leading(triggers, formula)) if subject.hpa is not None else None,
        "claims": claims(subject),
        "rivals": _rivals(subject),
        "outlook": [_prospect(one) for one in prospects],
        "due": _due(decision, prospects),
        "history": steps.history_store.of(tracked.uid),
    }


def _subject(steps: Steps, tracked: Tracked, object: ScaledObject | ScaledJob, workers: Workers) -> Subject:
    views = steps.views(tracked) if tracked.plan is not None else ()
    subject = Subject(steps, tracked, object, views, interpret(views), steps.clock.now())
    annotations = object.metadata.annotations
    if isinstance(object, ScaledJob):
        return replace(subject, is_paused=control_annotations.is_set(annotations, control_annotations.PAUSED))
    summary = subject.summary
    if tracked.plan is not None and tracked.seen is not None:
        composite = tracked.plan.review.composite
        summary = summary_of(object, tracked.seen, views, tracked.memory, composite)
    return replace(
        subject,
        summary=summary,
        is_paused=control_annotations.pause_of(annotations).is_full,
        replicas=tracked.replicas,
        ready=workers.ready,
    )


def _workers(workers: Workers) -> Entry:
    jobs = workers.jobs
    counts = (
        {
            "running": jobs.running,
            "pending": jobs.pending,
            "succeeded": jobs.succeeded,
            "failed": jobs.failed,
        }
        if jobs is not None
        else None
    )
    return {
        "ready": workers.ready,
        "jobs": counts,
        "notReady": [{"pods": count, "why": text} for count, text in workers.ailing],
        "failing": {"jobs": workers.failing, "why": workers.cause} if workers.failing else None,
        "unseen": workers.failure or None,
    }


def _leading(triggers: list[Entry], formula: Entry | None) -> str | None:
    """The metric that asks for the most, where at least one asks."""
    asking = [one for trigger in triggers for one in trigger["metrics"]] + ([formula] if formula else [])
    told = [one for one in asking if one["replicas"] is not None]
    return max(told, key=lambda one: one["replicas"])["name"] if told else None


def _rivals(subject: Subject) -> list[Entry]:
    """Who else scales the same target: they and we undo each other's counts."""
    object, tracked = subject.object, subject.tracked
    if not isinstance(object, ScaledObject):
        return []
    ref, namespace = object.spec.scale_target_ref, object.metadata.namespace
    own = subject.hpa.name if subject.hpa is not None else ""
    found: list[Entry] = []
    try:
        subject.steps.informers.get(HPAS, namespace, own)
    except TidegateError:
        return found
    for hpa in subject.steps.informers.cache(HPAS).list(namespace):
        target, name = hpa["spec"].get("scaleTargetRef") or {}, hpa["metadata"]["name"]
        if name != own and (target.get("kind"), target.get("name")) == (ref.kind or "Deployment", ref.name):
            found.append({"kind": HPAS.kind, "name": name})
    others = subject.steps.tracker.targeting(tracked.target) if tracked.target is not None else []
    found += [{"kind": one.key[0].kind, "name": one.key[2]} for one in others if one is not tracked]
    return [one for one in found if one["kind"] in (HPAS.kind, SCALED_OBJECTS.kind)]


def _outlook(subject: Subject) -> tuple[Prospect, ...]:
    """What would change the number."""
    tracked, object, views = subject.tracked, subject.object, subject.views
    if tracked.plan is None or tracked.claims is not None:
        # Nothing is counted where messages are claimed.
        return ()
    views = tracked.plan.foreseen(views, subject.now)
    if isinstance(object, ScaledJob):
        jobs = snapshot.take_snapshot(subject.steps.informers, object, tracked.expectations)
        template = template_of(subject.steps.informers, object)
        check = (
            template
            if isinstance(template, Failure)
            else with_refusals(tracked.plan.check("triggers"), tracked)
        )
        return outlook_jobs(object, jobs, views, check)
    if tracked.seen is None:
        return ()
    seen, composite = _with_usage(subject, tracked.seen), tracked.plan.review.composite
    return outlook(object, seen, views, tracked.memory, subject.now, composite)


def _with_usage(subject: Subject, seen: Seen) -> Seen:
    """`seen` with what the HPA read of cpu and memory at its last look."""
    hpa = subject.hpa
    if hpa is None or hpa.state != "current" or not isinstance(seen.hpa, HpaView):
        return seen
    read = [(view.resource, hpa.usage(view.resource)) for view in subject.views if view.resource is not None]
    uses = tuple(
        ResourceUse(metric.name, metric.target_type, float(parse_quantity(metric.target)), value)
        for metric, value in read
        if value is not None
    )
    return replace(seen, hpa=replace(seen.hpa, resources=uses))


def _due(decision: Decision | None, prospects: tuple[Prospect, ...]) -> str | None:
    """The first moment at which something else may be decided without news."""
    moments = [one.at for one in prospects] + [decision.due if decision is not None else None]
    first = min((moment for moment in moments if moment is not None), default=None)
    return format_time(first) if first is not None else None


def _prospect(prospect: Prospect) -> Entry:
    return {
        "code": prospect.code,
        "text": prospect.text,
        "numbers": dict(prospect.numbers),
        "at": format_time(prospect.at) if prospect.at else None,
    }
