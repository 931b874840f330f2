"""Windows of cron triggers that do less than they say: never open, always open, below the minimum."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.triggers import Trigger
from tidegate.base.cron import Schedule
from tidegate.base.literals import parse_int
from tidegate.base.problems import Problem

# A schedule looks five years ahead: from here it sees a 29th of February.
_LOOKED_FROM = datetime(2024, 1, 1, tzinfo=UTC)


def window_notices(object: ScaledObject | ScaledJob, path: str, trigger: Trigger) -> Iterator[Problem]:
    """What is odd about a cron trigger; nothing about others, and nothing about what is wrong anyway."""
    if trigger.type != "cron":
        return
    yield from _edges(f"{path}.metadata", trigger)
    yield from _size(object, f"{path}.metadata.desiredReplicas", trigger)
    if trigger.metric_type == "Value" and isinstance(object, ScaledObject):
        yield Problem(
            f"{path}.metricType",
            '"Value" makes the HPA multiply its replicas at each look, up to maxReplicaCount; leave it out',
        )


def _size(object: ScaledObject | ScaledJob, path: str, trigger: Trigger) -> Iterator[Problem]:
    try:
        wanted = parse_int(trigger.metadata.get("desiredReplicas", "").strip())
    except ValueError:
        return
    spec = object.spec
    # An idle object is lifted to its minimum by the window; Jobs come on top of a ScaledJob's minimum.
    is_kept_anyway = isinstance(object, ScaledObject) and object.spec.idle_replica_count is None
    if wanted > spec.replicas_max:
        text = f"{wanted} is more than maxReplicaCount {spec.replicas_max}, which is what it gets"
        yield Problem(path, text)
    elif wanted < 0:
        yield Problem(path, f"{wanted} asks for nothing: inside the window the object is only active")
    elif is_kept_anyway and 0 < wanted <= spec.replicas_min:
        yield Problem(path, f"{wanted} has no effect: minReplicaCount is {spec.replicas_min} anyway")


def _edges(path: str, trigger: Trigger) -> Iterator[Problem]:
    """An edge that never comes. Source: KEDA takes "never" for the year 1, see `scalers.cron`."""
    texts = {name: trigger.metadata.get(name, "").strip() for name in ("start", "end")}
    zone = trigger.metadata.get("timezone", "").strip()
    try:
        schedules = {name: Schedule.parse(text) for name, text in texts.items()}
        nexts = {name: one.next(_LOOKED_FROM, zone) for name, one in schedules.items()}
    except ValueError:
        return
    if nexts["start"] is None:
        text = f'"{texts["start"]}" is a moment that never comes: the window counts as always open'
        yield Problem(f"{path}.start", text)
    elif nexts["end"] is None:
        text = f'"{texts["end"]}" is a moment that never comes: the window counts as never open'
        yield Problem(f"{path}.end", f"{text}, and the trigger never activates")
    elif schedules["start"] == schedules["end"] and texts["start"] != texts["end"]:
        text = f'"{texts["end"]}" is the same moments as the start: the window counts as always open'
        yield Problem(f"{path}.end", text)
