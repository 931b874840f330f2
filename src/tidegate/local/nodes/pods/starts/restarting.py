"""What the next run of a container inherits from the last: its count, and how long it has to wait. Pure."""

from __future__ import annotations

from tidegate.local.nodes.pods import pod_status
from tidegate.local.nodes.processes.instance import Plan, Record, Seen


def next_record(seen: Seen | None, last: Record | None, plan: Plan, runtime: str) -> Record:
    """A lost machine costs neither count nor delay."""
    kept = dict(plan.env)
    if last is None or seen is None:
        return Record(0, 0.0, plan.is_private, plan.cwd, kept, runtime)
    if seen.state == "lost":
        return Record(last.restarts, last.delay_s, plan.is_private, plan.cwd, kept, runtime)
    delay_s = backoff_s(seen, last)
    return Record(last.restarts + 1, delay_s, plan.is_private, plan.cwd, kept, runtime)


def backoff_s(seen: Seen, last: Record) -> float:
    """What the start after a run that ended has to wait."""
    began = seen.claim.at if seen.claim else seen.finished_at
    return pod_status.next_delay(last.restarts, last.delay_s, seen.finished_at - began)
