"""The claims of a ScaledJob, as `explain` tells them: what is held, since when, by which Job."""

from __future__ import annotations

from tidegate.api.scaledjob import ScaledJob
from tidegate.base.errors import Failure
from tidegate.base.times import format_time
from tidegate.operator.explain.triggers import Entry, Subject
from tidegate.operator.scaledjob import snapshot

SHOWN = 100
"""Messages that are told one by one."""


def claims(subject: Subject) -> Entry | None:
    """None where nothing is claimed."""
    state, object = subject.tracked.claims, subject.object
    if state is None or not isinstance(object, ScaledJob):
        return None
    memory = state.memory
    seen = snapshot.take_snapshot(subject.steps.informers, object, subject.tracked.expectations)
    jobs = {
        (one.task.id, one.task.attempt): one.name
        for one in (() if isinstance(seen, Failure) else seen)
        if one.task is not None
    }
    held = sorted(memory.held, key=lambda one: (one.claimed_at, one.id))
    return {
        "source": state.source.label(),
        "deadLetters": state.source.aside(),
        "isKnown": memory.is_resumed,
        "held": len(held),
        "messages": [
            {
                "id": one.id,
                "attempt": one.attempt,
                "job": jobs.get((one.id, one.attempt)),
                "age_s": round((subject.now - one.claimed_at).total_seconds(), 1),
                "heldUntil": format_time(one.until),
            }
            for one in held[:SHOWN]
        ],
        "failure": memory.trouble.failure.message if memory.trouble is not None else None,
        "nextRelease": format_time(memory.retry) if memory.retry is not None else None,
    }
