"""A Job's status and conditions as values."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidegate.base.times import format_time
from tidegate.local.controllers import conditions
from tidegate.local.controllers.jobs.indexes import is_indexed, is_limited_per_index
from tidegate.local.controllers.jobs.pod_tally import Count, Verdict
from tidegate.local.controllers.jobs.ranges import format_ranges
from tidegate.local.objects import Object

Status = dict[str, Any]


def is_finished(job: Object) -> bool:
    found = (job.get("status") or {}).get("conditions")
    return conditions.is_true(found, "Complete") or conditions.is_true(found, "Failed")


def finished_since(job: Object) -> str:
    """When the Job ended (RFC 3339), "" while it has not."""
    for type in ("Complete", "Failed"):
        found = conditions.find((job.get("status") or {}).get("conditions"), type)
        if found is not None and found.get("status") == "True":
            return str(found.get("lastTransitionTime", ""))
    return ""


def decided(job: Object) -> Verdict | None:
    """The verdict that was written down earlier and is still being carried out."""
    for type, is_success in (("FailureTarget", False), ("SuccessCriteriaMet", True)):
        found = conditions.find((job.get("status") or {}).get("conditions"), type)
        if found is not None and found.get("status") == "True":
            return Verdict(is_success, str(found.get("reason", "")), str(found.get("message", "")))
    return None


def counters(job: Object, counted: Count, *, active: int) -> Status:
    """The status with its counters renewed; zero counters are left out, as Kubernetes does.

    Indexes are for Jobs of mode Indexed, and failed ones only for those with `backoffLimitPerIndex`.
    """
    old = job.get("status") or {}
    status: Status = {
        key: old[key] for key in ("conditions", "startTime", "completionTime") if old.get(key) is not None
    }
    numbers = {"active": active, "succeeded": len(counted.succeeded), "failed": len(counted.failed)}
    status |= {name: number for name, number in numbers.items() if number}
    status |= {"ready": counted.ready, "terminating": len(counted.terminating)}
    # Pods are counted in the write that says so: none waits for it.
    status["uncountedTerminatedPods"] = {}
    if is_indexed(job) and counted.succeeded:
        status["completedIndexes"] = format_ranges(counted.succeeded)
    if is_limited_per_index(job):
        status["failedIndexes"] = format_ranges(counted.failed_indexes)
    return status


def with_verdict(status: Status, verdict: Verdict, now: datetime, *, is_final: bool) -> Status:
    """The status with the verdict's conditions: its announcement first, the end when nothing runs."""
    announced = "SuccessCriteriaMet" if verdict.is_success else "FailureTarget"
    types = [announced]
    if is_final:
        types.append("Complete" if verdict.is_success else "Failed")
    found = status.get("conditions")
    for type in types:
        wanted = {"type": type, "status": "True", "reason": verdict.reason, "message": verdict.message}
        found = _put(found, wanted, now)
    status = status | {"conditions": found}
    if is_final and verdict.is_success:
        status["completionTime"] = format_time(now)
    return status


def with_suspension(status: Status, now: datetime, *, is_suspended: bool) -> Status:
    """The status of a Job that is suspended, or goes on; a Job never suspended gets no condition."""
    found = status.get("conditions")
    if is_suspended:
        wanted = {"status": "True", "reason": "JobSuspended", "message": "Job suspended"}
        status = {key: value for key, value in status.items() if key != "startTime"}
    elif conditions.is_true(found, "Suspended"):
        wanted = {"status": "False", "reason": "JobResumed", "message": "Job resumed"}
    else:
        return status
    return status | {"conditions": _put(found, {"type": "Suspended", **wanted}, now)}


def _put(known: conditions.Conditions | None, wanted: dict[str, Any], now: datetime) -> conditions.Conditions:
    """With `lastProbeTime`: Kubernetes' Job controller gives it the moment of the transition."""
    old = conditions.find(known, wanted["type"]) or {}
    probed = old.get("lastProbeTime") if old.get("status") == wanted["status"] else None
    return conditions.with_condition(known, {"lastProbeTime": probed or format_time(now), **wanted}, now)
