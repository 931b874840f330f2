"""Workers of a random world: pods of Jobs that take messages off a list, and finish or fail.

With `default` a message stays in the list until its work is done, as a queue counts what is not
acknowledged yet; with the other strategies whoever takes it removes it.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from parts.memory_objects import MemoryObjects
from parts.world_client import WHO
from tidegate.base.times import format_time
from tidegate.kube.resource import JOBS, PODS, ApiError
from tidegate.local.objects import Change
from tidegate.runtime.clock import Clock

Object = dict[str, Any]
STARTS_S = (0.0, 0.1, 2.0, 20.0)
WORKS_S = (0.0, 0.5, 5.0, 40.0, 90.0)
# Who finds nothing to do waits a while before it ends.
IDLE_S = 100.0
FAILURES = 0.1


@dataclass(slots=True)
class Workers:
    """`on_idle` hears of each worker that found no message to take."""

    objects: MemoryObjects
    clock: Clock
    lists: dict[str, float]
    key: str = "jobs"
    is_counted_until_done: bool = True
    seed: int = 0
    on_idle: Callable[[str], None] = lambda name: None
    is_calm: bool = False
    taken: dict[str, bool] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def follow(self) -> None:
        self.objects.subscribe([JOBS], self._on_job)

    @property
    def in_work(self) -> int:
        return sum(self.taken.values())

    def _on_job(self, change: Change) -> None:
        name, uid = change.object["metadata"]["name"], change.object["metadata"]["uid"]
        if change.type == "ADDED":
            context = contextvars.copy_context()
            context.run(WHO.set, "workers")
            task = asyncio.get_running_loop().create_task(self._work(name, uid), context=context)
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        if change.type == "DELETED":
            self._release(uid)

    async def _work(self, name: str, uid: str) -> None:
        dice = Random(f"{self.seed} {name}")
        start_s, work_s, luck = dice.choice(STARTS_S), dice.choice(WORKS_S), dice.random()
        await self.clock.sleep(start_s)
        if not self._is_there(name, uid):
            return
        await self._pod(name)
        if not self._take(uid):
            self.on_idle(name)
            await self.clock.sleep(IDLE_S)
            await self._finish(name, uid, "Complete")
            return
        await self.clock.sleep(work_s)
        if not self._is_there(name, uid):
            return
        if luck < FAILURES and not self.is_calm:
            self._release(uid)
            await self._finish(name, uid, "Failed")
            return
        self._done(uid)
        await self.clock.sleep(dice.choice((0.0, 0.3)))
        await self._finish(name, uid, "Complete")

    def _is_there(self, name: str, uid: str) -> bool:
        found = self.objects.get(JOBS, "shop", name)
        return found is not None and found["metadata"]["uid"] == uid

    def _take(self, uid: str) -> bool:
        length = self.lists.get(self.key, 0)
        waiting = length - self.in_work if self.is_counted_until_done else length
        if waiting < 1:
            return False
        self.taken[uid] = True
        if not self.is_counted_until_done:
            self.lists[self.key] = length - 1
        return True

    def _done(self, uid: str) -> None:
        if self.taken.pop(uid, False) and self.is_counted_until_done:
            self.lists[self.key] = max(0, self.lists.get(self.key, 0) - 1)

    def _release(self, uid: str) -> None:
        if self.taken.pop(uid, False) and not self.is_counted_until_done:
            self.lists[self.key] = self.lists.get(self.key, 0) + 1

    async def _pod(self, name: str) -> None:
        owner = self.objects.get(JOBS, "shop", name)
        assert owner is not None
        reference = {
            "apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": owner["metadata"]["uid"]
        }  # fmt: skip
        metadata = {
            "name": f"{name}-pod",
            "namespace": "shop",
            "labels": {"job-name": name},
            "ownerReferences": [reference],
        }
        body = {"metadata": metadata, "spec": {"containers": []}, "status": {"phase": "Running"}}
        try:
            await self.objects.create(PODS, body)
        except ApiError:
            # The pod of a namesake is still being collected.
            return

    async def _finish(self, name: str, uid: str, how: str) -> None:
        if not self._is_there(name, uid):
            return
        status: Object = {"conditions": [{"type": how, "status": "True"}]}
        if how == "Complete":
            status["completionTime"] = format_time(self.clock.now())
        try:
            await self.objects.patch(JOBS, "shop", name, {"status": status}, "status")
        except ApiError:
            return
