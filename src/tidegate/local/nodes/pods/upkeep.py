"""What a pod's task does about containers that run: their hooks, their probes, their ends."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from tidegate.local.nodes.context import NodeContext
from tidegate.local.nodes.network.pod_networks import dial
from tidegate.local.nodes.pods import hooks
from tidegate.local.nodes.pods.container import Container
from tidegate.local.nodes.pods.container_access import Access, named_ports
from tidegate.local.nodes.pods.ending import Manner
from tidegate.local.nodes.pods.hooks import HookFailed
from tidegate.local.nodes.pods.probes import Begin, Probes
from tidegate.local.nodes.pods.status_reports import Reports
from tidegate.local.nodes.processes import exec

log = logging.getLogger(__name__)

DEFAULT_GRACE_S = 30.0
Pod = Mapping[str, Any]


class Upkeep:
    """`containers` is the pod's own list; `wake` makes its task look again."""

    def __init__(
        self,
        context: NodeContext,
        reports: Reports,
        containers: Sequence[Container],
        wake: Callable[[], None],
    ) -> None:
        self._context = context
        self._reports = reports
        self._containers = containers
        self._wake = wake

    def adopt(self, pod: Pod, container: Container, before: Mapping[str, Any]) -> None:
        """Goes on with a living container where an earlier server was, which told `before` of it."""
        life = container.life()
        if life.until or life.post_start == "failed":
            # What has begun has no more than what is left of its grace.
            manner = self._manner(pod, container)
            container.end(grace_s(pod), manner, self._context.clock)
        elif life.post_start or not self._begin_post_start(pod, container):
            claim = container.seen.claim if container.seen else None
            age_s = self._context.clock.now().timestamp() - claim.at if claim else 0.0
            begin = Begin(bool(before.get("started")), bool(before.get("ready")), age_s)
            self._probe(pod, container, begin)

    async def look(self, pod: Pod | None) -> None:
        """Takes note of what has happened to the containers; `pod` is None when the object is gone."""
        now = self._context.clock.now().timestamp()
        for container in self._containers:
            seen = await container.settle(now)
            if seen is not None and seen.failure is not None:
                reason, told = seen.failure
                is_mount = reason == "FailedMount"
                event = (reason, told) if is_mount else ("Failed", f"Error: {told}")
                await self._reports.event(pod, "Warning", *event)
            if seen is not None and seen.is_oom:
                limit = ((container.spec.get("resources") or {}).get("limits") or {}).get("memory")
                told = f"Container {container.name} was killed: it took more memory than its limit, {limit}"
                await self._reports.event(pod, "Warning", "OOMKilling", told)
            if container.takes_note_of_start():
                if container.is_running and pod and not self._begin_post_start(pod, container):
                    self._probe(pod, container, Begin())
                await self._reports.event(pod, "Normal", "Started", f"Started container {container.name}")
            if pod is not None:
                await self._take_note_of_hook(pod, container)
                await self._restart_if_dead(pod, container)

    async def _take_note_of_hook(self, pod: Pod, container: Container) -> None:
        is_well = container.takes_note_of_post_start()
        if is_well is None or not container.is_alive or container.is_ending:
            return
        if is_well:
            self._probe(pod, container, Begin())
        else:
            await self._reports.event(pod, "Warning", "FailedPostStartHook", "PostStartHook failed")
            await self.end(pod, container, grace_s(pod), "FailedPostStartHook")

    async def _restart_if_dead(self, pod: Pod, container: Container) -> None:
        kind = container.probes.dead if container.probes is not None else ""
        if not kind or container.is_ending:
            return
        told = f"Container {container.name} failed {kind} probe"
        if pod["spec"].get("restartPolicy") != "Never" or container.role == "sidecar":
            told += ", will be restarted"
        own_s = container.spec[f"{kind}Probe"].get("terminationGracePeriodSeconds")
        await self.end(pod, container, grace_s(pod) if own_s is None else float(own_s), told)

    async def end(
        self,
        pod: Pod | None,
        container: Container,
        patience_s: float,
        told: str,
        turn: Callable[[], Awaitable[Any]] | None = None,
    ) -> None:
        """Begins the end of a container, or lets one that has begun take no longer than `patience_s`."""
        manner = self._manner(pod, container, turn)
        if container.end(patience_s, manner, self._context.clock):
            await self._reports.event(pod, "Normal", "Killing", told)

    def _manner(
        self, pod: Pod | None, container: Container, turn: Callable[[], Awaitable[Any]] | None = None
    ) -> Manner:
        hook = hooks.hook_of(container.spec, "preStop")
        if hook is None or pod is None:
            return Manner(None, turn)
        access = self._access(pod, container)

        async def run(slept_s: float) -> None:
            try:
                await hooks.run(hook, access, slept_s)
            except HookFailed as error:
                log.info("preStop hook failed", extra={"container": container.name, "error": str(error)})
                await self._reports.event(pod, "Warning", "FailedPreStopHook", "PreStopHook failed")

        return Manner(run, turn)

    def _begin_post_start(self, pod: Pod, container: Container) -> bool:
        """Whether there is such a hook; the container is told running when it has come to an end."""
        hook = hooks.hook_of(container.spec, "postStart")
        if hook is None:
            return False
        access = self._access(pod, container)

        async def run() -> bool:
            try:
                await hooks.run(hook, access)
            except HookFailed as error:
                log.info("postStart hook failed", extra={"container": container.name, "error": str(error)})
                return False
            return True

        container.begin_post_start(run())
        return True

    def _probe(self, pod: Pod, container: Container, begin: Begin) -> None:
        async def tell(reason: str, message: str) -> None:
            await self._reports.event(self._reports.pod(), "Warning", reason, message)

        access = self._access(pod, container)
        container.probes = Probes(container.spec, access, begin, self._wake, tell)

    def _access(self, pod: Pod, container: Container) -> Access:
        async def run(command: list[str], timeout_s: float | None) -> tuple[int, str]:
            inside = container.inside()
            if inside is None:
                return 1, "the container is not running"
            return await exec.run(inside, command, timeout_s)

        address = str((pod.get("status") or {}).get("podIP") or "")
        return Access(address, named_ports(container.spec), run, partial(dial, self._context.network))


def grace_s(pod: Pod) -> float:
    for seconds in (
        pod["metadata"].get("deletionGracePeriodSeconds"),
        pod["spec"].get("terminationGracePeriodSeconds"),
    ):
        if seconds is not None:
            return float(seconds)
    return DEFAULT_GRACE_S
