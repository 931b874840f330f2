"""All objects at a glance, as the live view of `tidegate up` shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tidegate.api.scaledobject import ScaledObject
from tidegate.base.quantity import parse_quantity
from tidegate.core.values import Reason
from tidegate.kube.resource import Resource
from tidegate.operator.explain.hpa import told_by
from tidegate.operator.reconcile.steps import Steps
from tidegate.operator.reconcile.tracker import Tracked
from tidegate.operator.scaledobject.ready_pods import told_ready

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """An object for people: its metrics as last read, with their targets, and the last reason.

    cpu and memory are in cores and bytes per pod, or `cpu %` of the requests.
    `ready` is what its target says of its pods, None where it says nothing.
    """

    resource: Resource
    namespace: str
    name: str
    metrics: tuple[tuple[str, float | None, float], ...]
    replicas: int | None
    reason: Reason | None
    ready: int | None = None


def rows(steps: Steps, hpa_of: Callable[[ScaledObject], Object | None]) -> list[Row]:
    """By kind, namespace and name. `hpa_of` is the body of an object's HPA: it reads cpu and memory."""
    tracked = sorted(steps.tracker.by_key.values(), key=lambda one: (one.key[0].kind, one.key[1:]))
    return [row(steps, one, hpa_of) for one in tracked]


def row(steps: Steps, tracked: Tracked, hpa_of: Callable[[ScaledObject], Object | None]) -> Row:
    """One of them."""
    reasons = tracked.decision.reasons if tracked.decision is not None else ()
    return Row(
        *tracked.key,
        tuple(_metrics(steps, tracked, hpa_of)),
        tracked.replicas,
        reasons[-1] if reasons else None,
        told_ready(steps.informers, tracked.target),
    )


def _metrics(
    steps: Steps, tracked: Tracked, hpa_of: Callable[[ScaledObject], Object | None]
) -> Iterator[tuple[str, float | None, float]]:
    for plan in tracked.plan.review.triggers if tracked.plan is not None else ():
        if plan.resource is not None:
            object = steps.informers.get(*tracked.key)
            told = told_by(tracked, hpa_of(object)) if isinstance(object, ScaledObject) else None
            value = told.usage(plan.resource) if told is not None and told.state == "current" else None
            unit = " %" if plan.resource.target_type == "Utilization" else ""
            yield f"{plan.resource.name}{unit}", value, float(parse_quantity(plan.resource.target))
        reading = steps.rounds.latest((tracked.uid, plan.index))
        for position, metric in enumerate(plan.metrics):
            is_read = reading is not None and reading.failure is None
            read = reading.values[position] if is_read and reading is not None else None
            yield metric.name, read, metric.target
