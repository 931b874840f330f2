"""Why an object has the number it has, as plain JSON values: what was read, each step, what would change it.

Read from the last decision and from what is seen now; nothing is decided or measured for it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import TidegateError
from tidegate.base.times import format_time
from tidegate.core.interpret import interpret
from tidegate.core.outlook import Prospect, outlook
from tidegate.core.outlook_jobs import outlook_jobs
from tidegate.core.values import TriggerView
from tidegate.kube.resource import HPAS
from tidegate.operator import sight
from tidegate.operator.chronicle import reason_values
from tidegate.operator.desk import Desk
from tidegate.operator.known import Known
from tidegate.review.hpa import hpa_name

Entry = dict[str, Any]


def explained(desk: Desk, known: Known, object: ScaledObject | ScaledJob) -> Entry:
    """Everything about one object, for people and programs."""
    now = desk.clock.now()
    views = desk.views(known) if known.plan is not None else ()
    states = {one.index: one for one in interpret(views).states}
    decision = known.decision
    return {
        "kind": known.key[0].kind,
        "namespace": known.key[1],
        "name": known.key[2],
        "at": format_time(now),
        "decidedAt": format_time(known.decided_at) if known.decided_at else None,
        "replicas": known.replicas,
        "minimum": object.spec.replicas_min,
        "maximum": object.spec.replicas_max,
        "triggers": [_trigger(view, states[view.index].state, now) for view in views],
        "reasons": [reason_values(one) for one in decision.reasons] if decision else [],
        "hpa": _hpa(desk, object) if isinstance(object, ScaledObject) else None,
        "outlook": [_prospect(one) for one in _outlook(desk, known, object, views, now)],
        "due": format_time(decision.due) if decision and decision.due else None,
        "history": desk.chronicle.of(known.uid),
    }


def _trigger(view: TriggerView, state: str, now: datetime) -> Entry:
    reading = view.reading
    values = reading.values if reading is not None else ()
    metrics = [
        {
            "name": metric.name,
            "value": values[place] if place < len(values) else None,
            "target": metric.target,
            "targetType": metric.target_type,
        }
        for place, metric in enumerate(view.metrics)
    ]
    return {
        "index": view.index,
        "type": view.type,
        "name": view.name or None,
        "state": state,
        "activation": view.activation,
        "metrics": metrics,
        "age_s": round((now - reading.at).total_seconds(), 1) if reading is not None else None,
        "failure": reading.failure.message if reading is not None and reading.failure else None,
    }


def _hpa(desk: Desk, object: ScaledObject) -> Entry | None:
    """What the object's HPA says of itself: it decides between the bounds, and tells what limits it."""
    name = object.status.hpa_name or hpa_name(object)
    try:
        found = desk.world.get(HPAS, object.metadata.namespace, name)
    except TidegateError:
        return None
    if found is None:
        return None
    status = found.get("status") or {}
    fields = ("type", "status", "reason", "message")
    return {
        "name": name,
        "currentReplicas": status.get("currentReplicas"),
        "desiredReplicas": status.get("desiredReplicas"),
        "conditions": [{key: one.get(key, "") for key in fields} for one in status.get("conditions") or ()],
    }


def _outlook(
    desk: Desk,
    known: Known,
    object: ScaledObject | ScaledJob,
    views: tuple[TriggerView, ...],
    now: datetime,
) -> tuple[Prospect, ...]:
    """What would change the number."""
    if known.plan is None:
        return ()
    if isinstance(object, ScaledJob):
        jobs = sight.look_at(desk.world, object, known.ledger)
        return outlook_jobs(object, jobs, views, known.plan.check("triggers"))
    if known.seen is None:
        return ()
    return outlook(object, known.seen, views, known.memory, now, known.plan.review.composite)


def _prospect(prospect: Prospect) -> Entry:
    return {
        "code": prospect.code,
        "text": prospect.text,
        "numbers": dict(prospect.numbers),
        "at": format_time(prospect.at) if prospect.at else None,
    }
