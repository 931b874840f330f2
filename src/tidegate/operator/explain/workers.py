"""Who works for an object now: its pods or its Jobs, read when somebody asks and not followed.

A cluster may have more pods than an operator should keep; whoever explains one object asks for its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tidegate.api.scaledjob import ScaledJob
from tidegate.base.errors import TidegateError
from tidegate.kube.resource import JOBS, PODS, ApiError
from tidegate.operator.cluster.informers import Informers
from tidegate.operator.cluster.job_result import finished_as
from tidegate.operator.explain import pod_problems
from tidegate.operator.scaledjob.job_body import OWNER_LABEL
from tidegate.operator.scaledobject.scale_target import Target

Object = dict[str, Any]
JOB_LABELS = ("batch.kubernetes.io/job-name", "job-name")
ACTIVE = ("Running", "Succeeded")


@dataclass(frozen=True, slots=True)
class JobCounts:
    """Of a ScaledJob's Jobs. `pending`: unfinished, and no pod of it has started."""

    running: int = 0
    pending: int = 0
    succeeded: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Workers:
    """`ready` None: nobody could count. `ailing`: how many pods are not ready, and why.

    `failing` are the latest Jobs in a row that failed, `cause` is how the last of them did. `failure` says
    why pods could not be read.
    """

    ready: int | None = None
    ailing: tuple[tuple[int, str], ...] = ()
    jobs: JobCounts | None = None
    failing: int = 0
    cause: str = ""
    failure: str = ""


async def of_target(informers: Informers, namespace: str, target: Target) -> Workers:
    """The pods of a scale target."""
    if not target.selector:
        return Workers()
    pods = await _pods(informers, namespace, target.selector)
    if isinstance(pods, str):
        return Workers(failure=pods)
    alive = [one for one in pods if (one.get("status") or {}).get("phase") not in ("Succeeded", "Failed")]
    ready = sum(map(pod_problems.is_ready, alive))
    ailing = tuple(pod_problems.counts(alive))
    is_short = isinstance(target.replicas, int) and len(alive) < target.replicas
    if is_short and (refusal := _refusal(informers, namespace, target)):
        ailing = (*ailing, (0, refusal))
    return Workers(ready, ailing)


def _refusal(informers: Informers, namespace: str, target: Target) -> str:
    """Why the target's controller cannot make pods, where it says so."""
    if target.resource is None or not target.is_watched:
        return ""
    found = informers.get(target.resource, namespace, target.name) or {}
    for one in (found.get("status") or {}).get("conditions") or ():
        if one.get("type") == "ReplicaFailure" and one.get("status") == "True":
            return f"pods cannot be made: {one.get('message') or one.get('reason')}"
    return ""


async def of_jobs(informers: Informers, object: ScaledJob) -> Workers:
    """The Jobs of a ScaledJob, and their pods."""
    metadata = object.metadata
    label = (OWNER_LABEL, metadata.name)
    try:
        jobs: list[Object] = informers.labelled(JOBS, metadata.namespace, label)
    except TidegateError as error:
        return Workers(failure=str(error))
    pods = await _pods(informers, metadata.namespace, "=".join(label))
    failure = pods if isinstance(pods, str) else ""
    by_job: dict[str, list[Object]] = {}
    for pod in () if isinstance(pods, str) else pods:
        by_job.setdefault(_job_of(pod), []).append(pod)
    ended = {one["metadata"]["name"]: finished_as(one) for one in jobs}
    unfinished = [name for name, how in ended.items() if not how]
    begun = [
        name
        for name in unfinished
        if failure or any((pod.get("status") or {}).get("phase") in ACTIVE for pod in by_job.get(name, ()))
    ]
    found = Workers(
        ailing=tuple(pod_problems.counts(_latest(by_job[name]) for name in unfinished if name in by_job)),
        jobs=JobCounts(
            len(begun),
            len(unfinished) - len(begun),
            sum(how == "Complete" for how in ended.values()),
            sum(how == "Failed" for how in ended.values()),
        ),
        failure=failure,
    )
    return _with_failing(found, jobs, by_job)


def _with_failing(found: Workers, jobs: list[Object], by_job: dict[str, list[Object]]) -> Workers:
    """How many of the latest Jobs failed in a row, and how the last of them did."""
    last, count = None, 0
    for job in sorted((one for one in jobs if finished_as(one)), key=_ended_at, reverse=True):
        if finished_as(job) != "Failed":
            break
        last = last or job
        count += 1
    if last is None:
        return found
    pods = by_job.get(last["metadata"]["name"], ())
    cause = pod_problems.problem_of(_latest(list(pods))) if pods else ""
    if not cause:
        cause = next((one.get("message") or "" for one in _ends(last) if one.get("type") == "Failed"), "")
    return replace(found, failing=count, cause=cause)


def _ends(job: Object) -> list[Object]:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return [one for one in conditions if one.get("type") in ("Complete", "Failed")]


def _ended_at(job: Object) -> str:
    return max((one.get("lastTransitionTime") or "" for one in _ends(job)), default="")


def _latest(pods: list[Object]) -> Object:
    return max(pods, key=lambda one: str(one["metadata"].get("creationTimestamp") or ""))


def _job_of(pod: Object) -> str:
    labels = pod["metadata"].get("labels") or {}
    return str(next((labels[key] for key in JOB_LABELS if key in labels), ""))


async def _pods(informers: Informers, namespace: str, selector: str) -> list[Object] | str:
    """The pods that match, or why they cannot be had."""
    try:
        return (await informers.client.list(PODS, namespace, labels=selector)).items
    except (ApiError, TidegateError) as error:
        return f"the pods cannot be listed: {error}"
