"""Logs, commands and ports of this node's pods, for the API server."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any

from tidegate.kube.resource import PODS, ApiError
from tidegate.local.nodes import attaching, container_logs
from tidegate.local.nodes.built_in import BuiltInPods
from tidegate.local.nodes.context import NodeContext
from tidegate.local.nodes.network.pod_networks import LOOPBACK
from tidegate.local.nodes.places.pod_place import has_network
from tidegate.local.nodes.pods.pod_worker import PodTask
from tidegate.local.nodes.processes import exec
from tidegate.local.nodes.processes.exec import Inside
from tidegate.local.nodes.processes.instance import Instance, instances
from tidegate.local.objects import Objects
from tidegate.local.streams import Command, Ends, LogOptions

LOOK_S = 1.0


class Streams:
    """Implements `PodStreams`."""

    def __init__(
        self, objects: Objects, pods: Mapping[str, PodTask], context: NodeContext, built_in: BuiltInPods
    ) -> None:
        self._objects = objects
        self._built_in = built_in
        self._pods = pods
        self._context = context

    async def logs(
        self, namespace: str, name: str, container: str, options: LogOptions
    ) -> AsyncIterator[bytes]:
        """See `PodStreams.logs`. Finished pods are read from what they left on disk."""
        pod = self._pod(namespace, name)
        wanted = _named(pod, container)
        if self._built_in.lines_of(pod) is not None:
            async for chunk in self._built_in.read(pod, options):
                yield chunk
            return
        instance = self._instance(pod, wanted, options.previous)
        async for chunk in container_logs.read(instance, options, self._context.clock):
            yield chunk

    async def exec(self, namespace: str, name: str, container: str, command: Command) -> int:
        """See `PodStreams.exec`."""
        inside = self._inside(self._pod(namespace, name), container)
        if command.has_terminal:
            return await exec.stream_tty(inside, command)
        return await exec.stream(inside, command.words, command.stdin, command.stdout, command.stderr)

    async def attach(self, namespace: str, name: str, container: str, command: Command) -> int:
        """See `PodStreams.attach`."""
        pod = self._pod(namespace, name)
        self._inside(pod, container)
        wanted = container or pod["spec"]["containers"][0]["name"]
        specs = [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or [])]
        spec = next(one for one in specs if one["name"] == wanted)
        instance = self._instance(pod, wanted, False)
        is_once = bool(spec.get("stdinOnce"))
        return await attaching.attach(instance, command, self._context.clock, is_once=is_once)

    async def connect(self, namespace: str, name: str, port: int) -> Ends:
        """See `PodStreams.connect`."""
        pod = self._pod(namespace, name)
        if self._built_in.lines_of(pod) is not None:
            raise self._built_in.refusal(pod)
        address = (pod.get("status") or {}).get("podIP")
        if not address or _is_over(pod):
            raise ApiError(400, "BadRequest", f'pod "{name}" is not running')
        network = self._context.network
        try:
            made = await network.connect(address, port)
        except ConnectionRefusedError:
            made = await self._on_loopback(pod, port)
        return await asyncio.open_connection(sock=made)

    async def over(self, namespace: str, name: str) -> None:
        """See `PodStreams.over`."""
        found = self._objects.get(PODS, namespace, name)
        uid = found["metadata"]["uid"] if found else ""
        while found is not None and found["metadata"]["uid"] == uid and not _is_over(found):
            await self._context.clock.sleep(LOOK_S)
            found = self._objects.get(PODS, namespace, name)

    async def _on_loopback(self, pod: Mapping[str, Any], port: int) -> socket.socket:
        """A connection to a program that listens on the pod's 127.0.0.1 alone."""
        if not has_network(self._context, pod):
            return await self._context.network.connect(LOOPBACK, port)
        task = self._pods.get(pod["metadata"]["uid"])
        for one in task.containers if task else ():
            inside = one.inside()
            if inside is not None:
                return await exec.dial(inside, port)
        raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))

    def _pod(self, namespace: str, name: str) -> dict[str, Any]:
        pod = self._objects.get(PODS, namespace, name)
        if pod is None:
            raise ApiError(404, "NotFound", f'pods "{name}" not found')
        return pod

    def _inside(self, pod: Mapping[str, Any], container: str) -> Inside:
        if self._built_in.lines_of(pod) is not None:
            raise self._built_in.refusal(pod)
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


def _is_over(pod: Mapping[str, Any]) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


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
