"""Logs, commands and ports of pods: the node's bytes over chunked HTTP, websockets and SPDY."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from aiohttp import web

from tidegate.base.times import parse_time
from tidegate.kube.resource import PODS
from tidegate.kube.responses import STREAM, bad_request, open_stream
from tidegate.local.apiserver.http.streaming import port_forward, remote_command
from tidegate.local.apiserver.http.streaming.remote_command import SpdySession
from tidegate.local.apiserver.http.streaming.websocket_channels import MESSAGE_BYTES, PROTOCOLS, Session
from tidegate.local.apiserver.http.streaming.wires import WRITE_S, MessageWire, Wire, upgraded
from tidegate.local.apiserver.kinds import Kinds
from tidegate.local.apiserver.paths import Path, flag, number
from tidegate.local.apiserver.printing.tables import decode
from tidegate.local.apiserver.reads import Reads
from tidegate.local.apiserver.refusals import invalid_options
from tidegate.local.apiserver.validation.rules import at_least, forbidden
from tidegate.local.streams import Command, LogOptions, PodStreams

HEADERS_AFTER_S = 0.5
Start = Callable[[Command], Coroutine[Any, Any, int]]
SPDY, VERSION = "SPDY/3.1", "X-Stream-Protocol-Version"


class Streams:
    """Serves `pods/log`, `pods/exec`, `pods/attach` and `pods/portforward`."""

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
        """Streams of a command, closed after a Status."""
        pod = self._pod(path)
        container = container_name(pod, request.query.get("container", ""))
        words = tuple(request.query.getall("command", []))
        if not words:
            raise bad_request("you must specify at least one command for the container")
        _check_phase(pod, "exec into")
        return await self._converse(
            request, words, partial(self._pods.exec, path.namespace, path.name, container)
        )

    async def attach(self, request: web.Request, path: Path) -> web.StreamResponse:
        """The streams of a container's own process."""
        pod = self._pod(path)
        container = container_name(pod, request.query.get("container", ""))
        _check_phase(pod, "attach to")
        return await self._converse(
            request, (), partial(self._pods.attach, path.namespace, path.name, container)
        )

    async def _converse(
        self,
        request: web.Request,
        words: tuple[str, ...],
        start: Callable[[Command], Coroutine[Any, Any, int]],
    ) -> web.StreamResponse:
        """Over a websocket, or over SPDY as kubectl before 1.30 speaks it."""
        session: Session | SpdySession
        if _upgrade(request) == "spdy/3.1":
            wire = await upgraded(request, SPDY, _chosen(request, remote_command.PROTOCOLS))
            session = SpdySession(wire, request.query)
        else:
            session = Session(await _socket(request, PROTOCOLS), request.query)
        command = Command(
            words, session.stdin, session.stdout, session.stderr, session.is_terminal, session.sizes
        )
        await session.run(start(command))
        return request[STREAM]

    async def port_forward(self, request: web.Request, path: Path) -> web.StreamResponse:
        """Connections to the pod's ports, until the client leaves or the pod is over."""
        pod = self._pod(path)
        phase = (pod.get("status") or {}).get("phase")
        if phase != "Running":
            raise bad_request(f"unable to forward port because pod is not running. Current status={phase}")
        wire: Wire
        if _upgrade(request) == "spdy/3.1":
            wire = await upgraded(request, SPDY, _chosen(request, (port_forward.PROTOCOL,)))
        else:
            wire = MessageWire(await _socket(request, (port_forward.TUNNEL,)))
        place = (path.namespace, path.name)
        await port_forward.PortForward(wire, partial(self._pods.connect, *place)).run(self._pods.over(*place))
        if isinstance(wire, MessageWire):
            await wire.close()
        return request[STREAM]

    def _pod(self, path: Path) -> dict[str, Any]:
        kind = self._kinds.of(PODS)
        assert kind is not None, "Pods are always served"
        return decode(self._reads.get(kind, path.namespace, path.name).body)


def _check_phase(pod: Mapping[str, Any], verb: str) -> None:
    phase = (pod.get("status") or {}).get("phase")
    if phase in ("Succeeded", "Failed"):
        raise bad_request(f"cannot {verb} a container in a completed pod; current phase is {phase}")


def _upgrade(request: web.Request) -> str:
    return request.headers.get("Upgrade", "").lower()


def _chosen(request: web.Request, offered: Sequence[str]) -> dict[str, str]:
    """The header that names the protocol of the streams: the first of the client's that we speak."""
    asked = [name.strip() for line in request.headers.getall(VERSION, ()) for name in line.split(",")]
    for name in asked:
        if name in offered:
            return {VERSION: name}
    raise bad_request(
        f"unable to negotiate protocol: client supports {asked}, server accepts {list(offered)}"
    )


async def _socket(request: web.Request, protocols: Sequence[str]) -> web.WebSocketResponse:
    if _upgrade(request) != "websocket":
        raise bad_request("you must specify an upgrade: to a websocket, or to SPDY/3.1")
    socket = web.WebSocketResponse(protocols=protocols, max_msg_size=MESSAGE_BYTES)
    readiness = socket.can_prepare(request)
    if not readiness.ok or readiness.protocol is None:
        raise bad_request(f"the websocket must offer one of the protocols {', '.join(protocols)}")
    await socket.prepare(request)
    request[STREAM] = socket
    return socket


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
