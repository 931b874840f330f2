"""Everything that is not a resource: health, version, discovery, OpenAPI, external metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from tidegate.kube.resource import Resource
from tidegate.kube.responses import JSON_TYPE, accepted, json_answer, kept_answer
from tidegate.local.apiserver.authentication.claims import ISSUER
from tidegate.local.apiserver.discovery import api_groups, resource_metrics
from tidegate.local.apiserver.discovery.openapi import V2_TYPE, Documents
from tidegate.local.apiserver.kinds import Kind, Kinds
from tidegate.local.apiserver.paths import Path

HEALTH = ("/healthz", "/livez", "/readyz")
CONFIGURATION, KEYS = "/.well-known/openid-configuration", "/openid/v1/jwks"
EXTERNAL_METRICS = Kind(
    Resource("external.metrics.k8s.io", "v1beta1", "externalmetrics", "ExternalMetricValueList"),
    verbs=("get",),
    singular="",
)
VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0+tidegate",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "",
    "compiler": "",
    "platform": "linux/amd64",
}

ExternalMetric = Callable[[str, str, str], Awaitable[dict[str, Any]]]
"""Namespace, metric name and label selector to an ExternalMetricValueList."""


Extra = Callable[[tuple[str, ...]], Awaitable[dict[str, Any]]]
"""The rest of a path to a JSON object; ApiError where there is none."""


Page = Callable[[Mapping[str, str]], tuple[Mapping[str, str], AsyncIterator[bytes]]]
"""The headers of a request to the headers and the body of its answer, which comes in slices."""


class RootPaths:
    """Answers the paths beside the resources. `extras` are further ones by their first part, `pages` by the
    whole path."""

    def __init__(self, kinds: Kinds, external_metric: ExternalMetric | None, key: dict[str, str]) -> None:
        """`key` is the public key of the ServiceAccounts' tokens."""
        self._kinds = kinds
        self._external_metric = external_metric
        self._key = key
        self._documents = Documents(kinds)
        self.resource_metrics: resource_metrics.Answer | None = None
        self.extras: dict[str, Extra] = {}
        self.pages: dict[str, Page] = {}

    def has(self, path: Path) -> bool:
        """Whether a path that looks like a resource's is answered here."""
        if f"{path.group}/{path.version}" == resource_metrics.VERSION:
            return self.resource_metrics is not None
        resource = EXTERNAL_METRICS.resource
        return self._external_metric is not None and (path.group, path.version) == (
            resource.group,
            resource.version,
        )

    async def answer(
        self, request: web.Request, url: str, resource: Path | None
    ) -> web.StreamResponse | None:
        """None when there is no such path. `resource` is what the path names, where it looks so."""
        path = request.path.rstrip("/") or "/"
        if resource is not None and resource.group == resource_metrics.GROUP:
            assert self.resource_metrics is not None
            return json_answer(await self.resource_metrics(resource, request.query))
        if resource is not None:
            return await self._metric(request, resource)
        if path in self.pages:
            return await _sliced(request, self.pages[path])
        if path in HEALTH:
            return web.Response(text="ok")
        if path == "/version":
            return json_answer(VERSION)
        if path in (CONFIGURATION, KEYS):
            return self._issuer(path, url)
        if path in ("/api", "/apis"):
            return self._discovery(request, path == "/api", url)
        if path.startswith("/openapi/"):
            return self._openapi(request, path)
        parts = path.strip("/").split("/")
        if parts[0] in self.extras:
            return json_answer(await self.extras[parts[0]](tuple(parts[1:])))
        if parts[0] == "apis" and len(parts) == 2:
            return _cached(request, api_groups.group(self._all(), parts[1]))
        if len(parts) == (2 if parts[0] == "api" else 3) and parts[0] in ("api", "apis"):
            group = parts[1] if parts[0] == "apis" else ""
            return _cached(request, api_groups.resource_list(self._all(), group, parts[-1]))
        return None

    def _issuer(self, path: str, url: str) -> web.Response:
        """What others need to check our tokens themselves."""
        if path == KEYS:
            return json_answer({"keys": [self._key]}, media_type="application/jwk-set+json")
        return json_answer(
            {
                "issuer": ISSUER,
                "jwks_uri": f"{url}{KEYS}",
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [self._key["alg"]],
            }
        )

    def _all(self) -> tuple[Kind, ...]:
        metrics = () if self._external_metric is None else (EXTERNAL_METRICS,)
        used = () if self.resource_metrics is None else (resource_metrics.NODES, resource_metrics.PODS)
        return (*self._kinds.all(), *metrics, *used)

    def _discovery(self, request: web.Request, is_core: bool, url: str) -> web.Response | None:
        asked = accepted(request.headers.get("Accept", ""), api_groups.AGGREGATED)
        if asked.shape:
            body = api_groups.aggregated(self._all(), is_core=is_core, version=asked.version)
            return _cached(request, body, asked.media_type)
        if is_core:
            return _cached(request, api_groups.core_versions(url.removeprefix("https://")))
        return _cached(request, api_groups.group_list(self._all()))

    def _openapi(self, request: web.Request, path: str) -> web.Response | None:
        if path == "/openapi/v2":
            # An empty document: kubectl up to 1.28 takes a 404 for fatal, and JSON is not read there.
            return web.Response(body=b"", headers={"Content-Type": V2_TYPE})
        if path == "/openapi/v3":
            return _cached(request, self._documents.index())
        return _cached(request, self._documents.document(path.removeprefix("/openapi/v3/")))

    async def _metric(self, request: web.Request, path: Path) -> web.Response | None:
        """`namespaces/<ns>/<metric>` of the external metrics API."""
        if self._external_metric is None or not path.namespace or path.name:
            return None
        selector = request.query.get("labelSelector", "")
        return json_answer(await self._external_metric(path.namespace, path.plural, selector))


async def _sliced(request: web.Request, page: Page) -> web.StreamResponse:
    headers, body = page(request.headers)
    response = web.StreamResponse(headers=headers)
    if request.method == "HEAD":
        return web.Response(headers=headers)
    # What cannot be told at all is an error, and not an answer that breaks off.
    first = await anext(body, b"")
    await response.prepare(request)
    await response.write(first)
    async for part in body:
        await response.write(part)
    await response.write_eof()
    return response


def _cached(
    request: web.Request, body: dict[str, Any] | bytes | None, media_type: str = JSON_TYPE
) -> web.Response | None:
    """None where there is no such document."""
    return kept_answer(request, body, media_type) if body is not None else None
