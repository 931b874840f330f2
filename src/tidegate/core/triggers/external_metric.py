"""The HPA's question: what an external metric of a ScaledObject is now.

Answered from the summary that decisions are made of. An inactive trigger is answered all the same. An
object with scalingModifiers answers for `composite-metric`, and for each trigger's own metric too, with
that trigger's own value: an HPA from before the formula goes on rightly until it is rewritten.
"""

from __future__ import annotations

from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import Failure
from tidegate.core.triggers import fallback
from tidegate.core.triggers.scaling_modifiers import Composite, modifiers_of
from tidegate.core.triggers.state import COMPOSITE_METRIC, Summary
from tidegate.core.triggers.summary import net_of, summary_of
from tidegate.core.values import ExternalMetric, Memory, Seen, TriggerView

FRESH_S = 15.0


def max_age_s(polling_s: float, *, is_cached: bool) -> float:
    """How old a reading may be that answers the HPA.

    The polling interval, at most 15 s: poll and HPA share a reading. With `useCachedMetrics` the HPA
    never causes a measurement of its own: the last poll answers for its whole interval.
    """
    return float(polling_s) if is_cached else min(float(polling_s), FRESH_S)


def asked(
    name: str, object: ScaledObject, triggers: tuple[TriggerView, ...], composite: Composite | None = None
) -> tuple[int, ...]:
    """The indexes of the triggers whose readings an answer for metric `name` needs."""
    if _is_composite(name, object):
        names = composite.sources if composite is not None else frozenset()
        return tuple(one.index for one in triggers if one.name in names)
    return tuple(one.index for one in triggers for metric in one.metrics if _is(metric, name))


def external_metric(
    name: str,
    object: ScaledObject,
    seen: Seen,
    triggers: tuple[TriggerView, ...],
    memory: Memory,
    composite: Composite | None = None,
) -> tuple[float, ...] | Failure:
    """The values of metric `name` (compared without case), or why there are none.

    A metric in fallback has the fallback's value. `seen` needs the replicas for it, and the ready pods
    where a Value metric falls back.
    """
    summary = summary_of(object, seen, triggers, memory, composite)
    if _is_composite(name, object):
        return _composed(summary)
    for position, trigger in enumerate(triggers):
        for place, metric in enumerate(trigger.metrics):
            if not _is(metric, name):
                continue
            state, net = summary.states[position], net_of(object, memory)
            if state.is_fallen and net is not None and not net.is_nil:
                value = fallback.value_of(net, metric, seen)
                return value if isinstance(value, Failure) else (value,)
            if state.failure is not None:
                return state.failure
            values = trigger.reading.values[place : place + 1] if trigger.reading is not None else ()
            return values or _unread(metric.name)
    owner = f"{object.metadata.namespace}/{object.metadata.name}"
    return Failure("Misconfigured", f"no matching metrics found for {name} of {owner}")


def _composed(summary: Summary) -> tuple[float, ...] | Failure:
    composed = summary.composed
    assert composed is not None
    if composed.value is not None:
        return (composed.value,)
    return composed.failure or _unread(COMPOSITE_METRIC)


def _unread(name: str) -> Failure:
    return Failure("Unreachable", f"{name} has not been measured yet")


def _is(metric: ExternalMetric, name: str) -> bool:
    return metric.name.lower() == name.lower()


def _is_composite(name: str, object: ScaledObject) -> bool:
    return name.lower() == COMPOSITE_METRIC and modifiers_of(object.spec) is not None
