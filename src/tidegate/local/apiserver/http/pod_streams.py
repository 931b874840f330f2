"""Logs and exec: the node's bytes over chunked HTTP and over websockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from aiohttp import web

from tidegate.base.times import parse_time
from tidegate.kube.resource import PODS
from tidegate.kube.responses import STREAM, bad_request, not_offered, open_stream
from tidegate.local.apiserver.http.websocket_channels import MESSAGE_BYTES, PROTOCOLS, Session
from tidegate.local.apiserver.kinds import Kinds
from tidegate.local.apiserver.paths import Path, flag, number
from tidegate.local.apiserver.printing.tables import decode
from tidegate.local.apiserver.reads import Reads
from tidegate.local.apiserver.refusals import invalid_options
from tidegate.local.apiserver.validation.rules import at_least, forbidden
from tidegate.local.streams import Command, LogOptions, PodStreams

HEADERS_AFTER_S = 0.5
WRITE_S = 600.0


class Streams:
    """Serves `pods/log` and `pods/exec`."""

    def __init__(self, kinds: Kinds, reads: Reads, pods: PodStreams) -> None:
        self._kinds = kinds
        self._reads = reads
        self._pods = pods

    async def log(self, request: web.Request, path: Path) -> web.StreamResponse:
        """Chunked text. What fails before the first byte is answered as a Status."""
        options = log_options(request.query)
        container = container_name(self._pod(path), request.query.get("container", ""))
        chunks = self._pods.logs(path.namespace, path.name, container, options)
        first = asyncio.ensure_future(_next(chunks))
        try:
            # A silent container that is followed: the headers do not wait for its first line.
            await asyncio.wait([first], timeout=HEADERS_AFTER_S if options.follow else None)
            if first.done():
                first.result()
            response = await open_stream(request, "text/plain")
            chunk = await first
            while chunk is not None:
                async with asyncio.timeout(WRITE_S):
                    await response.write(chunk)
                chunk = await _next(chunks)
            await response.write_eof()
            return response
        finally:
            first.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await first
            if (close := getattr(chunks, "aclose", None)) is not None:
                await close()

    async def exec(self, request: web.Request, path: Path) -> web.StreamResponse:
        """A websocket of channels, closed after a Status on its own channel."""
        pod = self._pod(path)
        container = container_name(pod, request.query.get("container", ""))
        words = tuple(request.query.getall("command", []))
        if not words:
            raise bad_request("you must specify at least one command for the container")
        phase = (pod.get("status") or {}).get("phase")
        if phase in ("Succeeded", "Failed"):
            raise bad_request(f"cannot exec into a container in a completed pod; current phase is {phase}")
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise not_offered("exec is offered over websockets only, as kubectl 1.30 and later use them")
        socket = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=MESSAGE_BYTES)
        readiness = socket.can_prepare(request)
        if not readiness.ok or readiness.protocol is None:
            raise bad_request(f"the websocket must offer one of the protocols {', '.join(PROTOCOLS)}")
        await socket.prepare(request)
        request[STREAM] = socket
        session = Session(socket, request.query)
        command = Command(words, session.stdin, session.stdout, session.stderr, session.is_terminal)
        await session.run(self._pods.exec(path.namespace, path.name, container, command))
        return socket

    def _pod(self, path: Path) -> dict[str, Any]:
        kind = self._kinds.of(PODS)
        assert kind is not None, "Pods are always served"
        return decode(self._reads.get(kind, path.namespace, path.name).body)


def log_options(query: Mapping[str, str]) -> LogOptions:
    """The part of the log that is asked for; 400 for what cannot be read, 422 for what means nothing."""
    since_time = query.get("sinceTime", "")
    amounts = {name: number(query, name) for name in ("sinceSeconds", "tailLines", "limitBytes")}
    least = {"sinceSeconds": 1, "tailLines": 0, "limitBytes": 1}
    problems = [p for name, amount in amounts.items() for p in at_least(name, amount, least[name])]
    if since_time and amounts["sinceSeconds"] is not None:
        problems.append(forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    if problems:
        raise invalid_options("PodLogOptions", problems, "")
    try:
        moment = parse_time(since_time) if since_time else None
    except ValueError as error:
        raise bad_request(f"sinceTime: {error}") from error
    return LogOptions(
        follow=flag(query, "follow"),
        previous=flag(query, "previous"),
        tail_lines=amounts["tailLines"],
        since_s=amounts["sinceSeconds"],
        since_time=moment,
        timestamps=flag(query, "timestamps"),
        limit_bytes=amounts["limitBytes"],
    )


def container_name(pod: Mapping[str, Any], asked: str) -> str:
    """The container that is meant; 400 when it does not exist, or is not named among several."""
    name = pod["metadata"]["name"]
    spec = pod.get("spec") or {}
    containers = [str(container.get("name")) for container in spec.get("containers") or ()]
    init = [str(container.get("name")) for container in spec.get("initContainers") or ()]
    if asked:
        if asked not in (*containers, *init):
            raise bad_request(f"container {asked} is not valid for pod {name}")
        return asked
    if len(containers) == 1:
        return containers[0]
    choices = f"choose one of: [{' '.join(containers)}]"
    if init:
        choices += f" or one of the init containers: [{' '.join(init)}]"
    raise bad_request(f"a container name must be specified for pod {name}, {choices}")


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    """The next chunk; None at the end."""
    async for chunk in chunks:
        return chunk
    return None
