"""The embedded API's HTTP server: who is let in, which part answers, what an error looks like."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections import Counter
from dataclasses import dataclass
from pathlib import Path as FilePath

from aiohttp import web

from tidegate.kube.resource import ApiError
from tidegate.kube.responses import cut_off, failure_answer, no_such_path, not_allowed
from tidegate.local.apiserver.authorization.access import User, forbidden
from tidegate.local.apiserver.control_plane import Plane
from tidegate.local.apiserver.discovery.nonresource_paths import ExternalMetric, Extra, Page, RootPaths
from tidegate.local.apiserver.discovery.resource_metrics import Answer
from tidegate.local.apiserver.http import security
from tidegate.local.apiserver.http.asked_access import path_access, resource_access
from tidegate.local.apiserver.http.endpoints import Endpoints
from tidegate.local.apiserver.http.identities import Identities
from tidegate.local.apiserver.http.pod_streams import Streams
from tidegate.local.apiserver.http.reviews import Reviews
from tidegate.local.apiserver.http.watch_streams import WatchStreams
from tidegate.local.apiserver.http.watches import Feeds
from tidegate.local.apiserver.paths import Path, parse_path
from tidegate.local.streams import PodStreams
from tidegate.runtime.clock import Clock
from tidegate.runtime.listening import listening

BACKLOG = 2048
BODY_BYTES = 3 * 1024 * 1024
KEEPALIVE_S = 300.0
SHUTDOWN_S = 2.0
LINGER_S = 0.05
RENEWAL_S = 12 * 3600.0
# What pods may call us, as they would call a cluster's API.
OWN_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Listen:
    """Where to listen. Port 0 takes a free one; `names` are further names clients may call us by."""

    port: int = 0
    host: str = "127.0.0.1"
    names: tuple[str, ...] = ()


class Server:
    """Serves a control plane over TLS. `requests` counts what was asked, by verb and resource."""

    def __init__(
        self,
        plane: Plane,
        pods: PodStreams,
        data_dir: FilePath,
        clock: Clock,
        listen: Listen = Listen(),
        external_metric: ExternalMetric | None = None,
    ) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()
        self.url = ""
        self.kubeconfig = data_dir / "kubeconfig"
        self._listen = listen
        self._data_dir = data_dir
        self._clock = clock
        self._policy = plane.policy
        self._identities = Identities(plane.tokens, plane.policy)
        self._feeds = Feeds(plane.reads, clock)
        self._root_paths = RootPaths(plane.kinds, external_metric, plane.tokens.key.public())
        self._endpoints = Endpoints(
            plane,
            Streams(plane.kinds, plane.reads, pods),
            WatchStreams(plane.reads, self._feeds, clock),
            Reviews(plane.reads, plane.policy, plane.tokens, self._identities, clock),
            clock,
        )
        self._runner: web.AppRunner | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._context: ssl.SSLContext | None = None

    def serve(self, first: str, extra: Extra) -> None:
        """Answers GETs below `/<first>/` with what `extra` returns."""
        self._root_paths.extras[first] = extra

    def serve_resource_metrics(self, answer: Answer) -> None:
        """Serves the resource metrics API, with what `answer` knows."""
        self._root_paths.resource_metrics = answer

    def serve_page(self, path: str, page: Page) -> None:
        """Answers GETs of exactly this path with the page, to whoever may read it."""
        self._root_paths.pages[path] = page

    async def start(self) -> FilePath:
        """Listens, and writes the kubeconfig whose path is returned.

        Misconfigured when the port is taken.
        """
        names = self._names
        credentials = security.ensure_credentials(self._data_dir, names, self._clock.now())
        self._identities.token = credentials.token
        context = self._context = security.server_context(credentials)
        app = web.Application(client_max_size=BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(
            app,
            access_log=None,
            keepalive_timeout=KEEPALIVE_S,
            handler_cancellation=True,
            shutdown_timeout=SHUTDOWN_S,
        )
        at, otherwise = self._listen, "choose another with --port"
        await listening(runner, at.host, at.port, otherwise=otherwise, context=context, backlog=BACKLOG)
        self._runner = runner
        host, port = runner.addresses[0][:2]
        self.url = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
        security.write_kubeconfig(self.kubeconfig, self.url, credentials)
        self._renewal = asyncio.create_task(self._renew(context, names))
        return self.kubeconfig

    async def listen_also(self, made: socket.socket) -> web.SockSite:
        """Serves on a listening socket as well, until the site is stopped or the server."""
        assert self._runner is not None
        assert self._context is not None
        site = web.SockSite(self._runner, made, ssl_context=self._context, backlog=BACKLOG)
        await site.start()
        return site

    async def stop(self) -> None:
        """Ends every stream and lets go of the port. Safe when never started, and twice."""
        if self._renewal is not None:
            self._renewal.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._renewal
            self._renewal = None
        self._feeds.close()
        if self._runner is not None:
            runner, self._runner = self._runner, None
            connections = [] if runner.server is None else runner.server.connections
            transports = [connection.transport for connection in connections if connection.transport]
            await runner.cleanup()
            # What was written still goes out; peers that never close TLS on their side are not waited for.
            await asyncio.sleep(LINGER_S)
            for transport in transports:
                # Python before 3.11.4 forgets what it wraps once it was closed twice: nothing is left to end.
                with contextlib.suppress(AttributeError):
                    transport.abort()
            await asyncio.sleep(0)

    async def _renew(self, context: ssl.SSLContext, names: tuple[str, ...]) -> None:
        """Later connections get a certificate that is made before the old one expires."""
        while True:
            await self._clock.sleep(RENEWAL_S)
            try:
                credentials = security.ensure_credentials(self._data_dir, names, self._clock.now())
                context.load_cert_chain(credentials.certificate_path, credentials.key_path)
            except (OSError, ssl.SSLError) as error:
                log.warning("cannot renew the certificate; it is tried again", extra={"error": str(error)})

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        try:
            self._let_in(request)
            return await self._answer(request)
        except ApiError as error:
            failure = error
        except web.HTTPRequestEntityTooLarge:
            message = f"the body of the request is larger than {BODY_BYTES} bytes"
            failure = ApiError(413, "RequestEntityTooLarge", message)
        except ConnectionError:
            raise
        except Exception as error:
            log.exception("a request broke", extra={"method": request.method, "path": request.path})
            message = f"an error on the server: {type(error).__name__}: {error}"
            failure = ApiError(500, "InternalError", message)
        return cut_off(request) or failure_answer(failure)

    def _let_in(self, request: web.Request) -> None:
        """Raises for requests of other sites' pages, or under foreign names."""
        host = request.headers.get("Host", "")
        if not security.is_own_host(host, self._names):
            raise ApiError(403, "Forbidden", f"this server is not called {security.host_of(host)!r}")
        origin = request.headers.get("Origin")
        if origin is not None and not security.is_own_origin(origin, host):
            raise ApiError(403, "Forbidden", "requests of web pages are refused")

    @property
    def _names(self) -> tuple[str, ...]:
        return (*OWN_NAMES, *self._listen.names, self._listen.host)

    def _confirm(self, request: web.Request, path: Path | None) -> User:
        """Who asks. Raises for a token that is not good, and for what they may not."""
        user = self._identities.caller(request)
        access = path_access(request) if path is None else resource_access(request, path)
        decision = self._policy.decide(user, access)
        if not decision.is_allowed:
            raise forbidden(user, access, decision.reason)
        return user

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        log.debug("request", extra={"method": request.method, "path": request.path_qs})
        path = parse_path(request.rel_url.raw_path)
        user = self._confirm(request, path)
        if path is not None and not self._root_paths.has(path):
            verb = self._endpoints.verb(request, path)
            if self._endpoints.has(path):
                name = f"{path.plural}/{path.subresource}" if path.subresource else path.plural
                self.requests[verb, name] += 1
            return await self._endpoints.serve(request, path, verb, user)
        if request.method not in ("GET", "HEAD"):
            raise not_allowed(f"{request.method} is not allowed on {request.path}")
        answer = await self._root_paths.answer(request, self.url, path)
        if answer is None:
            raise no_such_path()
        self.requests["get", "/".join(request.path.split("/", 4)[:4])] += 1
        return answer
