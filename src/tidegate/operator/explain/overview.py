"""All objects at a glance, as the live view of `tidegate up` shows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import TidegateError
from tidegate.base.quantity import parse_quantity
from tidegate.core.values import Reason
from tidegate.kube.resource import Resource
from tidegate.operator.explain.hpa import told_by
from tidegate.operator.reconcile.reconciler import Desk
from tidegate.operator.reconcile.tracked import Known

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


def rows(desk: Desk, hpa_of: Callable[[ScaledObject], Object | None]) -> list[Row]:
    """By kind, namespace and name. `hpa_of` is the body of an object's HPA: it reads cpu and memory."""
    found = []
    for key, known in sorted(desk.register.by_key.items(), key=lambda item: (item[0][0].kind, item[0][1:])):
        reasons = known.decision.reasons if known.decision is not None else ()
        found.append(
            Row(
                *key,
                tuple(_metrics(desk, known, hpa_of)),
                known.replicas,
                reasons[-1] if reasons else None,
                _ready(desk, known),
            )
        )
    return found


def _metrics(
    desk: Desk, known: Known, hpa_of: Callable[[ScaledObject], Object | None]
) -> Iterator[tuple[str, float | None, float]]:
    for plan in known.plan.review.triggers if known.plan is not None else ():
        if plan.resource is not None:
            object = desk.world.get(*known.key)
            told = told_by(known, hpa_of(object)) if isinstance(object, ScaledObject) else None
            value = told.usage(plan.resource) if told is not None and told.state == "current" else None
            unit = " %" if plan.resource.target_type == "Utilization" else ""
            yield f"{plan.resource.name}{unit}", value, float(parse_quantity(plan.resource.target))
        reading = desk.rounds.latest((known.uid, plan.index))
        for position, metric in enumerate(plan.metrics):
            is_read = reading is not None and reading.failure is None
            read = reading.values[position] if is_read and reading is not None else None
            yield metric.name, read, metric.target


def _ready(desk: Desk, known: Known) -> int | None:
    if known.target is None:
        return None
    try:
        target = desk.world.get(*known.target)
    except TidegateError:
        return None
    status = (target or {}).get("status") or {}
    return int(status.get("readyReplicas") or 0) if status else None
