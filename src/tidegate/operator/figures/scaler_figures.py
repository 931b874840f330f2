"""What the triggers of one object come to in figures: values as the HPA gets them, activity, errors, pace."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import Failure
from tidegate.core.control_annotations import PAUSED, is_set, pause_of
from tidegate.core.triggers import fallback
from tidegate.core.triggers.fallback import SafetyNet
from tidegate.core.triggers.state import COMPOSITE_METRIC, Summary, TriggerState, interpret
from tidegate.core.triggers.summary import net_of, summary_of
from tidegate.core.values import ExternalMetric, TriggerView
from tidegate.operator.figures.scaler_names import scaler_name
from tidegate.operator.reconcile.steps import Steps
from tidegate.operator.reconcile.tracker import Tracked
from tidegate.telemetry.metrics import catalogue
from tidegate.telemetry.metrics.families import Family

Sample = tuple[Family, float, tuple[str, ...]]
"""A family, a value and the values of its labels."""


def is_paused(object: ScaledObject | ScaledJob) -> bool:
    """Whether it is paused as a whole: an object that only scales one way goes on being measured."""
    annotations = object.metadata.annotations
    return pause_of(annotations).is_full if isinstance(object, ScaledObject) else is_set(annotations, PAUSED)


def scaler_figures(steps: Steps, tracked: Tracked, object: ScaledObject | ScaledJob) -> Iterator[Sample]:
    """The samples of an object's triggers; none while it is paused, since nothing of it is measured."""
    if tracked.plan is None or is_paused(object):
        return
    views = steps.views(tracked, is_latest=True)
    summary, net = _summary(tracked, object, views), _net(tracked, object)
    kind = "scaledobject" if isinstance(object, ScaledObject) else "scaledjob"
    place = (tracked.key[1], tracked.key[2], kind)
    for view, state in zip(views, summary.states, strict=True):
        named = view.name or scaler_name(view.type)
        if view.resource is not None and summary.composed is None:
            yield catalogue.SCALER_ACTIVE, 1.0, _labels(place, view.resource.name, named, view.index)
        if view.index in tracked.followed:
            yield from _pace(steps, tracked, view, place, named)
            yield from _empties(steps, tracked, view, object)
        for position, metric in enumerate(view.metrics):
            labels = _labels(place, metric.name, named, view.index)
            value = _value(tracked, view, state, net, position, metric)
            if value is not None:
                yield catalogue.SCALER_VALUE, value, labels
            if summary.composed is None and state.state in ("active", "inactive"):
                is_active = metric.name in state.active_metrics
                yield catalogue.SCALER_ACTIVE, float(is_active), labels
    composed = summary.composed
    if composed is not None and composed.value is not None:
        labels = _labels(place, COMPOSITE_METRIC, COMPOSITE_METRIC, 0)
        yield catalogue.SCALER_VALUE, composed.value, labels
        yield catalogue.SCALER_ACTIVE, float(composed.is_active), labels


def errors_of(steps: Steps, tracked: Tracked, object: ScaledObject | ScaledJob) -> int:
    """All errors of an object so far."""
    tracked.count_wrong(steps.clock.monotonic(), object.spec.polling_s)
    return tracked.errors + sum(steps.rounds.failures((tracked.uid, index)) for index in tracked.followed)


def lateness_of(steps: Steps, tracked: Tracked) -> float | None:
    """How late the last poll of any of its triggers was begun; None where nobody was polled yet."""
    paces = (steps.rounds.pace((tracked.uid, index)) for index in tracked.followed)
    return max((one.late_s for one in paces if one.late_s is not None), default=None)


def _pace(
    steps: Steps, tracked: Tracked, view: TriggerView, place: tuple[str, str, str], named: str
) -> Iterator[Sample]:
    key = (tracked.uid, view.index)
    failures, took_s = steps.rounds.failures(key), steps.rounds.pace(key).took_s
    for metric in view.metrics:
        labels = _labels(place, metric.name, named, view.index)
        yield catalogue.SCALER_ERRORS, float(failures), labels
        if took_s is not None:
            yield catalogue.SCALER_LATENCY, took_s, labels


def _empties(
    steps: Steps, tracked: Tracked, view: TriggerView, object: ScaledObject | ScaledJob
) -> Iterator[Sample]:
    """How often a prometheus trigger found nothing."""
    if view.type != "prometheus" or view.index >= len(object.spec.triggers):
        return
    setting = object.spec.triggers[view.index].metadata.get("ignoreNullValues", "true")
    kind = "ScaledObject" if isinstance(object, ScaledObject) else "ScaledJob"
    empties = steps.rounds.pace((tracked.uid, view.index)).empties
    for metric in view.metrics:
        labels = (*tracked.key[1:], view.name, metric.name, kind, setting)
        yield catalogue.EMPTY_RESPONSES, float(empties), labels


def _summary(tracked: Tracked, object: ScaledObject | ScaledJob, views: tuple[TriggerView, ...]) -> Summary:
    assert tracked.plan is not None
    if isinstance(object, ScaledJob) or tracked.seen is None:
        return interpret(views)
    return summary_of(object, tracked.seen, views, tracked.memory, tracked.plan.review.composite)


def _net(tracked: Tracked, object: ScaledObject | ScaledJob) -> SafetyNet | None:
    return net_of(object, tracked.memory) if isinstance(object, ScaledObject) else None


def _value(
    tracked: Tracked,
    view: TriggerView,
    state: TriggerState,
    net: SafetyNet | None,
    position: int,
    metric: ExternalMetric,
) -> float | None:
    """The metric's value as the HPA gets it; None where it gets none."""
    if state.is_fallen and net is not None and not net.is_nil and tracked.seen is not None:
        value = fallback.value_of(net, metric, tracked.seen)
        return None if isinstance(value, Failure) else value
    if state.failure is not None or view.reading is None:
        return None
    return next(iter(view.reading.values[position : position + 1]), None)


def _labels(place: tuple[str, str, str], metric: str, scaler: str, index: int) -> tuple[str, ...]:
    """In the order of `catalogue.SCALER_LABELS`."""
    namespace, name, kind = place
    return (namespace, metric, name, scaler, str(index), kind)
