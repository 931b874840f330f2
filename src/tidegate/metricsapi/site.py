"""The secure port: who asks, whether they may, and which part answers. Errors are Status objects.

/apis, /apis/external.metrics.k8s.io[/v1beta1]      discovery
…/v1beta1/namespaces/<namespace>/<metric>           what HPAs ask
/apis/explain.tidegate.dev/v1alpha1/…               why objects have their numbers (`explained`)
/openapi/v2, /openapi/v3, /version                  what clients want to know
/healthz, /livez, /readyz                           probes, for everybody
"""

from __future__ import annotations

import logging
import ssl
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from aiohttp import web

import tidegate
from tidegate.api.metric_stream import Metric
from tidegate.base.errors import Failure, TidegateError
from tidegate.kube.resource import ApiError
from tidegate.kube.responses import (
    accepted,
    encode,
    failure_answer,
    json_answer,
    kept_answer,
    no_such_path,
    not_allowed,
    tag_of,
)
from tidegate.kube.reviews import Access, Caller, Reviews, forbidden
from tidegate.metricsapi import documents, explained
from tidegate.metricsapi.callers import caller_of
from tidegate.metricsapi.explained import Explain
from tidegate.metricsapi.external_metrics import internal, metric_of, value_list
from tidegate.metricsapi.told import Told
from tidegate.metricsapi.trust import Trust
from tidegate.runtime.clock import Clock
from tidegate.runtime.listening import listening
from tidegate.telemetry.metrics.catalogue import API_SECONDS
from tidegate.telemetry.metrics.families import Histogram

HEALTH = ("/healthz", "/livez", "/readyz")
KEEPALIVE_S = 300.0
BACKLOG = 1024
SHUTDOWN_S = 5.0

log = logging.getLogger(__name__)


class Answers(Protocol):
    """Whoever knows metrics (`link.Link`)."""

    async def answer(self, metric: Metric) -> Told | Failure: ...


class Site:
    """Serves until stopped. `trust` is asked at each request; set `is_ready` for `/readyz`.

    `requests` counts what was answered, by part and HTTP status; `seconds` what answers to HPAs took.
    """

    def __init__(
        self,
        answers: Answers,
        reviews: Reviews,
        trust: Callable[[], Trust],
        clock: Clock,
        explain: Explain,
    ) -> None:
        self.port = 0
        self.is_ready = False
        self.requests: Counter[tuple[str, int]] = Counter()
        self.seconds = Histogram(API_SECONDS.buckets)
        self._answers = answers
        self._reviews = reviews
        self._trust = trust
        self._clock = clock
        self._explain = explain
        self._runner: web.AppRunner | None = None
        v3 = encode(documents.openapi_v3(tidegate.__version__))
        self._documents: dict[str, bytes] = {
            **{f"/apis/{one.name}": encode(documents.group(one)) for one in documents.GROUPS},
            **{one.root: encode(documents.resources(one)) for one in documents.GROUPS},
            "/version": encode(documents.version(tidegate.__version__)),
            "/openapi/v2": encode(documents.openapi_v2(tidegate.__version__)),
            "/openapi/v3": encode(documents.openapi_v3_index(tag_of(v3))),
            f"/openapi/v3/{documents.OPENAPI_V3}": v3,
        }

    async def start(self, host: str, port: int, context: ssl.SSLContext) -> None:
        """Listens; Misconfigured when the port is taken. `context` asks for a client certificate and goes on
        without."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(
            app,
            access_log=None,
            keepalive_timeout=KEEPALIVE_S,
            handler_cancellation=True,
            shutdown_timeout=SHUTDOWN_S,
        )
        otherwise = "choose another with --secure-port"
        self.port = await listening(runner, host, port, otherwise=otherwise, context=context, backlog=BACKLOG)
        self._runner = runner

    async def stop(self) -> None:
        """Lets go of the port. Safe twice."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path = _normal(request.path)
        part = "metrics" if _metric_path(path) else "other"
        began_s = self._clock.monotonic()
        try:
            response: web.StreamResponse = await self._answer(request, path)
        except ApiError as error:
            response = failure_answer(error)
        except TidegateError as error:
            response = failure_answer(internal(str(error)))
        except ConnectionError:
            raise
        except Exception as error:
            log.exception("a request broke", extra={"method": request.method, "path": request.path})
            # The error's own text may hold anything: it goes to the log only.
            response = failure_answer(internal(f"unexpected {type(error).__name__}; see this server's log"))
        self.requests[part, response.status] += 1
        if part == "metrics":
            self.seconds.add(self._clock.monotonic() - began_s)
        return response

    async def _answer(self, request: web.Request, path: str) -> web.Response:
        if path in HEALTH:
            return self._health(request, path)
        caller = await caller_of(request, self._trust(), self._reviews)
        found = _metric_path(path)
        if found is not None:
            return await self._metric(request, caller, *found)
        if path.startswith(f"{documents.EXPLAIN.root}/"):
            return await explained.answer(request, caller, self._explain)
        await self._confirm(caller, Access(request.method.lower(), path=path))
        if request.method not in ("GET", "HEAD"):
            raise not_allowed(f"{request.method} is not allowed on {path}")
        if path == "/apis":
            return self._groups(request)
        if path not in self._documents:
            raise no_such_path()
        return kept_answer(request, self._documents[path])

    def _health(self, request: web.Request, path: str) -> web.Response:
        if path == "/readyz" and not self.is_ready:
            return web.Response(status=500, text="waiting for certificates and for kube-system's authorities")
        is_verbose = "verbose" in request.query
        return web.Response(text=f"[+]ping ok\n{path[1:]} check passed\n" if is_verbose else "ok")

    async def _metric(self, request: web.Request, caller: Caller, namespace: str, name: str) -> web.Response:
        verb = "list" if request.method in ("GET", "HEAD") else request.method.lower()
        group, version = documents.EXTERNAL.name, documents.EXTERNAL.version
        # Who may see all metrics, as HPAs may, is asked about once and not for each metric.
        every = Access(verb, group, "*", version=version)
        if not (await self._reviews.decide(caller, every)).is_allowed:
            await self._confirm(caller, Access(verb, group, name, namespace, version=version))
        if request.method not in ("GET", "HEAD"):
            raise not_allowed(f"{request.method} is not allowed on metrics")
        metric = metric_of(namespace, name, request.query.get("labelSelector", ""))
        told = await self._answers.answer(metric)
        if isinstance(told, Failure):
            raise internal(told.message)
        return json_answer(value_list(name, told.values, self._moment(told)))

    async def _confirm(self, caller: Caller, access: Access) -> None:
        decision = await self._reviews.decide(caller, access)
        if not decision.is_allowed:
            raise forbidden(caller, access, decision.reason)

    def _moment(self, told: Told) -> datetime:
        age_s = max(0.0, self._clock.monotonic() - told.measured_s)
        return self._clock.now() - timedelta(seconds=age_s)

    def _groups(self, request: web.Request) -> web.Response:
        asked = accepted(request.headers.get("Accept", ""), documents.AGGREGATED)
        if asked.shape:
            return kept_answer(request, documents.aggregated(asked.version), asked.media_type)
        return kept_answer(request, documents.group_list())


def _normal(path: str) -> str:
    return path.rstrip("/") or "/"


def _metric_path(path: str) -> tuple[str, str] | None:
    """Namespace and metric of a metric's path."""
    root = f"{documents.EXTERNAL.root}/"
    if not path.startswith(root):
        return None
    parts = path.removeprefix(root).split("/")
    if len(parts) != 3 or parts[0] != "namespaces" or not all(parts):
        return None
    return parts[1], parts[2]
