"""The status of a HorizontalPodAutoscaler as a value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any

from tidegate.api.conditions import Condition
from tidegate.api.hpa import HpaSpec
from tidegate.base.quantity import format_quantity
from tidegate.base.times import format_time
from tidegate.core.hpa.autoscaler import HpaDecision, Sample
from tidegate.core.hpa.replicas import failure_of
from tidegate.local.controllers import conditions
from tidegate.local.objects import Object

Status = dict[str, Any]


def decided(
    hpa: Object, spec: HpaSpec, decision: HpaDecision, samples: Sequence[Sample], now: datetime
) -> Status:
    """The status after a decision: `lastScaleTime` moves when the count does."""
    old = hpa.get("status") or {}
    status: Status = {
        # As in Go, none at all are not told.
        **({"currentReplicas": decision.current} if decision.current else {}),
        # Where nothing could be concluded, what was wanted last stands.
        "desiredReplicas": old.get("desiredReplicas", 0) if decision.is_held else decision.replicas,
        "conditions": with_all(old.get("conditions"), decision.conditions, now),
    }
    if samples:
        status["currentMetrics"] = [
            _current(index, spec, sample, max(decision.current, 1)) for index, sample in enumerate(samples)
        ]
    last = format_time(now) if decision.is_rescale else old.get("lastScaleTime")
    return status | ({"lastScaleTime": last} if last else {})


def blind(hpa: Object, condition: Condition, now: datetime) -> Status:
    """The status when nothing could be decided: the counts stay as they were last seen."""
    old = hpa.get("status") or {}
    kept = {name: old[name] for name in ("lastScaleTime", "currentReplicas", "currentMetrics") if name in old}
    return {
        **kept,
        "desiredReplicas": old.get("desiredReplicas", 0),
        "conditions": with_all(old.get("conditions"), [condition], now),
    }


def with_all(
    known: conditions.Conditions | None, wanted: Sequence[Condition], now: datetime
) -> conditions.Conditions:
    result = list(known or [])
    for one in wanted:
        fields = {"type": one.type, "status": one.status, "reason": one.reason, "message": one.message}
        result = conditions.with_condition(
            result, {key: value for key, value in fields.items() if value is not None}, now
        )
    return result


def _current(index: int, spec: HpaSpec, sample: Sample, replicas: int) -> dict[str, Any]:
    """One entry of currentMetrics; without a value it keeps its place, so that readers can count on it."""
    metric = spec.metrics[index]
    value = None if failure_of(sample) is not None else sample.value
    if metric.external is not None:
        name: dict[str, Any] = {"name": sample.name}
        if metric.external.metric.selector:
            name["selector"] = metric.external.metric.selector
        return {
            "type": "External",
            "external": {"metric": name, "current": _external(sample, value, replicas)},
        }
    if metric.resource is not None:
        return {"type": "Resource", "resource": {"name": sample.name, "current": _usage(sample, value)}}
    if metric.container_resource is not None:
        place = {"name": sample.name, "container": metric.container_resource.container}
        current = {**place, "current": _usage(sample, value)}
        return {"type": "ContainerResource", "containerResource": current}
    return {"type": metric.type}


def _external(sample: Sample, value: float | None, replicas: int) -> dict[str, Any]:
    if value is None:
        return {}
    if sample.target_type == "AverageValue":
        return {"averageValue": _quantity(value / replicas)}
    return {"value": _quantity(value)}


def _usage(sample: Sample, value: float | None) -> dict[str, Any]:
    if value is None:
        return {}
    if sample.target_type == "Utilization":
        # kubectl shows both, and a use that is missing as <nil>.
        average = {} if sample.average is None else {"averageValue": _quantity(sample.average)}
        return {"averageUtilization": int(value), **average}
    return {"averageValue": _quantity(value)}


def _quantity(value: float) -> str:
    """In thousandths, rounded up as Kubernetes does, so that a little is never shown as nothing."""
    return format_quantity(Decimal(str(value)), ROUND_CEILING)
