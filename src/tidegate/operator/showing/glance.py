"""All objects at a glance, as plain JSON values: their state, numbers, and the last reason. Read from memory.

A state is one word for people: `wrong` (Ready is False, or it cannot be read), `failing` (a trigger cannot
be read, so its value is unknown), `paused`, `active`, `idle`, or `new` while nothing was decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tidegate.api import conditions
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import TidegateError
from tidegate.kube.resource import JOBS, SCALED_JOBS, SCALED_OBJECTS
from tidegate.operator.cluster.job_result import finished_as
from tidegate.operator.explain.overview import row
from tidegate.operator.history.store import reason_values
from tidegate.operator.reconcile.steps import Steps
from tidegate.operator.reconcile.tracker import Key, Tracked
from tidegate.operator.scaledjob.job_body import OWNER_LABEL

Entry = dict[str, Any]
HpaOf = Callable[[ScaledObject], Mapping[str, Any] | None]
KINDS = (SCALED_JOBS, SCALED_OBJECTS)
JOB_WORDS = {"": "unfinished", "Complete": "succeeded", "Failed": "failed"}


def keys(steps: Steps) -> list[Key]:
    """Every object that is there, decided about or not, by namespace and name."""
    found: set[Key] = set()
    for kind in KINDS:
        cache = steps.informers.cache(kind)
        found.update((kind, *place) for place in cache.bad)
        found.update((kind, one.metadata.namespace or "", one.metadata.name) for one in cache.list())
    return sorted(found, key=lambda key: (key[1], key[2], key[0].kind))


def glance(steps: Steps, key: Key, hpa_of: Callable[[ScaledObject], Any]) -> Entry:
    """One of them."""
    resource, namespace, name = key
    object = steps.informers.cache(resource).get(namespace, name)
    tracked = steps.tracker.by_key.get(key)
    shown = row(steps, tracked, hpa_of) if tracked is not None else None
    state, why = _state(steps, key, object, tracked)
    return {
        "kind": resource.kind,
        "plural": resource.plural,
        "namespace": namespace,
        "name": name,
        "state": state,
        "why": why,
        "isFallback": object is not None and _is(object, "Fallback", "True"),
        "replicas": shown.replicas if shown is not None else None,
        "ready": shown.ready if shown is not None else None,
        "jobs": _jobs(steps, namespace, name) if resource == SCALED_JOBS else None,
        "minimum": object.spec.replicas_min if object is not None else None,
        "maximum": object.spec.replicas_max if object is not None else None,
        "metrics": [
            {"name": metric, "value": value, "target": target}
            for metric, value, target in (shown.metrics if shown is not None else ())
        ],
        "reason": reason_values(shown.reason) if shown is not None and shown.reason is not None else None,
    }


def conditions_of(steps: Steps, key: Key) -> list[Entry]:
    """The conditions of an object's status."""
    object = steps.informers.cache(key[0]).get(key[1], key[2])
    told = object.status.conditions if object is not None else ()
    return [
        {"type": one.type, "status": one.status, "reason": one.reason or "", "message": one.message or ""}
        for one in told
    ]


def numbers(entry: Entry) -> dict[str, float | None]:
    """What is drawn of it: its size, and the value of each metric. Of a new one nothing is known yet."""
    if entry["state"] == "new":
        return {}
    size: Iterator[tuple[str, float | None]] = iter(
        [("jobs", (entry["jobs"] or {}).get("unfinished"))]
        if entry["kind"] == SCALED_JOBS.kind
        else [("replicas", entry["replicas"]), ("ready", entry["ready"])]
    )
    return {**dict(size), **{f"metric:{one['name']}": one["value"] for one in entry["metrics"]}}


def _state(
    steps: Steps, key: Key, object: ScaledObject | ScaledJob | None, tracked: Tracked | None
) -> tuple[str, str]:
    misread = steps.informers.misread(*key)
    if misread is not None or object is None:
        return "wrong", misread.text if misread is not None else "it cannot be read"
    failure = _failure(steps, tracked)
    ready = conditions.find(object.status.conditions, "Ready")
    if ready is not None and ready.status == "False" and (tracked is None or tracked.is_wrong or not failure):
        return "wrong", ready.message or ready.reason or ""
    if _is(object, "Paused", "True"):
        return "paused", ""
    if failure:
        return "failing", failure
    if _is(object, "Active", "True"):
        return "active", ""
    return ("idle", "") if tracked is not None and tracked.decided_at is not None else ("new", "")


def _failure(steps: Steps, tracked: Tracked | None) -> str:
    """What is wrong with the first trigger that cannot be read."""
    for plan in tracked.plan.review.triggers if tracked is not None and tracked.plan is not None else ():
        reading = steps.rounds.latest((tracked.uid, plan.index)) if tracked is not None else None
        if reading is not None and reading.failure is not None:
            return reading.failure.message
    return ""


def _is(object: ScaledObject | ScaledJob, type: str, status: str) -> bool:
    found = conditions.find(object.status.conditions, type)
    return found is not None and found.status == status


def _jobs(steps: Steps, namespace: str, name: str) -> dict[str, int] | None:
    """Its Jobs by what became of them; None where they cannot be counted."""
    try:
        jobs = steps.informers.labelled(JOBS, namespace, (OWNER_LABEL, name))
    except TidegateError:
        return None
    ended = [finished_as(one) for one in jobs]
    return {word: ended.count(how) for how, word in JOB_WORDS.items()}
