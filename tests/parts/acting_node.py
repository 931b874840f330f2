"""A node that acts: Pods bound to it run, end as the test decides, and obey deletions after a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from tidegate.base.times import format_time
from tidegate.kube.resource import PODS, ApiError
from tidegate.local.objects import Change, Object, Objects
from tidegate.runtime.clock import Clock

Outcome = tuple[float, str] | None
"""Seconds until the Pod ends, and its last phase, with an exit code or a condition after a colon
(`Failed:3`, `Failed:DisruptionTarget`). `Pending` never starts; None runs until deleted."""


class ActingNode:
    def __init__(self, objects: Objects, clock: Clock, outcome: Callable[[Object], Outcome]) -> None:
        self.objects = objects
        self.clock = clock
        self.outcome = outcome
        self.started: list[str] = []
        self.most_at_once = 0
        self.ending_s = 1.0
        self._lives: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        self.objects.subscribe([PODS], self._on_change)
        for pod in self.objects.list(PODS):
            self._look(pod)

    def stop(self) -> None:
        for task in (*self._lives.values(), *self._ends.values()):
            task.cancel()

    def _on_change(self, change: Change) -> None:
        if change.type != "DELETED":
            self._look(change.object)

    def _look(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if pod["spec"].get("nodeName") != "local":
            return
        if pod["metadata"].get("deletionTimestamp"):
            self._ends.setdefault(uid, asyncio.create_task(self._end(pod)))
        elif uid not in self._lives:
            self._lives[uid] = asyncio.create_task(self._live(pod))

    async def _live(self, pod: Object) -> None:
        self.started.append(pod["metadata"]["name"])
        running = sum(not task.done() for task in self._lives.values())
        self.most_at_once = max(self.most_at_once, running)
        outcome = self.outcome(pod)
        if outcome is not None and outcome[1] == "Pending":
            return
        await self._write(pod, "Running")
        if outcome is None:
            await asyncio.Event().wait()
            return
        await self.clock.sleep(outcome[0])
        await self._write(pod, outcome[1])

    async def _end(self, pod: Object) -> None:
        await self.clock.sleep(self.ending_s)
        life = self._lives.get(pod["metadata"]["uid"])
        if life is not None:
            life.cancel()
        metadata = pod["metadata"]
        await _ignore_absence(
            self.objects.delete(PODS, metadata["namespace"], metadata["name"], grace_s=0, uid=metadata["uid"])
        )

    async def _write(self, pod: Object, phase: str) -> None:
        metadata = pod["metadata"]
        found = self.objects.get(PODS, metadata["namespace"], metadata["name"])
        if found is None or found["metadata"]["uid"] != metadata["uid"]:
            return
        del found["metadata"]["resourceVersion"]
        found["status"] = {**(found.get("status") or {}), **self._status(phase)}
        await _ignore_absence(self.objects.update(PODS, found, subresource="status"))

    def _status(self, phase: str) -> dict[str, Any]:
        phase, _, why = phase.partition(":")
        now = format_time(self.clock.now())
        ready = "True" if phase == "Running" else "False"
        status: dict[str, Any] = {
            "phase": phase,
            "podIP": "127.64.9.9",
            "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": now}],
        }
        if phase != "Running":
            ended: dict[str, Any] = {"finishedAt": now}
            if why.isdecimal():
                ended["exitCode"] = int(why)
            elif why:
                status["conditions"].append({"type": why, "status": "True", "lastTransitionTime": now})
            status["containerStatuses"] = [{"name": "c", "state": {"terminated": ended}}]
        return status


async def _ignore_absence(write: Any) -> None:
    try:
        await write
    except ApiError as error:
        if error.code != 404:
            raise
