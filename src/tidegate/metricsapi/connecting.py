"""Connections to the operator's TLS port: the stream, and single requests."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from tidegate.api.metric_stream import MESSAGE_BYTES, PATH
from tidegate.base.errors import Denied, Misconfigured, TidegateError, Unreachable
from tidegate.kube.resource import ApiError
from tidegate.kube.transport import read_all, refusal
from tidegate.runtime.websocket import AiohttpSocket

CONNECT_S = 5.0
HEARTBEAT_S = 10.0
REQUEST_S = 10.0
# Each connection may reach another replica of the operator; one of them leads.
MOST_TRIES = 6


@dataclass(frozen=True, slots=True)
class Operator:
    """Where the operator is: `host:port`. `authority` is the name its certificate must be for, where that is
    not the host. `context` gives the TLS of a connection that begins now.
    """

    address: str
    context: Callable[[], ssl.SSLContext]
    authority: str = ""

    def __post_init__(self) -> None:
        host, colon, port = self.address.rpartition(":")
        if not colon or not host or not port.isdigit():
            raise Misconfigured(
                "read --metrics-service-address",
                on=self.address,
                answer="it is not an address",
                next_step="write host:port",
            )

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[AiohttpSocket]:
        """An open stream. Unreachable where nobody leads there, Denied where we are not let in."""
        attempted = "follow metrics"
        try:
            async with (
                self._session() as session,
                session.ws_connect(
                    f"https://{self.address}{PATH}",
                    ssl=self.context(),
                    server_hostname=self.authority or None,
                    heartbeat=HEARTBEAT_S,
                    max_msg_size=MESSAGE_BYTES,
                    timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
                ) as socket,
            ):
                yield AiohttpSocket(socket)
        except aiohttp.WSServerHandshakeError as error:
            raise self._refused(attempted, error) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable(attempted, error) from error

    async def get(self, path: str, headers: Iterable[tuple[str, str]]) -> bytes:
        """The body at a path of the leader's. ApiError as it says, Unreachable where there is none."""
        for rest in reversed(range(MOST_TRIES)):
            try:
                return await self._get(path, headers)
            except ApiError as error:
                if error.code != 503 or not rest:
                    raise
        raise AssertionError("unreachable")

    async def _get(self, path: str, headers: Iterable[tuple[str, str]]) -> bytes:
        try:
            async with (
                self._session() as session,
                session.get(
                    f"https://{self.address}{path}",
                    ssl=self.context(),
                    server_hostname=self.authority or None,
                    headers=list(headers),
                    timeout=aiohttp.ClientTimeout(total=REQUEST_S, connect=CONNECT_S),
                ) as response,
            ):
                body = await read_all(response)
                if response.status != 200:
                    raise refusal(response.status, body)
                return body
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._unreachable("ask", error) from error

    def _session(self) -> aiohttp.ClientSession:
        # A session for each connection: certificates may have changed, and the leader too.
        return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_S))

    def _refused(self, attempted: str, error: aiohttp.WSServerHandshakeError) -> TidegateError:
        said = error.headers.get("Warning", "") if error.headers is not None else ""
        text = said.partition('"')[2].removesuffix('"') or f"HTTP status {error.status}"
        if error.status in (401, 403):
            next_step = "let both have certificates of one authority, with the Services' names"
            return Denied(attempted, on=self.address, answer=text, next_step=next_step)
        return Unreachable(attempted, on=self.address, answer=text)

    def _unreachable(self, attempted: str, error: Exception) -> TidegateError:
        if isinstance(error, TimeoutError):
            return Unreachable(attempted, on=self.address, answer="no answer in time")
        if isinstance(error, aiohttp.ClientConnectorDNSError):
            return Unreachable(attempted, on=self.address, answer="its name does not resolve")
        if isinstance(error, aiohttp.ClientConnectorError) and isinstance(
            error.os_error, ConnectionRefusedError
        ):
            return Unreachable(attempted, on=self.address, answer="connection refused")
        if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLError):
            text = str(getattr(error, "certificate_error", error))
            next_step = "let both have certificates of one authority, with the Services' names"
            return Unreachable(attempted, on=self.address, answer=text, next_step=next_step)
        return Unreachable(attempted, on=self.address, answer=str(error) or type(error).__name__)
