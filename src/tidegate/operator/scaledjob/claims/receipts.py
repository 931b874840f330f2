"""Receipts of sources that want to see one with every command. They stand on Jobs: a restart finds them.

A source may give another receipt with every renewal. Who ends between that and writing it down has a receipt
of no use: the message comes again once its lease has ended, and meets its Job.
"""

from __future__ import annotations

import asyncio
from typing import Any

from tidegate.api.scaledjob import ScaledJob
from tidegate.base.errors import TidegateError
from tidegate.core.values import Task
from tidegate.kube.resource import JOBS, SECRETS, ApiError
from tidegate.operator.cluster.job_result import finished_as
from tidegate.operator.cluster.writer import Place
from tidegate.operator.reconcile.claim_state import ClaimState
from tidegate.operator.reconcile.steps import Steps
from tidegate.operator.reconcile.tracker import Tracked
from tidegate.operator.scaledjob.claims import task_job
from tidegate.operator.scaledjob.job_body import OWNER_LABEL

Object = dict[str, Any]

# Jobs that are written at a time.
_AT_ONCE = 16


class Receipts:
    """Reads receipts off Jobs, and writes them there."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps

    def of(self, tracked: Tracked, *, is_running: bool = False) -> dict[str, str]:
        """The receipt of each message, off its latest Job; with `is_running`, of unfinished Jobs alone."""
        found: dict[str, tuple[Task, str]] = {}
        for job in self._jobs(tracked):
            task, receipt = task_job.task_of(job), _receipt(job)
            if task is None or not receipt or (is_running and finished_as(job)):
                continue
            before = found.get(task.id)
            if before is None or before[0].attempt < task.attempt:
                found[task.id] = (task, receipt)
        return {id: receipt for id, (_, receipt) in found.items()}

    async def write(self, tracked: Tracked, object: ScaledJob, state: ClaimState) -> None:
        """Puts the receipts of now on the Jobs that carry others; on those not in the cache yet, later."""
        if not state.unwritten:
            return
        gate = asyncio.Semaphore(_AT_ONCE)

        async def put(id: str, name: str, receipt: str) -> None:
            place = Place(JOBS, tracked.key[1], name, "")
            async with gate:
                try:
                    change = {"annotations": {task_job.RECEIPT: receipt}}
                    await self.steps.writer.metadata(place, change)
                except ApiError as error:
                    if error.reason != "NotFound":
                        return
                except TidegateError:
                    return
            if state.receipts.get(id) == receipt:
                state.unwritten.discard(id)

        writes = []
        for id in tuple(state.unwritten):
            message, receipt = state.memory.message(id), state.receipts.get(id)
            if message is None or receipt is None:
                state.unwritten.discard(id)
                continue
            name = task_job.name_of(object, Task(id, message.attempt))
            job = self.steps.informers.get(JOBS, tracked.key[1], name)
            if job is None:
                continue
            if _receipt(job) == receipt:
                state.unwritten.discard(id)
            else:
                writes.append(put(id, name, receipt))
        await asyncio.gather(*writes)

    async def drop_unfiled(self, tracked: Tracked, state: ClaimState) -> set[str]:
        """Messages whose Job waits for a file that a crash has kept from being made. Their source tells no
        body twice: such a Job, which has not begun, goes, and the message comes again.
        """
        found = set()
        _, namespace, _ = tracked.key
        for job in self._jobs(tracked):
            metadata, task = job["metadata"], task_job.task_of(job)
            is_file = task_job.BY_FILE in (metadata.get("annotations") or {})
            if task is None or not is_file or not _receipt(job) or finished_as(job):
                continue
            if task.id in state.bodies or await self._has_file(namespace, metadata["name"]):
                continue
            place = Place(JOBS, namespace, metadata["name"], metadata["uid"])
            kept = [one for one in metadata.get("finalizers") or () if one != task_job.FINALIZER]
            await self.steps.writer.metadata(place, {"finalizers": kept or None}, metadata["resourceVersion"])
            await self.steps.writer.delete_jobs(namespace, (metadata["name"],), "Background")
            found.add(task.id)
        return found

    async def _has_file(self, namespace: str, name: str) -> bool:
        try:
            await self.steps.informers.client.get(SECRETS, namespace, name)
        except ApiError as error:
            return error.reason != "NotFound"
        return True

    def _jobs(self, tracked: Tracked) -> list[Object]:
        _, namespace, name = tracked.key
        return list(self.steps.informers.labelled(JOBS, namespace, (OWNER_LABEL, name)))


def _receipt(job: Object) -> str:
    return str((job["metadata"].get("annotations") or {}).get(task_job.RECEIPT, ""))
