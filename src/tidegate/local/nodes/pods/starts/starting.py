"""The start of a container: back-off, plan, launch, and why it waits where one of them is not there yet."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from tidegate.base.errors import Misconfigured
from tidegate.local.nodes.context import NodeContext
from tidegate.local.nodes.images.program import NoProgram
from tidegate.local.nodes.places import shared_ports
from tidegate.local.nodes.places.pod_place import PodPlace
from tidegate.local.nodes.pods import container_plan, pod_status
from tidegate.local.nodes.pods.container import Container
from tidegate.local.nodes.pods.starts import engine_plan
from tidegate.local.nodes.pods.starts.pulls import Pulls
from tidegate.local.nodes.pods.status_reports import Reports
from tidegate.local.nodes.processes.environment import Incomplete
from tidegate.local.nodes.processes.instance import Plan
from tidegate.local.nodes.processes.pod_naming import Unnameable
from tidegate.local.nodes.processes.volumes import Unmountable
from tidegate.local.nodes.runtimes.answers import Image
from tidegate.local.nodes.runtimes.engine import EngineError
from tidegate.local.nodes.runtimes.of_engine import Engines
from tidegate.local.nodes.runtimes.port import PROCESS

RETRY_S = 10.0
IMAGE_REASONS = ("ErrImagePull", "ImagePullBackOff")
NOT_YET = (Incomplete, Unnameable, Unmountable, NoProgram, Misconfigured)
Pod = dict[str, Any]


class Starter:
    """Of the containers of one pod; `wake` makes its task look again."""

    def __init__(
        self, context: NodeContext, reports: Reports, place: PodPlace, wake: Callable[[], None]
    ) -> None:
        self._context = context
        self._reports = reports
        self._place = place
        self._pulls = Pulls(context, reports, wake)

    async def start(self, pod: Pod, container: Container) -> float | None:
        """Starts the container if it is time and all that it needs is there; seconds until the next try."""
        if (wait_s := await self._back_off(pod, container)) > 0:
            return wait_s
        engines = self._context.runtimes.engine_of(pod)
        if engines is not None:
            return await self._start_in(engines, pod, container)
        try:
            plan = container_plan.plan(self._context, pod, container.spec, container.next_number)
        except NOT_YET as error:
            return await self._wait_for(error, pod, container)
        for reason, told in container_plan.notices(self._context, pod, container.spec, plan):
            await self._reports.once(pod, reason, told)
        if not container.spec.get("command"):
            image, path = (
                str(container.spec.get("image", "")),
                self._context.inherited.get("PATH", os.defpath),
            )
            entry = self._context.images.entry(image)
            if told := await self._context.versions.differs(image, entry, path):
                await self._reports.once(pod, "OtherVersion", told)
        if not await self._launch(pod, container, plan):
            return 0.0
        image = f'Container image "{container.spec.get("image", "")}" already present on machine'
        await self._reports.event(pod, "Normal", "Pulled", image)
        await self._reports.event(pod, "Normal", "Created", f"Created container: {container.name}")
        return None

    async def _start_in(self, engines: Engines, pod: Pod, container: Container) -> float | None:
        """The same in an engine, which makes the container before it is launched."""
        context, spec, number = self._context, container.spec, container.next_number
        try:
            image = await self._pulls.image(engines.engine, pod, container)
            if not isinstance(image, Image):
                return image
            wanted = engine_plan.wanted(context, pod, spec, number, image)
            context.runtimes.note_use(engines, context.pod_folder(pod["metadata"]["uid"]))
            await engines.create(wanted)
        except NOT_YET as error:
            return await self._wait_for(error, pod, container)
        except EngineError as error:
            container.waiting = pod_status.waiting("CreateContainerError", str(error))
            await self._reports.once(pod, "Failed", f"Error: {error}")
            return RETRY_S
        for told in container_plan.unhonoured(context, pod, spec):
            await self._reports.once(pod, "NotHonoured", told)
        await self._reports.event(pod, "Normal", "Created", f"Created container: {container.name}")
        plan = engine_plan.launch_plan(context, pod, spec, number, engines.engine, image)
        return None if await self._launch(pod, container, plan, engines.name) else 0.0

    def close(self) -> None:
        """Ends what is being prepared; safe twice."""
        self._pulls.close()

    async def _back_off(self, pod: Pod, container: Container) -> float:
        """Seconds that the container has to wait, which is told."""
        wait_s = container.delay_s(self._context.clock.now().timestamp())
        if wait_s > 0 and container.backoff_s:
            whole, short = whole_name(pod), "restarting failed container"
            told = f"back-off {_span(container.backoff_s)} {short}={container.name} pod={whole}"
            if container.waiting != (state := pod_status.waiting("CrashLoopBackOff", told)):
                container.waiting = state
                told = f"Back-off {short} {container.name} in pod {whole}"
                await self._reports.event(pod, "Warning", "BackOff", told)
        return wait_s

    async def _wait_for(self, error: Exception, pod: Pod, container: Container) -> float:
        """What is not there yet is told; it is looked at again."""
        told, event = str(error), ("Failed", str(error))
        if isinstance(error, Incomplete):
            container.waiting = pod_status.waiting("CreateContainerConfigError", told)
            event = ("Failed", f"Error: {told}")
        elif isinstance(error, Unnameable):
            container.waiting = container.idle
            event = ("FailedCreatePodSandBox", told)
        elif isinstance(error, Unmountable):
            container.waiting = pod_status.waiting("ContainerCreating", told)
            event = ("FailedMount", told)
        else:
            is_known = container.waiting["waiting"]["reason"] in IMAGE_REASONS
            container.waiting = pod_status.waiting(IMAGE_REASONS[is_known], told)
        await self._reports.once(pod, *event)
        return RETRY_S

    async def _launch(self, pod: Pod, container: Container, plan: Plan, runtime: str = PROCESS) -> bool:
        """False where the pod is on its way out by now."""
        await self._context.launches.acquire()
        newest = self._reports.pod()
        if newest is None or newest["metadata"].get("deletionTimestamp"):
            self._context.launches.release()
            return False
        if taken := shared_ports.told(self._context.network, container.spec, pod["status"]["podIP"]):
            await self._reports.once(pod, "PortTaken", taken)
        try:
            with await self._place.join(pod) as files:
                record = container.next_record(plan, runtime)
                container.start(plan, record, self._context.launches.release, files)
        except BaseException:
            self._context.launches.release()
            raise
        return True


def whole_name(pod: Mapping[str, Any]) -> str:
    """As a kubelet names a pod in its messages."""
    metadata = pod["metadata"]
    return f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"


def _span(seconds: float) -> str:
    """As Go writes a duration: 10s, 1m20s, 5m0s."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
