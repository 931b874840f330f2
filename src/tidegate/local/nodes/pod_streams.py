"""Logs and commands of this node's pods, for the API server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from tidegate.kube.resource import PODS, ApiError
from tidegate.local.nodes import container_logs
from tidegate.local.nodes.context import NodeContext
from tidegate.local.nodes.pods.pod_worker import PodTask
from tidegate.local.nodes.processes import exec
from tidegate.local.nodes.processes.exec import Inside
from tidegate.local.nodes.processes.instance import Instance, instances
from tidegate.local.objects import Objects
from tidegate.local.streams import Command, LogOptions


class Streams:
    """Implements `PodStreams`."""

    def __init__(self, objects: Objects, pods: Mapping[str, PodTask], context: NodeContext) -> None:
        self._objects = objects
        self._pods = pods
        self._context = context

    async def logs(
        self, namespace: str, name: str, container: str, options: LogOptions
    ) -> AsyncIterator[bytes]:
        """See `PodStreams.logs`. Finished pods are read from what they left on disk."""
        pod = self._pod(namespace, name)
        wanted = _named(pod, container)
        instance = self._instance(pod, wanted, options.previous)
        async for chunk in container_logs.read(instance, options, self._context.clock):
            yield chunk

    async def exec(self, namespace: str, name: str, container: str, command: Command) -> int:
        """See `PodStreams.exec`."""
        inside = self._inside(self._pod(namespace, name), container)
        if command.has_terminal:
            return await exec.stream_tty(inside, command.words, command.stdin, command.stdout)
        return await exec.stream(inside, command.words, command.stdin, command.stdout, command.stderr)

    def _pod(self, namespace: str, name: str) -> dict[str, Any]:
        pod = self._objects.get(PODS, namespace, name)
        if pod is None:
            raise ApiError(404, "NotFound", f'pods "{name}" not found')
        return pod

    def _inside(self, pod: Mapping[str, Any], container: str) -> Inside:
        wanted = container or pod["spec"]["containers"][0]["name"]
        task = self._pods.get(pod["metadata"]["uid"])
        for one in task.containers if task else []:
            inside = one.inside() if one.name == wanted else None
            if inside is not None:
                return inside
        _named(pod, wanted)
        name = pod["metadata"]["name"]
        raise ApiError(400, "BadRequest", f'container "{wanted}" in pod "{name}" is not running')

    def _instance(self, pod: Mapping[str, Any], container: str, is_previous: bool) -> Instance:
        folder = self._context.pod_folder(pod["metadata"]["uid"]) / container
        ran = [one for one in instances(folder) if one.inspect().state not in ("void", "unclaimed")]
        name = pod["metadata"]["name"]
        if is_previous:
            # While a restart is waited for, the one that has ended last is the previous one already.
            is_over = bool(ran) and ran[-1].inspect().state == "ended"
            ended = ran if is_over and _waiting(pod, container) is not None else ran[:-1]
            if not ended:
                told = f'previous terminated container "{container}" in pod "{name}" not found'
                raise ApiError(400, "BadRequest", told)
            return ended[-1]
        if not ran:
            told = f'container "{container}" in pod "{name}" is waiting to start: {_reason(pod, container)}'
            raise ApiError(400, "BadRequest", told)
        return ran[-1]


def _named(pod: Mapping[str, Any], container: str) -> str:
    """The container that is meant. BadRequest when that is none, or one of several."""
    mains = [one["name"] for one in pod["spec"]["containers"]]
    inits = [one["name"] for one in pod["spec"].get("initContainers") or []]
    name = pod["metadata"]["name"]
    if not container:
        if len(mains) == 1:
            return str(mains[0])
        also = f" or one of the init containers: [{' '.join(inits)}]" if inits else ""
        told = f"a container name must be specified for pod {name}, choose one of: [{' '.join(mains)}]{also}"
        raise ApiError(400, "BadRequest", told)
    if container not in mains + inits:
        raise ApiError(400, "BadRequest", f"container {container} is not valid for pod {name}")
    return container


def _waiting(pod: Mapping[str, Any], container: str) -> Mapping[str, Any] | None:
    status = pod.get("status") or {}
    for one in [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]:
        if one["name"] == container and one["state"].get("waiting"):
            return dict(one["state"]["waiting"])
    return None


def _reason(pod: Mapping[str, Any], container: str) -> str:
    return str((_waiting(pod, container) or {}).get("reason") or "ContainerCreating")
