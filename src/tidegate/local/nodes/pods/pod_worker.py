"""One Pod from its binding to this node until it is gone: a task that looks, acts, reports, waits.

Every step starts from the object and from what the disk and the machine say; nothing is carried over
that a restarted server would miss. One task per Pod is the only writer of its status.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from typing import Any

from tidegate.base.errors import Misconfigured
from tidegate.base.times import parse_time
from tidegate.kube.resource import PODS, ApiError
from tidegate.local.nodes.context import NodeContext
from tidegate.local.nodes.pods import container_plan, pod_status
from tidegate.local.nodes.pods.container import Container
from tidegate.local.nodes.pods.pod_status import Role
from tidegate.local.nodes.pods.probes import Probes, Target
from tidegate.local.nodes.pods.status_reports import FINISHED, Reports
from tidegate.local.nodes.processes import exec
from tidegate.local.nodes.processes.environment import Incomplete
from tidegate.local.nodes.processes.images import NoProgram
from tidegate.local.nodes.processes.volumes import Unmountable, remove

log = logging.getLogger(__name__)

ORPHAN_GRACE_S = 2.0
DEFAULT_GRACE_S = 30.0
LEAVING_GRACE_S = 5.0
RETRY_S = 10.0
ERROR_FIRST_S, ERROR_MAX_S = 1.0, 30.0
IMAGE_REASONS = ("ErrImagePull", "ImagePullBackOff")
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
        self._is_stale = False
        self._names: frozenset[str] | None = None
        self.is_cleared = False

    def wake(self) -> None:
        self._wake.set()

    def write_hosts(self) -> None:
        """Brings the names that the pod's running containers know up to date."""
        pod = self._reports.pod()
        if pod is not None and any(container.is_alive for container in self.containers):
            container_plan.write_hosts(self._context, pod)

    def refresh(self, name: str) -> None:
        """A ConfigMap, Secret or claim has changed: mounted files follow, what waited looks again."""
        if self._names is None or name in self._names:
            self._is_stale = True
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
        if not self._context.addresses.keep(self.uid, status.get("podIP", "")):
            return await self._admit(pod)
        await self._settle(pod)
        if self._is_stale:
            await self._refill(pod)
        overdue_s = self._overdue_s(pod)
        if overdue_s is not None and overdue_s <= 0:
            await self._reports.event(pod, "Warning", *OVERDUE)
            return await self._report(pod, OVERDUE)
        dues = [await self._start(pod, container) for container in self._startable(pod)]
        retry_s = await self._report(pod, None)
        return min((due_s for due_s in (*dues, overdue_s, retry_s) if due_s is not None), default=None)

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
        status = pod.get("status") or {}
        before = [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]
        were_ready = {one["name"] for one in before if one.get("ready")}
        for container in self.containers:
            if container.is_alive:
                self._probe(pod, container, container.name in were_ready)

    def _adopt(self, found: list[tuple[Mapping[str, Any], Role]]) -> None:
        """All of them or none: one that is not adopted would be started beside itself."""
        containers = [Container(self.uid, self._folder, spec, role, self.wake) for spec, role in found]
        try:
            for container in containers:
                container.adopt()
        except BaseException:
            for container in containers:
                container.close()
            raise
        self.containers = containers

    async def _admit(self, pod: dict[str, Any]) -> float | None:
        """The address is written down before anything can use it."""
        self._folder.mkdir(parents=True, exist_ok=True)
        address = self._context.addresses.take(self.uid)
        views = self._views(pod)
        await self._reports.write(pod, pod_status.pod_status(pod, views, address, self._context.clock.now()))
        return 0.0

    async def _settle(self, pod: dict[str, Any]) -> None:
        now = self._context.clock.now().timestamp()
        for container in self.containers:
            seen = await container.settle(self._context.sweeper, now)
            if seen is not None and seen.failure is not None:
                reason, told = seen.failure
                is_mount = reason == "FailedMount"
                event = (reason, told) if is_mount else ("Failed", f"Error: {told}")
                await self._reports.event(pod, "Warning", *event)
            if container.takes_note_of_start():
                if container.is_running:
                    self._probe(pod, container, False)
                await self._reports.event(pod, "Normal", "Started", f"Started container {container.name}")
            if container.probes is not None and container.probes.is_dead:
                told = f"Container {container.name} failed liveness probe, will be restarted"
                await self._reports.event(pod, "Normal", "Killing", told)
                await container.stop(grace_s(pod), self._context.sweeper)
                container.is_stopped = False

    def _overdue_s(self, pod: Mapping[str, Any]) -> float | None:
        limit = pod["spec"].get("activeDeadlineSeconds")
        began = (pod.get("status") or {}).get("startTime")
        if limit is None or not began:
            return None
        return float(limit) - (self._context.clock.now() - parse_time(began)).total_seconds()

    def _startable(self, pod: Mapping[str, Any]) -> list[Container]:
        """What is to run and does not: init containers one after the other, then all the others."""
        policy = pod["spec"].get("restartPolicy", "Always")
        due = []
        for container in self.containers:
            if container.restarts(policy):
                due.append(container)
            view = container.view(False)
            if container.role == "init" and (container.is_alive or view.exit_code != 0):
                break
            if container.role == "sidecar" and not view.is_started:
                break
        return due

    async def _start(self, pod: dict[str, Any], container: Container) -> float | None:
        """Starts the container if it is time and all that it needs is there; seconds until the next try."""
        wait_s = container.delay_s(self._context.clock.now().timestamp())
        if wait_s > 0:
            if container.backoff_s:
                short = f"restarting failed container {container.name} in pod {self.name}"
                told = f"back-off {container.backoff_s:g}s {short}"
                if container.waiting != (state := pod_status.waiting("CrashLoopBackOff", told)):
                    container.waiting = state
                    await self._reports.event(pod, "Warning", "BackOff", f"Back-off {short}")
            return wait_s
        try:
            plan = container_plan.plan(self._context, pod, container.spec, container.next_number)
        except Incomplete as error:
            container.waiting = pod_status.waiting("CreateContainerConfigError", str(error))
            await self._reports.once(pod, "Failed", f"Error: {error}")
            return RETRY_S
        except Unmountable as error:
            container.waiting = pod_status.waiting("ContainerCreating", str(error))
            await self._reports.once(pod, "FailedMount", str(error))
            return RETRY_S
        except (NoProgram, Misconfigured) as error:
            is_known = container.waiting["waiting"]["reason"] in IMAGE_REASONS
            container.waiting = pod_status.waiting(IMAGE_REASONS[is_known], str(error))
            await self._reports.once(pod, "Failed", str(error))
            return RETRY_S
        await self._context.launches.acquire()
        newest = self._reports.pod()
        if newest is None or newest["metadata"].get("deletionTimestamp"):
            self._context.launches.release()
            return 0.0
        try:
            container.start(plan, container.next_record(plan), self._context.launches.release)
        except BaseException:
            self._context.launches.release()
            raise
        await self._reports.event(pod, "Normal", "Created", f"Created container: {container.name}")
        return None

    def _probe(self, pod: Mapping[str, Any], container: Container, is_ready: bool) -> None:
        async def run(command: list[str], timeout_s: float) -> tuple[int, str]:
            inside = container.inside()
            if inside is None:
                return 1, "the container is not running"
            return await exec.run(inside, command, timeout_s)

        async def tell(message: str) -> None:
            await self._reports.event(self._reports.pod(), "Warning", "Unhealthy", message)

        ports = {
            port["name"]: port["containerPort"]
            for port in container.spec.get("ports") or []
            if port.get("name")
        }
        target = Target(pod["status"]["podIP"], ports, run)
        container.probes = Probes(container.spec, target, is_ready, self.wake, tell)

    def _views(self, pod: Mapping[str, Any]) -> list[pod_status.ContainerView]:
        policy = pod["spec"].get("restartPolicy", "Always")
        return [container.view(container.restarts(policy)) for container in self.containers]

    async def _report(self, pod: dict[str, Any], failure: tuple[str, str] | None) -> float | None:
        """Writes what the containers are doing. A finished pod has no process left when it says so."""
        now, address = self._context.clock.now(), pod["status"]["podIP"]
        status = pod_status.pod_status(pod, self._views(pod), address, now, failure)
        is_finished = status["phase"] in FINISHED
        if is_finished:
            await self._stop(pod, grace_s(pod))
            status = pod_status.pod_status(pod, self._views(pod), address, now, failure)
        if not await self._reports.write(pod, status):
            return 0.0
        if is_finished:
            self._context.addresses.release(self.uid)
            self._is_over = True
        return None

    async def _stop(self, pod: dict[str, Any] | None, patience_s: float) -> None:
        """Main containers first, then sidecars; returns when no process of the pod is left."""
        for role in ("init", "main", "sidecar"):
            alive = [one for one in self.containers if one.role == role and one.is_alive]
            for container in alive:
                await self._reports.event(pod, "Normal", "Killing", f"Stopping container {container.name}")
            await asyncio.gather(*(one.stop(patience_s, self._context.sweeper) for one in alive))
            for container in self.containers:
                container.is_stopped = container.is_stopped or container.role == role
        await self._context.sweeper.sweep(self.uid)

    async def _leave(self, pod: dict[str, Any]) -> None:
        for container in self.containers:
            container.mark_lost()
        await self._stop(None, min(LEAVING_GRACE_S, grace_s(pod)))
        self._is_over = True

    async def _terminate(self, pod: dict[str, Any]) -> None:
        """Ends the processes, then removes the object: it is there as long as they are.

        One that finalizers hold says that it has ended, and keeps its logs until it is gone.
        """
        await self._stop_patiently(pod)
        current = self._reports.pod()
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
            self._context.addresses.release(self.uid)
            self._is_over = True

    def _last_status(self, pod: dict[str, Any]) -> dict[str, Any]:
        views = self._views(pod)
        ending = {"phase": pod_status.last_phase(views)}
        if address := (pod.get("status") or {}).get("podIP"):
            return pod_status.pod_status(pod, views, address, self._context.clock.now()) | ending
        return ending

    async def _stop_patiently(self, pod: dict[str, Any]) -> None:
        """Stops with the grace of the newest deletion: a shorter one, or a forced one, cuts it short."""
        began, left_s = self._context.clock.monotonic(), grace_s(pod)
        stopping = asyncio.ensure_future(self._stop(pod, left_s))
        try:
            while not stopping.done():
                self._wake.clear()
                waking = asyncio.ensure_future(self._wake.wait())
                await asyncio.wait({stopping, waking}, return_when=asyncio.FIRST_COMPLETED)
                waking.cancel()
                newest = self._reports.pod()
                shorter_s = ORPHAN_GRACE_S if newest is None else grace_s(newest)
                if self._is_leaving:
                    shorter_s = min(shorter_s, LEAVING_GRACE_S)
                if shorter_s < left_s and not stopping.done():
                    stopping.cancel()
                    await asyncio.wait({stopping})
                    left_s = shorter_s
                    spent_s = self._context.clock.monotonic() - began
                    stopping = asyncio.ensure_future(self._stop(None, max(0.0, left_s - spent_s)))
            await stopping
        finally:
            stopping.cancel()

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
        await self._stop(None, ORPHAN_GRACE_S)
        await asyncio.to_thread(remove, self._folder)
        self._context.addresses.release(self.uid)
        self._is_over = self.is_cleared = True


def grace_s(pod: Mapping[str, Any]) -> float:
    for seconds in (
        pod["metadata"].get("deletionGracePeriodSeconds"),
        pod["spec"].get("terminationGracePeriodSeconds"),
    ):
        if seconds is not None:
            return float(seconds)
    return DEFAULT_GRACE_S
