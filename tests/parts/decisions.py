"""Objects, triggers and moments for tests of decisions, and what becomes of an object by acting."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tidegate.api.conditions import find
from tidegate.api.scaledjob import ScaledJob, ScaledJobStatus
from tidegate.api.scaledobject import ScaledObject, ScaledObjectStatus
from tidegate.api.wire import convert
from tidegate.base.errors import Failure
from tidegate.base.names import job_name
from tidegate.core.values import (
    CreateJobs,
    Decision,
    DeleteJobs,
    EmitEvent,
    ExternalMetric,
    JobView,
    PatchStatus,
    Reading,
    ResourceMetric,
    SetReplicas,
    TriggerView,
)

START = datetime(2026, 3, 2, 8, 0, 0, tzinfo=UTC)
BROKEN = Failure("Unreachable", "cannot read the length of list jobs on redis:6379: connection refused")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def scaled_object(
    annotations: dict[str, str] | None = None, status: dict[str, Any] | None = None, **spec: Any
) -> ScaledObject:
    """A ScaledObject `web` in `shop`, created at START; `spec` in wire names."""
    return convert(
        {
            "metadata": {
                "name": "web",
                "namespace": "shop",
                "uid": "u-web",
                "generation": 1,
                "creationTimestamp": "2026-03-02T08:00:00Z",
                "annotations": annotations or {},
            },
            "spec": {
                "scaleTargetRef": {"name": "web"},
                "triggers": [{"type": "redis", "metadata": {}}],
                **spec,
            },
            "status": {"scaleTargetKind": "apps/v1.Deployment", **(status or {})},
        },
        ScaledObject,
    )


def scaled_job(
    annotations: dict[str, str] | None = None, status: dict[str, Any] | None = None, **spec: Any
) -> ScaledJob:
    """A ScaledJob `crunch` in `shop` of generation 3."""
    return convert(
        {
            "metadata": {
                "name": "crunch",
                "namespace": "shop",
                "uid": "u-crunch",
                "generation": 3,
                "creationTimestamp": "2026-03-02T08:00:00Z",
                "annotations": annotations or {},
            },
            "spec": {
                "jobTargetRef": {"template": {}},
                "triggers": [{"type": "redis", "metadata": {}}],
                **spec,
            },
            "status": status or {},
        },
        ScaledJob,
    )


def trigger(
    value: float | Failure | None, index: int = 0, *, when: datetime = START, **more: Any
) -> TriggerView:
    """A redis trigger with this reading (None: not measured yet). `more`: target, snapshot, …"""
    reading = None
    snapshot = more.pop("snapshot", None)
    active = more.pop("active", None)
    if isinstance(value, Failure):
        reading = Reading(when, failure=value, snapshot=snapshot)
    elif value is not None:
        reading = Reading(when, (value,), active, snapshot=snapshot)
    target, target_type = more.pop("target", 5.0), more.pop("target_type", "AverageValue")
    metric = ExternalMetric(f"s{index}-redis", target, target_type)
    return TriggerView(index, "redis", metrics=(metric,), reading=reading, **more)


def cpu(index: int = 0) -> TriggerView:
    return TriggerView(index, "cpu", resource=ResourceMetric("cpu", "50", "Utilization"))


def job(name: str, **more: Any) -> JobView:
    return JobView(name, generation=more.pop("generation", "3"), **more)


def replicas_set(decision: Decision) -> int | None:
    """The count that the decision writes."""
    written = [action.replicas for action in decision.actions if isinstance(action, SetReplicas)]
    assert len(written) <= 1
    return written[0] if written else None


def codes(decision: Decision) -> list[str]:
    return [reason.code for reason in decision.reasons]


def events(decision: Decision) -> list[tuple[str, str, str]]:
    return [(one.type, one.reason, one.message) for one in decision.actions if isinstance(one, EmitEvent)]


def status_after(object: Any, decision: Decision) -> Any:
    """The object with the decision's status patch applied, as an API server would."""
    status: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(object.status))
    patches = [action.status for action in decision.actions if isinstance(action, PatchStatus)]
    assert len(patches) <= 1
    for patch in patches:
        status = _merge(status, patch)
    kind = ScaledObjectStatus if isinstance(object, ScaledObject) else ScaledJobStatus
    return msgspec.structs.replace(object, status=convert(status, kind))


def condition(object: Any, type: str) -> tuple[str, str | None, str | None]:
    """(status, reason, message) of one condition."""
    found = find(object.status.conditions, type)
    assert found is not None
    return found.status, found.reason, found.message


def jobs_after(object: ScaledJob, jobs: tuple[JobView, ...], decision: Decision) -> tuple[JobView, ...]:
    """The Jobs after the decision's creations and deletions."""
    for action in decision.actions:
        if isinstance(action, CreateJobs):
            names = (
                job_name(object.metadata.name, object.metadata.uid, action.round, ordinal)
                for ordinal in range(action.count)
            )
            jobs += tuple(job(name, is_pending=True) for name in names)
        if isinstance(action, DeleteJobs):
            jobs = tuple(one for one in jobs if one.name not in action.names)
    return jobs


def finished(one: JobView, when: datetime, *, is_failed: bool = False) -> JobView:
    return replace(one, is_finished=True, is_failed=is_failed, is_pending=False, completed_at=when)


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge(result.get(key), value)
    return result
