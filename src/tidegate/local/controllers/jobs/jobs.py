"""Jobs: Pods until enough have succeeded, or too many have failed.

The order of writes is what makes a kill at any line harmless: a verdict is written before anything
is deleted for it, an attempt is counted in the status before its Pod may be forgotten, and a Pod's
name follows from the Job's uid and the attempt's number, so that a repeated create meets itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from tidegate.base.times import format_time, parse_time
from tidegate.kube.resource import CRON_JOBS, JOBS, PODS, ApiError, Resource
from tidegate.local.controllers import conditions, pod_control
from tidegate.local.controllers.controller import Name
from tidegate.local.controllers.events import Events
from tidegate.local.controllers.jobs import indexes, job_status, pod_tally
from tidegate.local.controllers.jobs.cron_jobs import is_served
from tidegate.local.controllers.jobs.pod_tally import Count, Verdict
from tidegate.local.controllers.owner_references import (
    controlled,
    controller_of,
    controllers_in,
    is_controlled_by,
    is_deleting,
    key_of,
    reference,
)
from tidegate.local.objects import ENDED_ATTEMPTS, Change, Object, Objects
from tidegate.runtime.clock import Clock

SOURCE = "job-controller"
OURS = "kubernetes.io/job-controller"
SERVED_S = 1.0


class Jobs:
    """The Job controller.

    `_gone` keeps Pods that ended and were deleted until their Job's status has counted them.
    """

    def __init__(self, objects: Objects, clock: Clock) -> None:
        self.objects = objects
        self.clock = clock
        self.events = Events(objects, SOURCE)
        self._gone: dict[str, dict[str, Object]] = {}

    def resources(self) -> Iterable[Resource]:
        return (JOBS, PODS)

    def keys(self, change: Change) -> Iterable[Name]:
        if change.resource == JOBS:
            if change.type == "DELETED":
                self._gone.pop(change.object["metadata"]["uid"], None)
            return [key_of(change.object)]
        owner = controller_of(change.object)
        if (
            change.type == "DELETED"
            and owner
            and owner["kind"] == "Job"
            and pod_control.is_terminal(change.object)
        ):
            self._gone.setdefault(owner["uid"], {})[change.object["metadata"]["uid"]] = change.object
        return controllers_in(change, "Job")

    async def reconcile(self, key: Name) -> float | None:
        job = self.objects.get(JOBS, *key)
        if job is None or is_deleting(job) or job["spec"].get("managedBy", OURS) != OURS:
            return None
        if job_status.is_finished(job):
            self._gone.pop(job["metadata"]["uid"], None)
            return await self._retire(job)
        gone = dict(self._gone.get(job["metadata"]["uid"], {}))
        pods = [*controlled(self.objects, PODS, job), *gone.values()]
        counted = pod_tally.count(job, pods)
        verdict = job_status.decided(job) or pod_tally.verdict_of(job, counted, self.clock.now())
        if verdict is not None:
            delay_s = await self._finish(job, counted, verdict)
        elif job["spec"].get("suspend"):
            delay_s = await self._suspend(job, counted)
        else:
            delay_s = await self._go_on(job, counted, pods)
        self._forget(job, gone)
        return delay_s

    def _forget(self, job: Object, counted: dict[str, Object]) -> None:
        kept = self._gone.get(job["metadata"]["uid"], {})
        for uid in counted:
            kept.pop(uid, None)
        if not kept:
            self._gone.pop(job["metadata"]["uid"], None)

    async def _retire(self, job: Object) -> float | None:
        ttl_s = job["spec"].get("ttlSecondsAfterFinished")
        since = job_status.finished_since(job)
        if ttl_s is None or not since:
            return None
        left_s = float(ttl_s) - (self.clock.now() - parse_time(since)).total_seconds()
        if left_s > 0:
            return left_s
        if not self._is_served(job):
            return SERVED_S
        await self.objects.delete(JOBS, *key_of(job), uid=job["metadata"]["uid"])
        return None

    def _is_served(self, job: Object) -> bool:
        """A CronJob must have noted that it has made the Job, or it would make it again."""
        owner = controller_of(job)
        if owner is None or owner["kind"] != CRON_JOBS.kind:
            return True
        cron = self.objects.get(CRON_JOBS, job["metadata"]["namespace"], owner["name"])
        return cron is None or cron["metadata"]["uid"] != owner["uid"] or is_served(cron, job)

    async def _finish(self, job: Object, counted: Count, verdict: Verdict) -> float | None:
        """Announces the verdict, ends what still runs, and closes the Job when nothing does."""
        is_final = not counted.active and not counted.terminating
        if not verdict.is_success:
            counted = pod_tally.with_failed_actives(counted)
        status = job_status.counters(job, counted, active=len(counted.active))
        status = job_status.with_verdict(status, verdict, self.clock.now(), is_final=is_final)
        await self._write(job, counted, status)
        if not is_final:
            await pod_control.delete_pods(self.objects, job, counted.active, self.events)
        elif verdict.is_success:
            await self.events.normal(job, "Completed", "Job completed")
        else:
            await self.events.warn(job, verdict.reason, verdict.message)
        return None

    async def _suspend(self, job: Object, counted: Count) -> float | None:
        was_suspended = conditions.is_true((job.get("status") or {}).get("conditions"), "Suspended")
        status = job_status.counters(job, counted, active=len(counted.active))
        status = job_status.with_suspension(status, self.clock.now(), is_suspended=True)
        await self._write(job, counted, status)
        await pod_control.delete_pods(self.objects, job, counted.active, self.events)
        if not was_suspended:
            await self.events.normal(job, "Suspended", "Job suspended")
        return None

    async def _go_on(self, job: Object, counted: Count, pods: list[Object]) -> float | None:
        now = self.clock.now()
        held = pod_tally.on_hold(job, counted, now)
        attempts = pod_tally.next_attempts(job, counted, pod_control.BURST, held)
        backoff_s = min(held.values(), default=0.0)
        if attempts and not indexes.is_limited_per_index(job):
            backoff_s = pod_tally.backoff_left_s(pods, now, counted.ignored)
            attempts = [] if backoff_s > 0 else attempts
        await pod_control.delete_pods(self.objects, job, pod_tally.surplus(job, counted), self.events)
        refused = await self._create(job, counted, attempts)
        active = sum(pod_control.is_active(pod) for pod in controlled(self.objects, PODS, job))
        status = job_status.counters(job, counted, active=active)
        status = job_status.with_suspension(status, now, is_suspended=False)
        is_first = "startTime" not in status
        if is_first:
            status["startTime"] = format_time(now)
        written = await self._write(job, counted, status)
        if is_first:
            await self._start(job)
        if refused is not None:
            raise refused
        dues = (pod_tally.deadline_left_s(written, now), backoff_s if backoff_s > 0 else None)
        return min((left_s for left_s in dues if left_s is not None), default=None)

    async def _write(self, job: Object, counted: Count, status: job_status.Status) -> Object:
        """The status, and what it counted, in one write."""
        note = pod_tally.note_of(job, counted)
        notes = {ENDED_ATTEMPTS: note} if note else {}
        return await conditions.write_status(self.objects, JOBS, job, status, notes)

    async def _start(self, job: Object) -> None:
        if conditions.is_true((job.get("status") or {}).get("conditions"), "Suspended"):
            await self.events.normal(job, "Resumed", "Job resumed")

    async def _create(self, job: Object, counted: Count, attempts: list[int]) -> ApiError | None:
        """Creates these attempts; what was refused, once everything else is done."""
        refused: list[ApiError] = []

        async def create(number: int) -> None:
            pod = pod_of(job, number)
            if indexes.is_limited_per_index(job):
                _mark_failures(pod, job, counted)
            try:
                await self.objects.create(PODS, pod)
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    refused.append(error)
                elif not self._is_attempt(job, pod, number):
                    # Somebody else's Pod has the name: the number after it has another one.
                    await create(number + int(job["spec"].get("completions") or 1))
                return
            await self.events.normal(job, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")

        await pod_control.each(attempts, create)
        if refused:
            await self.events.create_failed(job, refused[0])
            return refused[0]
        return None

    def _is_attempt(self, job: Object, pod: Object, number: int) -> bool:
        found = self.objects.get(PODS, *key_of(pod))
        return found is not None and is_controlled_by(found, job) and pod_tally.attempt(found) == number


def pod_of(job: Object, number: int) -> Object:
    """The Pod of attempt `number`: the same name for the same Job and number."""
    metadata, spec = job["metadata"], job["spec"]
    ending = _ending(metadata["uid"], number)
    index = number % indexes.completions(job)
    if indexes.is_indexed(job):
        ending = f"{index}-{ending}"
    name = pod_control.pod_name(metadata["name"], ending)
    pod = pod_control.from_template(spec["template"], metadata["namespace"], name, reference(JOBS, job))
    marks = {"job-name": metadata["name"], "controller-uid": metadata["uid"]}
    pod["metadata"]["labels"] |= marks | {f"batch.kubernetes.io/{key}": value for key, value in marks.items()}
    pod["metadata"]["annotations"][pod_tally.ATTEMPT] = str(number)
    if indexes.is_indexed(job):
        _mark_index(pod, metadata["name"], index)
    return pod


def _ending(uid: str, number: int) -> str:
    """Five letters, different for each number of one Job: steps of a size coprime to the count of names."""
    start = int.from_bytes(hashlib.sha256(uid.encode()).digest()[:8], "big")
    return pod_control.letters(start + number * 5_915_587_277, 5)


def _mark_index(pod: Object, job_name: str, index: int) -> None:
    """Tells the Pod its completion index: label, annotation, host name and JOB_COMPLETION_INDEX."""
    pod["metadata"]["labels"][indexes.INDEX] = str(index)
    pod["metadata"]["annotations"][indexes.INDEX] = str(index)
    spec: dict[str, Any] = pod["spec"]
    spec.setdefault("hostname", f"{job_name}-{index}")
    variable = {"name": "JOB_COMPLETION_INDEX", "value": str(index)}
    for field in ("initContainers", "containers"):
        if field in spec:
            spec[field] = [{**one, "env": [*(one.get("env") or []), variable]} for one in spec[field]]


def _mark_failures(pod: Object, job: Object, counted: Count) -> None:
    """Tells the Pod how often its index has failed before."""
    annotations = pod["metadata"]["annotations"]
    index = int(annotations[indexes.INDEX])
    annotations[indexes.FAILURES] = str(indexes.by_index(job, counted.failed)[index])
    if ignored := indexes.by_index(job, counted.ignored)[index]:
        annotations[indexes.IGNORED_FAILURES] = str(ignored)
