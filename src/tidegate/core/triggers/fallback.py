"""What speaks for a trigger that has failed too often: the fallback's number of replicas.

    polls failed in a row   up to failureThreshold   unknown: held
                            more than that           the fallback: active, and target × replicas for the HPA

Failures count once per polling interval, however often the HPA asks in between; those of the same metric
from before a restart, a pause or an edit count on until it is read. A trigger whose parameters cannot be had
(its Secret is gone) fails at each poll as if its source were down. cpu and memory never take part, nor does
a trigger whose metadata is wrong: nobody knows its metrics, and it is unknown until that is mended.

Source: KEDA's documentation, "Fallback". The count in the status stops one above the threshold, where it
has said everything: a source that is down for a day costs one write and not thousands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from tidegate.api.conditions import HealthStatus
from tidegate.api.scaledobject import Fallback, ScaledObjectSpec
from tidegate.base.errors import Failure
from tidegate.base.sentences import counted
from tidegate.core.hpa.replicas import MILLI, milli
from tidegate.core.triggers.state import Summary, TriggerState
from tidegate.core.values import ExternalMetric, Seen, TriggerView

HAPPY, FAILING = "Happy", "Failing"
# A poll is answered some time after it is due; a count is looked at again so much later.
_LATER = timedelta(seconds=1)
CENTURY_S = 100 * 365 * 86_400


@dataclass(frozen=True, slots=True)
class SafetyNet:
    """An object's fallback, with the failures by metric from before a restart or a change."""

    fallback: Fallback
    failed_before: tuple[tuple[str, int], ...] = ()

    @property
    def threshold(self) -> int:
        return self.fallback.failure_threshold

    @property
    def is_nil(self) -> bool:
        """A failing trigger is nil in the formula, which decides what counts instead."""
        return self.fallback.behavior == "scalingModifiers"


def net_of(spec: ScaledObjectSpec, failed_before: tuple[tuple[str, int], ...] = ()) -> SafetyNet | None:
    """The fallback of an object; None where there is none, or it can never apply."""
    fallback = spec.fallback
    if fallback is None or fallback.failure_threshold < 0 or fallback.replicas < 0:
        return None
    modifiers = spec.advanced.scaling_modifiers if spec.advanced is not None else None
    has_formula = modifiers is not None and bool(modifiers.formula)
    if fallback.behavior == "scalingModifiers" and not has_formula:
        return None
    return SafetyNet(fallback, failed_before)


def caught(
    net: SafetyNet, triggers: tuple[TriggerView, ...], summary: Summary, sources: frozenset[str] | None = None
) -> Summary:
    """The summary with each trigger's failures counted, and those that are too many caught. `sources` are
    the names that a formula reads: the others take no part."""
    states = tuple(
        _caught(net, trigger, state) if sources is None or trigger.name in sources else state
        for trigger, state in zip(triggers, summary.states, strict=True)
    )
    return replace(summary, states=states)


def _caught(net: SafetyNet, trigger: TriggerView, state: TriggerState) -> TriggerState:
    failed = failures_of(net, trigger) if state.failure is not None else 0
    if failed <= net.threshold:
        return replace(state, failed=failed)
    names = tuple(metric.name for metric in trigger.metrics)
    return replace(state, state="active", active_metrics=names, failed=failed, is_fallen=True)


def failures_of(net: SafetyNet, trigger: TriggerView) -> int:
    """Failures in a row that count towards the fallback."""
    if trigger.resource is not None or not trigger.failed_polls:
        return 0
    before = dict(net.failed_before)
    return trigger.failed_polls + max((before.get(one.name, 0) for one in trigger.metrics), default=0)


def replicas_of(fallback: Fallback, current: int | Failure) -> int | Failure:
    """How many replicas the fallback stands for, with `current` replicas now."""
    if fallback.behavior in ("static", "scalingModifiers"):
        return fallback.replicas
    if isinstance(current, Failure):
        return current
    if fallback.behavior == "currentReplicasIfHigher":
        return max(current, fallback.replicas)
    if fallback.behavior == "currentReplicasIfLower":
        return min(current, fallback.replicas)
    return current


def worth(metric: ExternalMetric, replicas: int | Failure, ready: int | Failure | None) -> float | Failure:
    """The value of `metric` at which the HPA arrives at `replicas`, in whole thousandths.

    AverageValue: target × replicas. Value: target × replicas / ready pods, since the HPA multiplies by
    them; without a ready pod nothing can be said.
    """
    if isinstance(replicas, Failure):
        return replicas
    total = milli(metric.target) * replicas
    if metric.target_type != "Value":
        return total / MILLI
    if isinstance(ready, Failure):
        return ready
    if not ready:
        state = "its pods were not counted" if ready is None else "no pod of the target is ready"
        wanted = counted(replicas, "replica")
        text = f"cannot fall back to {wanted} with the Value metric {metric.name}: {state}"
        return Failure("Unreachable", text)
    return int(Fraction(total, ready)) / MILLI


def value_of(net: SafetyNet, metric: ExternalMetric, seen: Seen) -> float | Failure:
    """What the HPA is told of a metric in fallback."""
    return worth(metric, replicas_of(net.fallback, seen.replicas), seen.ready)


def health(
    net: SafetyNet,
    triggers: tuple[TriggerView, ...],
    summary: Summary,
    present: Mapping[str, HealthStatus] | None,
) -> dict[str, Any]:
    """status.health: an entry for each external metric; one not measured yet keeps what it has."""
    entries: dict[str, Any] = {}
    for trigger, state in zip(triggers, summary.states, strict=True):
        for metric in trigger.metrics:
            known = (present or {}).get(metric.name)
            if state.state == "unknown" and not state.failed:
                if known is not None:
                    entries[metric.name] = _entry(known.number_of_failures or 0)
                continue
            entries[metric.name] = _entry(min(state.failed, net.threshold + 1))
    return entries


def kept_health(
    triggers: tuple[TriggerView, ...], present: Mapping[str, HealthStatus] | None
) -> dict[str, Any] | None:
    """status.health without a fallback: as it was, but for metrics that are gone."""
    names = {metric.name for trigger in triggers for metric in trigger.metrics}
    kept = {name: one for name, one in (present or {}).items() if name in names}
    return {
        name: {"numberOfFailures": one.number_of_failures or 0, "status": one.status or HAPPY}
        for name, one in kept.items()
    } or None


def failed_before(net: SafetyNet | None, summary: Summary, triggers: tuple[TriggerView, ...]) -> Any:
    """What is kept of the failures before a restart or a change: those of metrics not read since, up to the
    number that says everything."""
    if net is None:
        return ()
    unread = {
        metric.name
        for trigger, state in zip(triggers, summary.states, strict=True)
        for metric in trigger.metrics
        if state.failure is not None or state.state == "unknown"
    }
    most = net.threshold + 1
    return tuple((name, min(count, most)) for name, count in net.failed_before if name in unread)


def is_in_use(
    net: SafetyNet, triggers: tuple[TriggerView, ...], summary: Summary, entries: Mapping[str, Any]
) -> bool:
    """Whether any trigger has failed too often; one not measured yet, whether its metrics had before."""
    before = {name for name, one in entries.items() if one["numberOfFailures"] > net.threshold}
    return any(
        state.is_fallen or (state.is_unread and any(metric.name in before for metric in trigger.metrics))
        for trigger, state in zip(triggers, summary.states, strict=True)
    )


def next_count(
    net: SafetyNet, triggers: tuple[TriggerView, ...], summary: Summary, polling_s: int, now: datetime
) -> datetime | None:
    """When a trigger on its way into the fallback will have been polled once more; None: there is none.

    An equal failure is no news, so nobody else would say so.
    """
    moments = [
        poll_after(trigger.reading.at, 1, polling_s, now) + _LATER
        for trigger, state in zip(triggers, summary.states, strict=True)
        if 0 < state.failed <= net.threshold and trigger.reading is not None
    ]
    return min(moments, default=None)


def poll_after(last: datetime, polls: int, polling_s: int, now: datetime) -> datetime:
    """About when so many more polls will have been made, `last` being the moment of the latest.

    What a manifest may ask for goes beyond what a calendar holds: a century is as good as never.
    """
    further = timedelta(seconds=min(polling_s * (polls - 1), CENTURY_S))
    return max(last + timedelta(seconds=polling_s), now) + further


def _entry(failed: int) -> dict[str, Any]:
    return {"numberOfFailures": failed, "status": FAILING if failed else HAPPY}
