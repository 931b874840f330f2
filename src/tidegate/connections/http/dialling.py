"""How connections are opened: Service names resolved, addresses checked where they are dialled.

Imports aiohttp: to be imported inside functions.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

import tidegate
from tidegate.base.errors import Misconfigured
from tidegate.connections.adapter import Surroundings
from tidegate.connections.addresses import permitted
from tidegate.connections.lookups import addresses_of, is_address
from tidegate.telemetry.metrics.http_traffic import LOST, HttpTraffic

_KEEPALIVE_S = 600.0
"""Longer than polling intervals usually are: a poll should find its connection open."""

_NAMES_S = 5


@dataclass(slots=True)
class Traffic:
    """What went over the wire: requests (redirects and tokens included), connections opened."""

    requests: int = 0
    connections: int = 0


class _Resolver(AbstractResolver):
    """Names by `Surroundings.resolve` first, then by the system; then only what the policy permits."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await addresses_of(self._surroundings.resolve(host))
        try:
            kept = permitted(self._surroundings.policy, host, found)
        except Misconfigured as error:
            raise NotPermitted(error) from error
        return [_result(host, address, port) for address in kept]

    async def close(self) -> None:
        """Nothing is held open."""


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return {
        "hostname": host,
        "host": address,
        "port": port,
        "family": family,
        "proto": 0,
        "flags": socket.AI_NUMERICHOST,
    }


class NotPermitted(OSError):
    """Carries the policy's refusal through aiohttp."""

    def __init__(self, error: Misconfigured) -> None:
        super().__init__(str(error))
        self.error = error


def proxy(surroundings: Surroundings, url: str) -> str | None:
    """The proxy for `url`, None where it is asked directly. What is an address is checked here: behind a
    proxy nobody dials it. Refused where it may not be asked."""
    host = urlsplit(url).hostname or ""
    found = surroundings.proxy_of(url) if surroundings.resolve(host) == host else ""
    if found and is_address(host):
        surroundings.policy.check(host)
    return found or None


def session(
    surroundings: Surroundings, tls: Any, concurrency: int, traffic: Traffic
) -> aiohttp.ClientSession:
    """A session for one server; `tls` is an SSL context, or True for the usual one."""
    keeping: dict[str, Any] = (
        {"keepalive_timeout": _KEEPALIVE_S} if surroundings.keeps_alive else {"force_close": True}
    )
    connector = aiohttp.TCPConnector(
        limit=concurrency,
        ssl=tls,
        **keeping,
        resolver=_Resolver(surroundings),
        ttl_dns_cache=_NAMES_S,
        socket_factory=_sockets(surroundings, traffic),
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"tidegate/{tidegate.__version__}", "Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(total=None),
        trace_configs=[_counting(surroundings.http)] if surroundings.http is not None else None,
    )


def _counting(traffic: HttpTraffic) -> aiohttp.TraceConfig:
    """Counts each request by its status when the answer begins, or as lost."""

    async def begin(_: Any, moment: SimpleNamespace, __: Any) -> None:
        moment.began_s = asyncio.get_running_loop().time()

    async def answered(_: Any, moment: SimpleNamespace, end: aiohttp.TraceRequestEndParams) -> None:
        traffic.add(str(end.response.status), asyncio.get_running_loop().time() - moment.began_s)

    async def lost(_: Any, moment: SimpleNamespace, __: Any) -> None:
        traffic.add(LOST, asyncio.get_running_loop().time() - moment.began_s)

    config = aiohttp.TraceConfig()
    config.on_request_start.append(begin)
    config.on_request_end.append(answered)
    config.on_request_exception.append(lost)
    return config


def _sockets(surroundings: Surroundings, traffic: Traffic) -> Callable[[Any], socket.socket]:
    """Makes sockets for the very address that is dialled next: here nothing can slip by.

    They notice within a minute that their peer has vanished: a watch may be silent for long.
    """

    def make(address: Any) -> socket.socket:
        family, kind, protocol, _, (host, *_) = address
        surroundings.policy.check(host)
        traffic.connections += 1
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
            if hasattr(socket, option):
                made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        return made

    return make
