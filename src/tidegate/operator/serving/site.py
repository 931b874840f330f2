"""The operator's port over TLS: one site with a part per path.

    /stream                                     a metrics API server follows values (`streams`)
    /explain/<plural>/<namespace>/<name>        why an object has its number (`explanations`)

Every replica listens. Only the one that leads has answers; the others say in words who leads, so that
whoever connects again soon reaches the leader. Nobody needs a client certificate for the handshake: each
part says what it wants of its callers. A refusal says why in its `Warning` header too: whoever asks for a
WebSocket does not see a body.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

import tidegate
from tidegate.api.metric_stream import MESSAGE_BYTES, PATH
from tidegate.base.errors import TidegateError
from tidegate.kube.resource import ApiError, Resource
from tidegate.kube.responses import failure_answer, no_such_path, not_allowed
from tidegate.kube.reviews import Reviews
from tidegate.operator.serving import explanations
from tidegate.operator.serving.client_names import confirm_client
from tidegate.operator.serving.streams import Metrics, Stream
from tidegate.runtime.clock import Clock
from tidegate.runtime.listening import listening
from tidegate.runtime.websocket import AiohttpSocket

HEARTBEAT_S = 10.0
SHUTDOWN_S = 2.0
MOST_STREAMS = 32

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Leading:
    """What the leader answers with."""

    metrics: Metrics
    explain: Callable[[Resource, str, str], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen: an empty host is every address. `client_name` is the DNS name that a metrics API
    server's certificate must be for."""

    client_name: str
    port: int = 9666
    host: str = ""


class LeaderSite:
    """Serves until stopped. Set `leading` when elected; `standby` says in words why there are no answers."""

    def __init__(
        self,
        listen: Listen,
        context: ssl.SSLContext,
        reviews: Reviews,
        clock: Clock,
        standby: Callable[[], str] = lambda: "this replica does not lead",
    ) -> None:
        """`context` asks for a client certificate and goes on without (`ssl.CERT_OPTIONAL`)."""
        self.port = 0
        self.leading: Leading | None = None
        self._listen = listen
        self._context = context
        self._reviews = reviews
        self._clock = clock
        self._standby = standby
        self._runner: web.AppRunner | None = None
        self._sockets: set[web.WebSocketResponse] = set()
        self._parts: Mapping[str, Callable[[web.Request, Leading], Awaitable[web.StreamResponse]]] = {
            PATH.strip("/"): self._stream,
            "explain": self._explain,
        }

    async def start(self) -> None:
        """Listens; Misconfigured when the port is taken."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_S)
        otherwise = "choose another with --metrics-service-bind-address"
        at = self._listen
        self.port = await listening(runner, at.host, at.port, otherwise=otherwise, context=self._context)
        self._runner = runner

    async def stop(self) -> None:
        """Ends every stream, so that its listener looks for the next leader. Safe twice."""
        self.leading = None
        closing = [socket.close(code=1001, message=b"this replica ends") for socket in self._sockets]
        await asyncio.gather(*closing, return_exceptions=True)
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except ApiError as error:
            return failure_answer(error, [error.message])
        except TidegateError as error:
            return failure_answer(ApiError(503, "ServiceUnavailable", str(error)))
        except ConnectionError:
            raise
        except Exception as error:
            log.exception("a request broke", extra={"method": request.method, "path": request.path})
            # The error's own text may hold anything: it goes to the log only.
            message = f"an error on the server: {type(error).__name__}; see the operator's log"
            return failure_answer(ApiError(500, "InternalError", message))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        part = self._parts.get(request.path.strip("/").split("/", 1)[0])
        if part is None:
            raise no_such_path()
        if request.method != "GET":
            raise not_allowed(f"{request.method} is not allowed on {request.path}")
        if self.leading is None:
            raise ApiError(503, "ServiceUnavailable", self._standby())
        return await part(request, self.leading)

    async def _explain(self, request: web.Request, leading: Leading) -> web.StreamResponse:
        return await explanations.answer(request, self._reviews, self._listen.client_name, leading.explain)

    async def _stream(self, request: web.Request, leading: Leading) -> web.StreamResponse:
        if request.path != PATH:
            raise no_such_path()
        confirm_client(request, self._listen.client_name)
        if len(self._sockets) >= MOST_STREAMS:
            raise ApiError(429, "TooManyRequests", f"{MOST_STREAMS} streams are open, and no more are served")
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MESSAGE_BYTES, compress=False)
        if not socket.can_prepare(request).ok:
            raise ApiError(400, "BadRequest", f"{PATH} speaks WebSocket")
        await socket.prepare(request)
        self._sockets.add(socket)
        log.info("a metrics API server listens", extra={"peer": request.remote})
        try:
            await Stream(AiohttpSocket(socket), leading.metrics, self._clock, tidegate.__version__).run()
        except ConnectionError:
            # It is gone in the middle of a message, and comes again.
            pass
        except ValueError as error:
            log.warning("a stream was ended", extra={"peer": request.remote, "failure": str(error)})
            await socket.close(code=1008, message=b"not a message of this protocol")
        finally:
            self._sockets.discard(socket)
            log.info("a metrics API server is gone", extra={"peer": request.remote})
        return socket
