"""CronJobs: a Job at each moment of a schedule.

A Job's name is that of its minute, so that a repeated create meets itself, and it carries its moment: what
has run is read from the Jobs as well as from the status, which is written before a Job may be forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from tidegate.base.cron import find_zone
from tidegate.base.times import format_time, parse_time
from tidegate.kube.resource import CRON_JOBS, JOBS, ApiError, Resource
from tidegate.local.controllers import conditions
from tidegate.local.controllers.controller import Name
from tidegate.local.controllers.events import Events, is_ending_namespace
from tidegate.local.controllers.jobs import cron_times, job_status
from tidegate.local.controllers.owner_references import (
    controlled,
    controllers_in,
    is_controlled_by,
    is_deleting,
    key_of,
    reference,
)
from tidegate.local.objects import SCHEDULED_AT, Change, Object, Objects
from tidegate.runtime.clock import Clock

SOURCE = "cronjob-controller"
# Timers stand still while a machine sleeps; the wall clock does not.
LOOK_S = 30.0


class CronJobs:
    """The CronJob controller.

    `_changed` is when a schedule was changed: a new one has missed nothing. As in Kubernetes, a server that
    dies before the first moment of the new one forgets that.
    """

    def __init__(self, objects: Objects, clock: Clock) -> None:
        self.objects = objects
        self.clock = clock
        self.events = Events(objects, SOURCE)
        self._changed: dict[str, datetime] = {}

    def resources(self) -> Iterable[Resource]:
        return (CRON_JOBS, JOBS)

    def keys(self, change: Change) -> Iterable[Name]:
        if change.resource == CRON_JOBS:
            uid = change.object["metadata"]["uid"]
            if change.type == "DELETED":
                self._changed.pop(uid, None)
            elif change.previous is not None and _times(change.previous) != _times(change.object):
                self._changed[uid] = self.clock.now()
            return [key_of(change.object)]
        return controllers_in(change, CRON_JOBS.kind)

    async def reconcile(self, key: Name) -> float | None:
        cron = self.objects.get(CRON_JOBS, *key)
        if cron is None:
            return None
        jobs = controlled(self.objects, JOBS, cron)
        cron = await self._write_status(cron, jobs)
        if is_deleting(cron):
            return None
        await self._trim(cron, jobs)
        if cron["spec"].get("suspend"):
            return None
        try:
            find_zone(cron_times.zone_of(cron))
            cron_times.schedule_of(cron)
        except ValueError as error:
            await self.events.warn(cron, "UnparseableSchedule", f"the schedule cannot be followed: {error}")
            return None
        await self._serve(cron, jobs)
        return self._until_next(cron)

    def _until_next(self, cron: Object) -> float | None:
        found = self.objects.get(CRON_JOBS, *key_of(cron)) or cron
        now = self.clock.now()
        following = cron_times.next_time(found, self._since(found), now)
        return None if following is None else min(max((following - now).total_seconds(), 0.0), LOOK_S)

    def _since(self, cron: Object) -> datetime | None:
        """The moment after which it counts what it has missed."""
        known = (_last(cron), self._changed.get(cron["metadata"]["uid"]))
        return max((one for one in known if one is not None), default=None)

    async def _write_status(self, cron: Object, jobs: Sequence[Object]) -> Object:
        """What runs, when the last one was due, and when one last succeeded."""
        status = cron.get("status") or {}
        active = [_ref(job) for job in jobs if moment_of(job) and not job_status.is_finished(job)]
        new: dict[str, Any] = {"active": active} if active else {}
        dues = [moment for job in jobs if (moment := moment_of(job)) is not None]
        last = max((one for one in (*dues, _last(cron)) if one is not None), default=None)
        successes = (job.get("status") or {} for job in jobs if _is_complete(job))
        ends = [*(one.get("completionTime") for one in successes), status.get("lastSuccessfulTime")]
        succeeded = max((parse_time(one) for one in ends if one), default=None)
        for field, moment in (("lastScheduleTime", last), ("lastSuccessfulTime", succeeded)):
            if moment is not None:
                new[field] = format_time(moment)
        # The version of a Job in a reference is that of its creation.
        known = {one["uid"]: one for one in status.get("active") or ()}
        if active:
            new["active"] = [known.get(one["uid"], one) for one in active]
        written = await conditions.write_status(self.objects, CRON_JOBS, cron, new)
        await self._tell(cron, jobs, known)
        return written

    async def _tell(self, cron: Object, jobs: Sequence[Object], known: dict[str, Object]) -> None:
        """What has changed since the status was written last."""
        there = {job["metadata"]["uid"]: job for job in jobs}
        for uid, ref in known.items():
            job = there.get(uid)
            if job is None:
                await self.events.normal(cron, "MissingJob", f"Active job went missing: {ref['name']}")
            elif job_status.is_finished(job):
                how = "Complete" if _is_complete(job) else "Failed"
                message = f"Saw completed job: {ref['name']}, condition: {how}"
                await self.events.normal(cron, "SawCompletedJob", message)
        for job in jobs:
            if moment_of(job) is None and not job_status.is_finished(job):
                name = job["metadata"]["name"]
                message = f"Saw a job that the controller did not create or forgot: {name}"
                await self.events.warn(cron, "UnexpectedJob", message)

    async def _trim(self, cron: Object, jobs: Sequence[Object]) -> None:
        """Deletes the oldest Jobs that have ended, beyond what is to be kept."""
        ended = [job for job in jobs if job_status.is_finished(job) and not is_deleting(job)]
        for field, is_success in (("successfulJobsHistoryLimit", True), ("failedJobsHistoryLimit", False)):
            limit = cron["spec"].get(field)
            mine = sorted((job for job in ended if _is_complete(job) == is_success), key=_started)
            for job in mine[: max(len(mine) - int(limit), 0)] if limit is not None else ():
                await self._delete(cron, job)

    async def _delete(self, cron: Object, job: Object) -> None:
        try:
            await self.objects.delete(JOBS, *key_of(job), uid=job["metadata"]["uid"])
        except ApiError as error:
            if error.reason not in ("NotFound", "Conflict"):
                await self.events.warn(cron, "FailedDelete", f"Deleted job: {error}")
                raise
        else:
            name = job["metadata"]["name"]
            await self.events.normal(cron, "SuccessfulDelete", f"Deleted job {name}")

    async def _serve(self, cron: Object, jobs: Sequence[Object]) -> None:
        """Makes the Job that is due, if its turn has come."""
        due = cron_times.due(cron, self._since(cron), self.clock.now())
        if due is None:
            return
        if due.is_late:
            when = due.time.strftime("%a, %d %b %Y %H:%M:%S +0000")
            message = f"Missed scheduled time to start a job: {when}"
            await self.events.warn(cron, "MissSchedule", message)
            return
        active = [job for job in jobs if moment_of(job) and not job_status.is_finished(job)]
        policy = cron["spec"].get("concurrencyPolicy", "Allow")
        if active and policy == "Forbid":
            message = "Not starting job because prior execution is running and concurrency policy is Forbid"
            await self.events.normal(cron, "JobAlreadyActive", message)
            return
        for job in active if policy == "Replace" else ():
            await self._delete(cron, job)
        if due.missed > cron_times.MANY_MISSED:
            message = (
                "too many missed start times. Set or decrease .spec.startingDeadlineSeconds "
                "or check clock skew"
            )
            await self.events.warn(cron, "TooManyMissedTimes", message)
        await self._create(cron, due.time)

    async def _create(self, cron: Object, moment: datetime) -> None:
        body = job_of(cron, moment)
        name = body["metadata"]["name"]
        try:
            await self.objects.create(JOBS, body)
        except ApiError as error:
            there = self.objects.get(JOBS, *key_of(body))
            is_met = error.reason == "AlreadyExists" and there is not None and is_controlled_by(there, cron)
            if not is_met:
                if not is_ending_namespace(error):
                    await self.events.warn(cron, "FailedCreate", f"Error creating job: {error}")
                raise
        else:
            await self.events.normal(cron, "SuccessfulCreate", f"Created job {name}")
        # What it is now comes into the status by the next reconcile, which its creation asks for.
        found = self.objects.get(CRON_JOBS, *key_of(cron))
        if found is not None and found["metadata"]["uid"] == cron["metadata"]["uid"]:
            await self._write_status(found, controlled(self.objects, JOBS, found))


def job_of(cron: Object, moment: datetime) -> Object:
    """The Job of that moment: the same name for the same minute."""
    metadata, template = cron["metadata"], cron["spec"]["jobTemplate"]
    own = template.get("metadata") or {}
    place = find_zone(cron_times.zone_of(cron))
    told = moment.astimezone(place).isoformat(timespec="seconds").replace("+00:00", "Z")
    return {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.kind,
        "metadata": {
            "name": f"{metadata['name']}-{int(moment.timestamp()) // 60}",
            "namespace": metadata["namespace"],
            "labels": dict(own.get("labels") or {}),
            "annotations": {**(own.get("annotations") or {}), SCHEDULED_AT: told},
            "ownerReferences": [reference(CRON_JOBS, cron)],
        },
        "spec": template["spec"],
    }


def moment_of(job: Object) -> datetime | None:
    """The moment that a Job was made for; None for one that its CronJob did not make."""
    text = (job["metadata"].get("annotations") or {}).get(SCHEDULED_AT)
    try:
        return parse_time(text).astimezone(UTC) if text else None
    except ValueError:
        return None


def is_served(cron: Object, job: Object) -> bool:
    """Whether the status of `cron` says that the moment of this Job has had its Job."""
    moment, last = moment_of(job), _last(cron)
    return moment is None or (last is not None and last >= moment)


def _last(cron: Object) -> datetime | None:
    text = (cron.get("status") or {}).get("lastScheduleTime")
    return parse_time(text) if text else None


def _times(cron: Object) -> tuple[Any, Any]:
    return cron["spec"].get("schedule"), cron["spec"].get("timeZone")


def _is_complete(job: Object) -> bool:
    return conditions.is_true((job.get("status") or {}).get("conditions"), "Complete")


def _started(job: Object) -> tuple[bool, str, str]:
    """Those that never started last."""
    start = (job.get("status") or {}).get("startTime") or ""
    return not start, start, job["metadata"]["name"]


def _ref(job: Object) -> dict[str, str]:
    metadata = job["metadata"]
    return {
        "apiVersion": JOBS.api_version,
        "kind": JOBS.kind,
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "resourceVersion": metadata["resourceVersion"],
    }
