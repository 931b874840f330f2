"""What the HPA asks for: each metric's value, divided as the HPA divides it.

The arithmetic is the HPA's own (`replicas`); here are the values that it gets from us, and those of cpu
and memory that it tells.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.api.hpa import Behavior
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import Failure
from tidegate.core.hpa import behavior
from tidegate.core.hpa.replicas import Sample, Tolerance, failure_of, wanted_by
from tidegate.core.triggers import fallback
from tidegate.core.triggers.fallback import SafetyNet
from tidegate.core.triggers.scaling_modifiers import Composite, modifiers_of
from tidegate.core.triggers.state import Summary
from tidegate.core.values import ExternalMetric, HpaView, Seen, TriggerView


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A metric that the HPA reads from us, with its value now.

    `is_clock`: it follows the clock, so no value can be waited for. `is_fallen`: the value is the fallback's.
    """

    metric: ExternalMetric
    value: float
    is_clock: bool = False
    is_fallen: bool = False

    @property
    def is_fixed(self) -> bool:
        return self.is_clock or self.is_fallen


@dataclass(frozen=True, slots=True)
class MetricValues:
    """The metrics whose values are known now. `is_whole`: these are all that the HPA reads from us."""

    entries: tuple[MetricValue, ...]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Request:
    """What one metric asks for. `rule` are its words: "at 5 per replica".

    `is_fallen`: by the fallback. `is_native`: the HPA read it itself.
    """

    name: str
    value: float
    rule: str
    replicas: int
    is_tolerated: bool
    is_fallen: bool = False
    is_native: bool = False


@dataclass(frozen=True, slots=True)
class Sources:
    """What the metric values of an object are computed from."""

    object: ScaledObject
    seen: Seen
    triggers: tuple[TriggerView, ...]
    summary: Summary
    net: SafetyNet | None
    composite: Composite | None


def metric_values_of(sources: Sources) -> MetricValues:
    """The metrics of the HPA that are known now."""
    summary, composite = sources.summary, sources.composite
    if modifiers_of(sources.object.spec) is not None:
        composed = summary.composed
        if composite is None or composed is None or composed.value is None:
            return MetricValues((), False)
        return MetricValues(
            (MetricValue(composite.metric, composed.value, is_fallen=composed.is_fallen),), True
        )
    found: list[MetricValue] = []
    is_whole = True
    for trigger, state in zip(sources.triggers, summary.states, strict=True):
        values = trigger.reading.values if trigger.reading is not None and state.failure is None else ()
        for place, metric in enumerate(trigger.metrics):
            worth: float | Failure | None = values[place] if place < len(values) else None
            if state.is_fallen and sources.net is not None:
                worth = fallback.value_of(sources.net, metric, sources.seen)
            if worth is None or isinstance(worth, Failure):
                is_whole = False
            else:
                found.append(MetricValue(metric, worth, trigger.next_reading is not None, state.is_fallen))
        is_whole = is_whole and (state.failure is None or state.is_fallen)
    return MetricValues(tuple(found), is_whole)


def requests(sources: Sources, metric_values: MetricValues) -> tuple[Request, ...]:
    """What each metric asks for while there are replicas; cpu and memory too, where the HPA tells of them."""
    current = sources.seen.replicas
    if isinstance(current, Failure) or current == 0:
        return ()
    tolerance = behavior.tolerance_of(behavior_of(sources.object))
    ready = ready_of(sources.seen)
    found: list[Request] = []
    for one in metric_values.entries:
        metric = one.metric
        sample = Sample(metric.name, metric.target_type, metric.target, one.value, ready=ready)
        if failure_of(sample) is None:
            found.append(_request(sample, current, tolerance, one.is_fallen))
    hpa = sources.seen.hpa
    for use in hpa.resources if isinstance(hpa, HpaView) else ():
        sample = Sample(use.name, use.target_type, use.target, use.value, ready=ready, kind="Resource")
        if failure_of(sample) is None:
            found.append(_request(sample, current, tolerance))
    return tuple(found)


def _request(sample: Sample, current: int, tolerance: Tolerance, is_fallen: bool = False) -> Request:
    replicas, is_tolerated = wanted_by(sample, current, tolerance)
    if sample.kind == "Resource":
        target = f"on average for a target of {_number(sample.target)}"
        is_share = sample.target_type == "Utilization"
        rule = (
            f"% {target} % with {sample.ready} ready" if is_share else f"{target} with {sample.ready} ready"
        )
    elif sample.target_type == "Value":
        rule = f"for a target of {_number(sample.target)} with {sample.ready} ready"
    else:
        rule = f"at {_number(sample.target)} per replica"
    return Request(
        sample.name, sample.value or 0.0, rule, replicas, is_tolerated, is_fallen, sample.kind == "Resource"
    )


def ready_of(seen: Seen) -> int:
    """The ready pods; where nobody counted them, all are taken to be."""
    current = seen.replicas if isinstance(seen.replicas, int) else 0
    return seen.ready if isinstance(seen.ready, int) and seen.ready else current


def behavior_of(object: ScaledObject) -> Behavior | None:
    """The HPA's behavior as the object asks for it."""
    advanced = object.spec.advanced
    config = advanced.horizontal_pod_autoscaler_config if advanced is not None else None
    return config.behavior if config is not None else None


def has_no_hpa(seen: Seen) -> bool:
    """Whether nobody decides between the bounds: the HPA was refused, or the object is not fit for one."""
    if isinstance(seen.hpa, HpaView) or seen.hpa_before is not None:
        return False
    return isinstance(seen.hpa, Failure) or seen.check is not None


def _number(number: float) -> str:
    return f"{int(number)}" if number == int(number) else f"{number}"
