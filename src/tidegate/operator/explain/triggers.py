"""Each trigger as plain JSON values: what it said and when, what it asks for, when it is asked again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import Failure
from tidegate.base.quantity import parse_quantity
from tidegate.base.times import format_time
from tidegate.core.hpa import behavior
from tidegate.core.hpa.replicas import MetricKind, Sample, failure_of, wanted_by
from tidegate.core.triggers import fallback
from tidegate.core.triggers.scaling_modifiers import modifiers_of
from tidegate.core.triggers.state import COMPOSITE_METRIC, Summary, TriggerState
from tidegate.core.triggers.summary import net_of
from tidegate.core.values import ExternalMetric, Reading, TargetType, TriggerView
from tidegate.kit.scaler import Clocked
from tidegate.operator.explain.hpa import Told
from tidegate.operator.reconcile.steps import Steps
from tidegate.operator.reconcile.tracker import Tracked
from tidegate.review.manifest import TriggerPlan

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """One object, as it is explained. `ready` is its target's count of ready pods, where it was counted."""

    steps: Steps
    tracked: Tracked
    object: ScaledObject | ScaledJob
    views: tuple[TriggerView, ...]
    summary: Summary
    now: datetime
    is_paused: bool = False
    replicas: int | None = None
    ready: int | None = None
    hpa: Told | None = None

    @property
    def is_formula(self) -> bool:
        """Whether a formula speaks for the triggers: their own targets do not count then."""
        return isinstance(self.object, ScaledObject) and modifiers_of(self.object.spec) is not None

    def asked(self, sample: Sample) -> int | None:
        """The replicas that a metric asks the HPA for; None where no HPA asks, or nothing is known."""
        if not isinstance(self.object, ScaledObject) or not self.replicas or failure_of(sample) is not None:
            return None
        advanced = self.object.spec.advanced
        config = advanced.horizontal_pod_autoscaler_config if advanced is not None else None
        tolerance = behavior.tolerance_of(config.behavior if config is not None else None)
        return wanted_by(sample, self.replicas, tolerance)[0]

    def external(self, metric: ExternalMetric, value: float | None) -> int | None:
        """The replicas that one of our metrics asks for."""
        ready = self.replicas if self.ready is None else self.ready
        return self.asked(Sample(metric.name, metric.target_type, metric.target, value, ready=ready or 0))


def triggers(subject: Subject) -> list[Entry]:
    """All of them, in their order."""
    assert subject.tracked.plan is not None
    plans = {plan.index: plan for plan in subject.tracked.plan.review.triggers}
    return [
        _trigger(subject, plans[view.index], view, state)
        for view, state in zip(subject.views, subject.summary.states, strict=True)
    ]


def formula(subject: Subject) -> Entry | None:
    """The metric that a formula makes of the triggers; None without a formula."""
    object = subject.object
    modifiers = modifiers_of(object.spec) if isinstance(object, ScaledObject) else None
    if modifiers is None:
        return None
    plan, composed = subject.tracked.plan, subject.summary.composed
    composite = plan.review.composite if plan is not None else None
    value = composed.value if composed is not None and not subject.is_paused else None
    failure = composed.failure if composed is not None else None
    return {
        "name": COMPOSITE_METRIC,
        "formula": modifiers.formula,
        "value": value,
        "target": composite.metric.target if composite else None,
        "targetType": composite.metric.target_type if composite else None,
        "activation": composite.activation if composite else None,
        "replicas": subject.external(composite.metric, value) if composite else None,
        "failure": failure.message if failure is not None else None,
    }


def _trigger(subject: Subject, plan: TriggerPlan, view: TriggerView, state: TriggerState) -> Entry:
    assert subject.tracked.plan is not None
    is_asked = plan.scaler is not None and plan.index not in subject.tracked.plan.failures
    reading = _last(subject.tracked, view) if subject.is_paused else view.reading
    if not is_asked:
        reading = None
    failure = view.reading.failure if view.reading is not None else None
    polling = subject.object.spec.polling_s if is_asked and not isinstance(plan.scaler, Clocked) else None
    native = view.resource is not None
    return {
        "index": view.index,
        "type": view.type,
        "name": view.name or None,
        "summary": (plan.scaler.summary() if plan.scaler is not None else "") or None,
        "state": "paused" if subject.is_paused and not native else state.state,
        "isAsked": is_asked,
        "isFallback": state.is_fallen,
        "activation": None if native or subject.is_formula else view.activation,
        "metrics": _native(subject, view) if native else _metrics(subject, view, state, reading),
        "readAt": _read_at(subject, reading, is_native=native),
        "age_s": round((subject.now - reading.at).total_seconds(), 1) if reading is not None else None,
        "failure": failure.message if failure is not None else None,
        "failedPolls": view.failed_polls,
        "pollingInterval": None if native else polling,
        "stretched": _stretched(subject, view.index),
        **_next(subject, view.index),
        "notices": subject.tracked.plan.notices_of(view.index),
    }


def _last(tracked: Tracked, view: TriggerView) -> Reading | None:
    """What the trigger said before the pause; nothing where an edit has put another one in its place."""
    names, reading = tracked.last.get(view.index, ((), None))
    return reading if names == tuple(metric.name for metric in view.metrics) else None


def _read_at(subject: Subject, reading: Reading | None, *, is_native: bool) -> str | None:
    """The moment of what is shown: of a reading, or of the HPA's word."""
    if is_native:
        spoke = subject.hpa.spoke if subject.hpa is not None else None
        return format_time(spoke) if spoke is not None else None
    return format_time(reading.at) if reading is not None else None


def _next(subject: Subject, index: int) -> Entry:
    """When it is measured next, whether its server is left alone till then, and tells of changes."""
    rounds, key = subject.steps.rounds, (subject.tracked.uid, index)
    due = rounds.next_poll(key)
    pushes = {"isPushed": rounds.is_watched(key), "whyNotPushed": rounds.why_unwatched(key) or None}
    if due is None:
        return {"nextPoll": None, "isHeld": False, **pushes}
    # To the nearest second: an edge at the full minute must not be told as one second before it.
    moment = subject.now + timedelta(seconds=due.rest_s + 0.5)
    return {"nextPoll": format_time(moment), "isHeld": due.is_held, **pushes}


def _stretched(subject: Subject, index: int) -> Entry | None:
    """How often it is really asked, where a budget of its server's calls makes that less often."""
    stretch = subject.steps.rounds.stretch((subject.tracked.uid, index))
    if stretch is None or not stretch.is_stretched:
        return None
    return {"every_s": round(stretch.is_s, 1), "wanted": round(stretch.calls, 1), "budget": stretch.budget}


def _metrics(
    subject: Subject, view: TriggerView, state: TriggerState, reading: Reading | None
) -> list[Entry]:
    """The metrics that are asked for here. In fallback its value counts for the HPA, and was not read."""
    values = reading.values if reading is not None else ()
    found = []
    for place, metric in enumerate(view.metrics):
        value = values[place] if place < len(values) else None
        counted = None if subject.is_paused else _fallen(subject, metric, state, value)
        found.append(
            {
                "name": metric.name,
                "value": value,
                "target": None if subject.is_formula else metric.target,
                "targetType": None if subject.is_formula else metric.target_type,
                "replicas": None if subject.is_formula else subject.external(metric, counted),
            }
        )
    return found


def _fallen(
    subject: Subject, metric: ExternalMetric, state: TriggerState, value: float | None
) -> float | None:
    """What counts for the HPA: the value, or the fallback's."""
    object, tracked = subject.object, subject.tracked
    if not state.is_fallen or not isinstance(object, ScaledObject) or tracked.seen is None:
        return value
    net = net_of(object, tracked.memory)
    worth = fallback.value_of(net, metric, tracked.seen) if net is not None else None
    return None if isinstance(worth, Failure) else worth


def _native(subject: Subject, view: TriggerView) -> list[Entry]:
    """What the HPA read of cpu or memory, in percent of the requests, in cores or in bytes per pod."""
    metric = view.resource
    assert metric is not None
    target = float(parse_quantity(metric.target))
    told = subject.hpa if subject.hpa is not None and subject.hpa.state == "current" else None
    value = told.usage(metric) if told is not None else None
    kind: MetricKind = "ContainerResource" if metric.container else "Resource"
    target_type: TargetType = metric.target_type
    ready = subject.replicas if subject.ready is None else subject.ready
    sample = Sample(metric.name, target_type, target, value, ready=ready or 0, kind=kind)
    return [
        {
            "name": metric.name,
            "container": metric.container or None,
            "value": value,
            "target": target,
            "targetType": target_type,
            "replicas": subject.asked(sample),
        }
    ]
