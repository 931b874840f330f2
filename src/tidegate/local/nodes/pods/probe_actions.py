"""Asking a container once whether it is well, and what a kubelet would say about its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tidegate.base.errors import Malformed, Unreachable, Unsupported
from tidegate.connections import grpc_health
from tidegate.local.nodes.pods import http_get
from tidegate.local.nodes.pods.container_access import Access

AGENT = "kube-probe/tidegate"
NO_GRPC = "grpc probes need the Python package grpcio; install tidegate with the extra `external`"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`errored`: the container could not be asked, which says nothing about it."""

    kind: Literal["good", "bad", "warned", "errored"]
    said: str = ""

    @property
    def is_good(self) -> bool:
        return self.kind in ("good", "warned")


GOOD = Verdict("good")


async def ask(probe: Mapping[str, Any], access: Access) -> Verdict:
    """Never raises."""
    timeout_s = float(probe.get("timeoutSeconds") or 1)
    for kind, act in (("exec", _exec), ("httpGet", _http), ("tcpSocket", _tcp), ("grpc", _grpc)):
        if probe.get(kind):
            try:
                return await act(probe[kind], access, timeout_s)
            except OSError as error:
                return Verdict("bad", str(error))
            except ValueError as error:
                return Verdict("errored", str(error))
    return Verdict("errored", "missing probe handler")


async def _exec(wanted: Mapping[str, Any], access: Access, timeout_s: float) -> Verdict:
    command = list(wanted.get("command") or [])
    try:
        code, output = await access.run(command, timeout_s)
    except TimeoutError:
        return Verdict("bad", f'command "{" ".join(command)}" timed out')
    return GOOD if code == 0 else Verdict("bad", output.strip() or f"exit code {code}")


async def _tcp(wanted: Mapping[str, Any], access: Access, timeout_s: float) -> Verdict:
    host, port = wanted.get("host") or access.address, access.port(wanted.get("port"))
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await access.dial(host, port, None)
    except TimeoutError:
        return Verdict("bad", f"dial tcp {host}:{port}: i/o timeout")
    except OSError as error:
        return Verdict("bad", f"dial tcp {host}:{port}: connect: {http_get.reason(error)}")
    writer.close()
    return GOOD


async def _http(wanted: Mapping[str, Any], access: Access, timeout_s: float) -> Verdict:
    try:
        async with asyncio.timeout(timeout_s):
            answer = await http_get.get(wanted, access, AGENT)
    except TimeoutError:
        told = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        return Verdict("bad", f'Get "{http_get.url(wanted, access)}": {told}')
    if answer.elsewhere:
        return Verdict("warned", f"Probe terminated redirects, to {answer.elsewhere}")
    if 200 <= answer.code < 400:
        return GOOD
    return Verdict("bad", f"HTTP probe failed with statuscode: {answer.code}")


async def _grpc(wanted: Mapping[str, Any], access: Access, timeout_s: float) -> Verdict:
    port, service = access.port(wanted.get("port")), str(wanted.get("service") or "")
    place = f"{access.address}:{port}"
    no_connection = f'timeout: failed to connect service "{place}" within {timeout_s:g}s: '
    try:
        async with asyncio.timeout(timeout_s):
            streams = await access.dial(access.address, port, None)
    except TimeoutError:
        return Verdict("bad", no_connection + "context deadline exceeded")
    except OSError as error:
        return Verdict("bad", no_connection + http_get.reason(error))

    async def lend() -> grpc_health.Streams:
        return streams

    try:
        async with asyncio.timeout(timeout_s):
            status = await grpc_health.check(place, service, AGENT, timeout_s, lend)
    except ModuleNotFoundError:
        return Verdict("errored", NO_GRPC)
    except TimeoutError:
        return Verdict("bad", f"timeout: health rpc did not complete within {timeout_s:g}s")
    except Unsupported as error:
        name = "the grpc health protocol (grpc.health.v1.Health)"
        return Verdict("bad", f"error: this server does not implement {name}: {error.answer}")
    except Unreachable as error:
        if error.answer == "DEADLINE_EXCEEDED":
            return Verdict("bad", f"timeout: health rpc did not complete within {timeout_s:g}s")
        return Verdict("bad", f"error: health rpc probe failed: {error.answer}")
    except Malformed as error:
        return Verdict("bad", f"error: health rpc probe failed: {error.answer}")
    finally:
        streams[1].close()
    if status == "SERVING":
        return GOOD
    return Verdict("bad", f'service unhealthy (responded with "{status}")')
