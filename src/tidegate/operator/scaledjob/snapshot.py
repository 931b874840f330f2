"""The Jobs of a ScaledJob as they are at the moment its question is sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from tidegate.api.scaledjob import ScaledJob
from tidegate.base.errors import Failure, TidegateError
from tidegate.base.times import parse_time
from tidegate.core.control_annotations import round_of
from tidegate.core.values import JobView
from tidegate.kube.resource import JOBS
from tidegate.operator.cluster.informers import Informers
from tidegate.operator.cluster.job_result import finished_as
from tidegate.operator.reconcile.expectations import Expectations
from tidegate.operator.scaledjob.claims.task_job import is_guarded, task_of
from tidegate.operator.scaledjob.job_body import GENERATION, OWNER_LABEL, TEMPLATE
from tidegate.operator.scaledjob.pending_jobs import PendingJobs

Object = dict[str, Any]


def take_snapshot(
    informers: Informers, object: ScaledJob, expectations: Expectations, model: str = ""
) -> tuple[JobView, ...] | Failure:
    """The Jobs of the object as the caches show them now, and those still unseen; a Failure where they
    cannot be listed. `model` is the uid of the Job that is its template now. Copied with its labels from a
    Job of the object, that one is still none of them.
    """
    metadata = object.metadata
    try:
        jobs = informers.labelled(JOBS, metadata.namespace, (OWNER_LABEL, metadata.name))
    except TidegateError as error:
        return Failure.of(error)
    is_pending, named = PendingJobs(informers).rule(object), object.spec.job_target_ref.model
    shown = [view_of(job, is_pending, model) for job in jobs if job["metadata"]["name"] != named]
    return tuple(sorted(expectations.merged(shown), key=lambda view: view.name))


def view_of(job: Object, is_pending: Callable[[Object], bool], model: str = "") -> JobView:
    """A batch/v1 Job as a decision sees it; `is_pending` is asked about unfinished ones."""
    metadata, status = job["metadata"], job.get("status") or {}
    annotations = metadata.get("annotations") or {}
    done = finished_as(job)
    return JobView(
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        generation=annotations.get(GENERATION, ""),
        round=round_of(annotations),
        is_finished=bool(done),
        is_failed=done == "Failed",
        is_pending=not done and is_pending(job),
        completed_at=_moment(status.get("completionTime")),
        created_at=_moment(metadata.get("creationTimestamp")),
        is_ending=bool(metadata.get("deletionTimestamp")),
        is_replaced=bool(model) and annotations.get(TEMPLATE, model) != model,
        task=task_of(job),
        is_guarded=is_guarded(job),
        ended_at=_failed_at(status) if done == "Failed" else None,
    )


def _failed_at(status: Object) -> datetime | None:
    moments = (
        one.get("lastTransitionTime") for one in status.get("conditions") or () if one.get("type") == "Failed"
    )
    return _moment(next(moments, None))


def _moment(text: str | None) -> datetime | None:
    return parse_time(text) if text else None
