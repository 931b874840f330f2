"""Where the API server looks up whom to trust: `caBundle` of our APIService and of our webhooks."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.kube.caching.caches import Cache
from tidegate.kube.client import Client
from tidegate.kube.resource import API_SERVICES, VALIDATING_WEBHOOKS, ApiError, Resource

log = logging.getLogger(__name__)

Object = dict[str, Any]

METRICS_API = "v1beta1.external.metrics.k8s.io"
EXPLAIN_API = "v1alpha1.explain.tidegate.dev"
_REFUSED = (403, 404)


@dataclass(frozen=True, slots=True)
class Trusting:
    """Whom to tell. Empty names are nobody. What points to another namespace is another installation's."""

    namespace: str
    metrics_service: str = ""
    webhooks: str = ""


class Bundles:
    """Tells both; whoever is not there, or may not be changed, is told of once and left out."""

    def __init__(self, client: Client, trusting: Trusting) -> None:
        self._client = client
        self._trusting = trusting
        self._told: dict[str, str] = {}
        self.caches: Sequence[Cache[Object]] = tuple(
            Cache(client, resource, fields=f"metadata.name={name}")
            for resource, name in (
                *((API_SERVICES, name) for name in (METRICS_API, EXPLAIN_API) if trusting.metrics_service),
                *((VALIDATING_WEBHOOKS, name) for name in (trusting.webhooks,) if name),
            )
        )

    async def tell(self, authorities: bytes) -> None:
        """Nothing is written where the bundle is the same. ApiError where the server is in no state."""
        bundle = base64.b64encode(authorities).decode()
        work = []
        if self._trusting.metrics_service:
            for name in (METRICS_API, EXPLAIN_API):
                work.append(self._change(API_SERVICES, name, self._in_service, bundle))
        if self._trusting.webhooks:
            name = self._trusting.webhooks
            work.append(self._change(VALIDATING_WEBHOOKS, name, self._in_webhooks, bundle))
        # One that fails must not keep the other from being told.
        for failure in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(failure, BaseException):
                raise failure

    async def _change(self, resource: Resource, name: str, change: Any, bundle: str) -> None:
        try:
            found = await self._client.get(resource, "", name)
            changed = change(found, bundle)
            if changed is not None:
                # With its resourceVersion: who has changed it meanwhile is not overwritten.
                await self._client.replace(resource, "", name, changed)
                log.info("authorities told", extra={"kind": resource.kind, "told": name})
                self._told.pop(name, None)
        except ApiError as error:
            if error.code not in _REFUSED:
                raise
            if error.code == 404 and name == EXPLAIN_API:
                return  # KEDA's manifests have none.
            self._tell_once(name, f"{resource.kind} {name} cannot be told: {error}")

    def _in_service(self, found: Object, bundle: str) -> Object | None:
        """The APIService with the bundle; None where it has it, or is not ours."""
        spec = found.get("spec") or {}
        service = spec.get("service") or {}
        place = (self._trusting.namespace, self._trusting.metrics_service)
        if (service.get("namespace"), service.get("name")) != place:
            where = "/".join(place)
            name = found["metadata"]["name"]
            self._tell_once(name, f"APIService {name} is not served by {where}: left alone")
            return None
        if spec.get("caBundle") == bundle and not spec.get("insecureSkipTLSVerify"):
            return None
        # Both at once are refused.
        kept = {key: one for key, one in spec.items() if key != "insecureSkipTLSVerify"}
        return {**found, "spec": {**kept, "caBundle": bundle}}

    def _in_webhooks(self, found: Object, bundle: str) -> Object | None:
        """The configuration with the bundle in each of its webhooks that leads to us."""
        webhooks = [self._in_webhook(one, bundle) for one in found.get("webhooks") or ()]
        return {**found, "webhooks": webhooks} if webhooks != found.get("webhooks") else None

    def _in_webhook(self, webhook: Object, bundle: str) -> Object:
        client = webhook.get("clientConfig") or {}
        service = client.get("service")
        if service is not None and service.get("namespace") != self._trusting.namespace:
            return webhook
        return {**webhook, "clientConfig": {**client, "caBundle": bundle}}

    def _tell_once(self, name: str, text: str) -> None:
        if self._told.get(name) != text:
            self._told[name] = text
            log.warning("authorities not told", extra={"reason": text})
