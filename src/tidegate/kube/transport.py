"""One HTTP session to one API server: TLS, credentials, limits, and errors in our words."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

import tidegate
from tidegate.base.errors import Misconfigured, Unreachable
from tidegate.kube.config import Config
from tidegate.kube.credentials import Credentials, Identity
from tidegate.kube.resource import ApiError
from tidegate.runtime.clock import Clock

if TYPE_CHECKING:
    import aiohttp

REQUEST_S = 60.0
CONNECT_S = 10.0
CONNECTIONS = 256
REPLY_BYTES = 128 << 20

_KEEPALIVE_S = 600.0
_ERROR_BYTES = 1 << 20
# An API server that is flooded asks for a second at a time, again and again; more than a minute is a mistake.
_MOST_TRIES = 10
_LONGEST_RETRY_AFTER_S = 60.0

_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: "Expired",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


@dataclass(frozen=True, slots=True)
class Call:
    """A request. `read_s` bounds the silence between two pieces of the reply, `total_s` the whole."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"
    accept: str = "application/json"
    total_s: float | None = REQUEST_S
    read_s: float | None = None

    @property
    def title(self) -> str:
        return f"{self.method} {self.path}"


def always() -> None:
    """Everything may be written."""


class Transport:
    """Opened by the first request, on whatever loop runs then. `may_write` raises where nothing may be sent
    that changes anything, or no more.
    """

    def __init__(self, config: Config, clock: Clock, may_write: Callable[[], None] = always) -> None:
        self.config = config
        self._clock = clock
        self._may_write = may_write
        self._credentials = Credentials(config, clock)
        self._session: aiohttp.ClientSession | None = None
        self._certificate: bytes | None = None
        self._slots = asyncio.Semaphore(CONNECTIONS)

    @asynccontextmanager
    async def open(self, call: Call) -> AsyncIterator[aiohttp.ClientResponse]:
        """The reply, its body unread. ApiError for a refusal, Unreachable where no server answers.

        A refused token is renewed once; "too many requests" is repeated as the server asks.
        """
        import aiohttp

        try:
            # Watches stay open, and there may be many: they take nothing from what others need.
            async with self._slots if call.total_s is not None else nullcontext():
                response = await self._send(call)
                try:
                    yield response
                finally:
                    response.release()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self.unreachable(call, error) from error

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def unreachable(self, call: Call, error: BaseException) -> Unreachable:
        """What a failed connection means to people."""
        text = str(error) or type(error).__name__
        next_step = "check that the API server runs and that the kubeconfig names its address"
        if isinstance(error, TimeoutError):
            text = "no answer in time"
        if isinstance(error, ssl.SSLError) or "certificate" in text.lower():
            next_step = "check the kubeconfig's certificate-authority, and the clock of this machine"
        return Unreachable(call.title, on=self.config.server, answer=text, next_step=next_step)

    async def _send(self, call: Call) -> aiohttp.ClientResponse:
        has_renewed = False
        tries = 0
        while True:
            tries += 1
            response = await self._send_once(call)
            if response.status < 400:
                return response
            error = await _refusal(response)
            if error.code == 401 and not has_renewed and self._credentials.renew():
                has_renewed = True
            elif error.code == 429 and tries < _MOST_TRIES and "Retry-After" in response.headers:
                await self._clock.sleep(_retry_after_s(response.headers["Retry-After"]))
            else:
                raise error

    async def _send_once(self, call: Call) -> aiohttp.ClientResponse:
        import aiohttp

        if call.method != "GET":
            self._may_write()
        identity = await self._credentials.identity()
        session = await self._session_for(identity)
        headers = {**identity.headers, "Accept": call.accept}
        if call.body is not None:
            headers["Content-Type"] = call.content_type
        return await session.request(
            call.method,
            self.config.server + call.path,
            params=dict(call.query),
            data=self._guarded(call.body) if call.body is not None else None,
            headers=headers,
            allow_redirects=False,
            proxy=self.config.proxy or None,
            server_hostname=self.config.tls_name or None,
            timeout=aiohttp.ClientTimeout(total=call.total_s, connect=CONNECT_S, sock_read=call.read_s),
        )

    def _guarded(self, body: bytes) -> Any:
        """A body that is sent if that is still right when there is a connection to send it on."""
        if self._may_write is always:
            return body
        from aiohttp.payload import BytesPayload

        may_write = self._may_write

        class Guarded(BytesPayload):
            async def write_with_length(self, writer: Any, content_length: int | None) -> None:
                may_write()
                await super().write_with_length(writer, content_length)

        return Guarded(body)

    async def _session_for(self, identity: Identity) -> aiohttp.ClientSession:
        """The open session; a new one when a plugin has brought another client certificate."""
        import aiohttp

        if self._session is not None and self._certificate != identity.certificate:
            await self.close()
        if self._session is None:
            self._certificate = identity.certificate
            connector = aiohttp.TCPConnector(
                limit=0,
                ssl=_context(self.config, identity),
                keepalive_timeout=_KEEPALIVE_S,
                socket_factory=_socket,
            )
            headers = {
                "Accept-Encoding": "identity",
                "User-Agent": f"tidegate/{tidegate.__version__}",
            }
            self._session = aiohttp.ClientSession(connector=connector, headers=headers)
        return self._session


async def read_all(response: aiohttp.ClientResponse, limit: int = REPLY_BYTES) -> bytes:
    """The whole body; ApiError when it is longer than `limit`."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > limit:
            raise ApiError(500, "InternalError", f"the reply is longer than {limit} bytes")
        parts.append(part)
    return b"".join(parts)


def refusal(code: int, body: bytes) -> ApiError:
    """The error in a Status body, or in whatever a proxy in between has said."""
    try:
        status: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        status = None
    if not isinstance(status, dict) or status.get("kind") != "Status":
        text = body[:300].decode(errors="replace").strip() or f"HTTP status {code}"
        return ApiError(code, _REASONS.get(code, "Unknown"), text)
    code = int(status.get("code") or code)
    reason = str(status.get("reason") or _REASONS.get(code, "Unknown"))
    details = status.get("details")
    message = str(status.get("message") or reason)
    return ApiError(code, reason, message, details if isinstance(details, dict) else {})


async def _refusal(response: aiohttp.ClientResponse) -> ApiError:
    try:
        return refusal(response.status, await read_all(response, _ERROR_BYTES))
    finally:
        response.release()


def _retry_after_s(text: str) -> float:
    return min(float(text), _LONGEST_RETRY_AFTER_S) if text.strip().isdigit() else 1.0


def _socket(address: Any) -> socket.socket:
    """A socket that notices within a minute that its peer has vanished: a watch may be silent for long."""
    family, kind, protocol = address[0], address[1], address[2]
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return made


def _context(config: Config, identity: Identity) -> ssl.SSLContext | bool:
    """What the connector takes for `ssl`: True without TLS, as aiohttp has it."""
    if not config.server.startswith("https://"):
        return True
    try:
        context = ssl.create_default_context(cadata=config.authority.decode() or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if config.is_insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if identity.certificate:
            _load_pair(context, identity)
    except (ssl.SSLError, ValueError) as error:
        answer = "a certificate or key in it is not readable"
        next_step = "repair the certificates of the kubeconfig"
        raise Misconfigured("set up TLS", on=config.server, answer=answer, next_step=next_step) from error
    return context


def _load_pair(context: ssl.SSLContext, identity: Identity) -> None:
    """OpenSSL reads pairs from files only: a private one, for a moment."""
    handle, path = tempfile.mkstemp(prefix="tidegate-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(identity.certificate + b"\n" + identity.key)
        context.load_cert_chain(path)
    finally:
        os.unlink(path)
