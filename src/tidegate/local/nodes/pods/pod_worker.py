"""One Pod from its binding to this node until it is gone: a task that looks, acts, reports, waits.

Every step starts from the object and from what the disk and the machine say; nothing is carried over
that a restarted server would miss. One task per Pod is the only writer of its status.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
from collections.abc import Mapping
from typing import Any

from tidegate.base.times import parse_time
from tidegate.kube.resource import PODS, ApiError
from tidegate.local.nodes.context import NodeContext
from tidegate.local.nodes.places import name_files
from tidegate.local.nodes.places.pod_place import PodPlace
from tidegate.local.nodes.pods import container_order, container_plan, pod_status
from tidegate.local.nodes.pods.container import Container
from tidegate.local.nodes.pods.pod_status import Role
from tidegate.local.nodes.pods.starts.starting import RETRY_S, Starter
from tidegate.local.nodes.pods.status_reports import FINISHED, Reports
from tidegate.local.nodes.pods.upkeep import Upkeep, grace_s
from tidegate.local.nodes.processes.volumes import Unmountable, remove

log = logging.getLogger(__name__)

ORPHAN_GRACE_S = 2.0
LEAVING_GRACE_S = 5.0
ERROR_FIRST_S, ERROR_MAX_S = 1.0, 30.0
RECREATED = "Pod network is gone, the container will be restarted in another"
OVERDUE = ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")


class PodTask:
    def __init__(self, context: NodeContext, namespace: str, name: str, uid: str) -> None:
        self.namespace, self.name, self.uid = namespace, name, uid
        self.containers: list[Container] = []
        self._context = context
        self._folder = context.pod_folder(uid)
        self._reports = Reports(context, namespace, name, uid)
        self._wake = asyncio.Event()
        self._is_over = False
        self._is_leaving = False
        # Files may also have fallen behind while no server ran.
        self._is_stale = True
        self._told_in_files: Mapping[str, Any] = {}
        self._renew_at = math.inf
        self._is_cut_off = False
        self._place = PodPlace(context, uid)
        self._starter = Starter(context, self._reports, self._place, self.wake)
        self._upkeep = Upkeep(context, self._reports, self.containers, self.wake)
        self._names: frozenset[str] | None = None
        self.is_cleared = False

    def wake(self) -> None:
        self._wake.set()

    def write_hosts(self) -> None:
        """Brings the names that the pod's running containers know up to date."""
        pod = self._reports.pod()
        if pod is not None and any(container.is_alive for container in self.containers):
            name_files.write_hosts(self._context, pod)

    def refresh(self, name: str) -> None:
        """A ConfigMap, Secret or claim has changed: mounted files follow, what waited looks again."""
        if self._names is None or name in self._names:
            self._is_stale = True
            self._wake.set()

    def cut_off(self) -> None:
        """The pod's network is gone: what runs in it starts anew, without counting as a failure."""
        self._is_cut_off = True
        self._wake.set()

    def end_with_node(self) -> None:
        """Asks for the processes to be ended without the Pod: they start anew with the next server."""
        self._is_leaving = True
        self._wake.set()

    async def run(self) -> None:
        """Returns when there is nothing left to do for this Pod. Cancelling leaves its processes alone."""
        pause_s = ERROR_FIRST_S
        try:
            while not self._is_over:
                self._wake.clear()
                try:
                    due_s = await self._step()
                    pause_s = ERROR_FIRST_S
                except Exception:  # one pod's trouble is its own: say it, and look again
                    log.exception("pod step failed", extra={"namespace": self.namespace, "pod": self.name})
                    due_s, pause_s = pause_s, min(ERROR_MAX_S, 2 * pause_s)
                if not self._is_over:
                    await self._wait(due_s)
        finally:
            self._starter.close()
            for container in self.containers:
                container.close()

    async def _wait(self, due_s: float | None) -> None:
        try:
            async with asyncio.timeout(due_s):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _step(self) -> float | None:
        """One reconcile; seconds until the next is due at the latest."""
        pod = self._reports.pod()
        if pod is None:
            await self._clear_away()
            return None
        if not self.containers:
            self._meet(pod)
        if self._is_leaving:
            await self._leave(pod)
            return None
        if pod["metadata"].get("deletionTimestamp"):
            await self._terminate(pod)
            return None
        status = pod.get("status") or {}
        if status.get("phase") in FINISHED:
            self._is_over = True
            return None
        if not self._place.is_kept(pod):
            if not await self._leave_network(pod):
                return None
            return await self._admit(pod)
        if self._is_cut_off and not await self._leave_network(pod):
            return None
        await self._upkeep.look(pod)
        told = container_plan.told_in_files(pod)
        if self._told_in_files != told:
            self._told_in_files, self._is_stale = told, True
        if self._is_stale or self._context.clock.monotonic() >= self._renew_at:
            await self._refill(pod)
        overdue_s = self._overdue_s(pod)
        if overdue_s is not None and overdue_s <= 0:
            await self._reports.once(pod, *OVERDUE)
            return await self._report(pod, OVERDUE)
        dues = []
        for container in container_order.startable(
            self.containers, pod["spec"].get("restartPolicy", "Always")
        ):
            dues.append(await self._starter.start(pod, container))
            if container.is_held_by_hook:
                break
        dues += [overdue_s, await self._report(pod, None), self._renewal_s(pod)]
        return min((due_s for due_s in dues if due_s is not None), default=None)

    def _renewal_s(self, pod: Mapping[str, Any]) -> float | None:
        """Seconds until the tokens of what runs are looked at again: also after they could not be renewed."""
        due_s = None
        if any(container.is_alive for container in self.containers):
            due_s = container_plan.renewal_s(self._context, pod)
        if due_s is None:
            self._renew_at = math.inf
            return None
        due_s = max(due_s, RETRY_S)
        self._renew_at = self._context.clock.monotonic() + due_s
        return due_s

    async def _refill(self, pod: Mapping[str, Any]) -> None:
        """The mounted files as they are to be now, for one pod after the other."""
        self._is_stale = False
        if not any(container.is_alive for container in self.containers):
            return
        async with self._context.refills:
            try:
                container_plan.fill_volumes(self._context, pod, self._context.refers(self.namespace))
            except Unmountable:
                pass  # what is gone stays as it was for those who run
            except OSError as error:
                await self._reports.once(pod, "FailedMount", f"cannot refresh the volumes: {error}")
            await asyncio.sleep(0)

    def _meet(self, pod: Mapping[str, Any]) -> None:
        self._names = container_plan.names(pod["spec"])
        found: list[tuple[Mapping[str, Any], Role]] = []
        for spec in pod["spec"].get("initContainers") or []:
            found.append((spec, "sidecar" if spec.get("restartPolicy") == "Always" else "init"))
        found += [(spec, "main") for spec in pod["spec"]["containers"]]
        self._adopt(found)
        if pod["spec"].get("initContainers"):
            for container in self.containers:
                container.idle = container.waiting = pod_status.waiting("PodInitializing")
        status = pod.get("status") or {}
        before = [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]
        told = {one["name"]: one for one in before}
        for container in self.containers:
            if container.is_alive:
                self._upkeep.adopt(pod, container, told.get(container.name, {}))

    def _adopt(self, found: list[tuple[Mapping[str, Any], Role]]) -> None:
        """All of them or none: one that is not adopted would be started beside itself."""
        runtimes = self._context.runtimes
        containers = [Container(self._folder, spec, role, self.wake, runtimes) for spec, role in found]
        try:
            for container in containers:
                container.adopt()
        except BaseException:
            for container in containers:
                container.close()
            raise
        self.containers[:] = containers

    async def _leave_network(self, pod: dict[str, Any]) -> bool:
        """True when nothing runs in the network that is gone; until then each end wakes this task."""
        await self._upkeep.look(pod)
        for container in self.containers:
            if container.is_alive:
                if not container.is_ending:
                    container.mark_lost()
                await self._upkeep.end(pod, container, min(LEAVING_GRACE_S, grace_s(pod)), RECREATED)
        if any(container.is_alive for container in self.containers):
            return False
        await self._sweep()
        self._is_cut_off = False
        return True

    async def _admit(self, pod: dict[str, Any]) -> float | None:
        """The address is written down before anything can use it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        now, address = self._context.clock.now(), self._place.take(pod)
        status = pod_status.pod_status(pod, self._views(pod), address, now)
        await self._reports.write(pod, self._place.on_host(status))
        return 0.0

    def _overdue_s(self, pod: Mapping[str, Any]) -> float | None:
        limit = pod["spec"].get("activeDeadlineSeconds")
        began = (pod.get("status") or {}).get("startTime")
        if limit is None or not began:
            return None
        return float(limit) - (self._context.clock.now() - parse_time(began)).total_seconds()

    def _views(self, pod: Mapping[str, Any]) -> list[pod_status.ContainerView]:
        policy = pod["spec"].get("restartPolicy", "Always")
        return [container.view(container.restarts(policy)) for container in self.containers]

    async def _report(self, pod: dict[str, Any], failure: tuple[str, str] | None) -> float | None:
        """Writes what the containers are doing. A finished pod has no process left when it says so."""
        status = self._status(pod, failure)
        is_finished = status["phase"] in FINISHED
        if is_finished:
            is_ended = await self._end_all(pod, grace_s(pod))
            status = self._status(pod, failure, is_ending=not is_ended)
            is_finished = is_ended
        if not await self._reports.write(pod, status):
            return 0.0
        if is_finished:
            await self._place.release()
            self._is_over = True
        return None

    def _status(
        self, pod: dict[str, Any], failure: tuple[str, str] | None = None, *, is_ending: bool = False
    ) -> dict[str, Any]:
        now, address = self._context.clock.now(), pod["status"]["podIP"]
        status = pod_status.pod_status(pod, self._views(pod), address, now, failure, is_ending)
        return self._place.on_host(status)

    async def _end_all(self, pod: dict[str, Any] | None, patience_s: float) -> bool:
        """Sees to it that all containers end, for good; True when no process of the pod is left.

        As long as it is False, the end of each container wakes this task.
        """
        for container in self.containers:
            container.is_stopped = True
        await self._upkeep.look(pod)
        for container in self.containers:
            if container.is_alive:
                turn = container_order.turn(container, self.containers)
                told = f"Stopping container {container.name}"
                await self._upkeep.end(pod, container, patience_s, told, turn)
        if any(container.is_alive for container in self.containers):
            return False
        await self._sweep()
        return True

    async def _sweep(self) -> None:
        """Ends what is left of the pod, whatever ran its containers."""
        for runtime in self._context.runtimes.used_by(self._folder):
            await runtime.clear(self.uid)

    async def _leave(self, pod: dict[str, Any]) -> None:
        for container in self.containers:
            if not container.is_ending:
                container.mark_lost()
        self._is_over = await self._end_all(pod, min(LEAVING_GRACE_S, grace_s(pod)))

    async def _terminate(self, pod: dict[str, Any]) -> None:
        """Ends the processes, then removes the object: it is there as long as they are.

        Looks again at each wake: a shorter grace, or a forced one, cuts a longer one short. One that
        finalizers hold says that it has ended, and keeps its logs until it is gone.
        """
        is_ended = await self._end_all(pod, grace_s(pod))
        current = self._reports.pod()
        if not is_ended:
            if current is not None and (current.get("status") or {}).get("podIP"):
                await self._reports.write(current, self._status(current, is_ending=True))
            return
        if current is not None:
            await self._reports.write(current, self._last_status(current))
            try:
                await self._context.objects.delete(PODS, self.namespace, self.name, grace_s=0, uid=self.uid)
            except ApiError as error:
                if error.code not in (404, 409):
                    raise
        if self._reports.pod() is None:
            await self._clear_away()
        else:
            await self._place.release()
            self._is_over = True

    def _last_status(self, pod: dict[str, Any]) -> dict[str, Any]:
        ending = {"phase": pod_status.last_phase(self._views(pod))}
        return self._status(pod) | ending if (pod.get("status") or {}).get("podIP") else ending

    def _names_on_disk(self) -> list[str]:
        """Containers that have a directory; the pod's other files have names no container can have."""
        try:
            return sorted(name for name in os.listdir(self._folder) if not name.startswith("."))
        except FileNotFoundError:
            return []

    async def _clear_away(self) -> None:
        """Nobody owns this Pod any more: ends what is left of it and removes its directory."""
        if not self.containers:
            self._adopt([({"name": name}, "main") for name in self._names_on_disk()])
        if not await self._end_all(None, ORPHAN_GRACE_S):
            return
        await asyncio.to_thread(remove, self._folder)
        await self._place.release()
        self._is_over = self.is_cleared = True
