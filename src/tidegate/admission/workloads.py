"""What the cluster says of a ScaledObject's target: whether there is such a kind, and what its pods request.

Asked when needed, not kept: few objects have cpu or memory triggers, and workloads are many.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from tidegate.api.scaledobject import ScaledObject
from tidegate.api.validation.triggers import RESOURCE_TRIGGERS, part
from tidegate.base.errors import TidegateError
from tidegate.base.problems import Problem
from tidegate.kube.client import Client
from tidegate.kube.discovery import Discovery
from tidegate.kube.resource import LIMIT_RANGES, ApiError, Resource
from tidegate.review.ownership import workload_of
from tidegate.review.requests import KINDS, request_problems, utilization_of

Object = dict[str, Any]

LOOK_S = 3.0
"""The API server waits 10 s for all that we say."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is refused for the target's sake, and what could not be looked at or is missing."""

    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()


class Workloads:
    """Looks at targets."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._discovery = Discovery(client)

    async def look(self, object: ScaledObject) -> Seen:
        """Never longer than `LOOK_S`; what the API server does not tell refuses nothing."""
        try:
            async with asyncio.timeout(LOOK_S):
                return await self._look(object)
        except TimeoutError:
            failure = f"the API server did not answer within {LOOK_S:g} s"
        except (ApiError, TidegateError) as error:
            failure = str(error)
        return Seen(warnings=(f"spec.scaleTargetRef: the workload was not looked at: {failure}",))

    async def _look(self, object: ScaledObject) -> Seen:
        api_version, kind, name = workload_of(object)
        is_builtin = (api_version, kind) in KINDS
        try:
            resource = await self._discovery.resolve(api_version, kind)
        except ApiError as error:
            if error.code != 404 or is_builtin:
                raise
            # client-go's words, which KEDA's webhook passes on.
            message = f'no matches for kind "{kind}" in version "{api_version}"'
            return Seen((Problem("spec.scaleTargetRef", message, "FieldValueNotFound"),))
        has_resources = any(one.type in RESOURCE_TRIGGERS for one in object.spec.triggers)
        if not is_builtin or not has_resources:
            return Seen()
        return await self._requests(object, resource, name)

    async def _requests(self, object: ScaledObject, resource: Resource, name: str) -> Seen:
        metrics = utilization_of(object)
        if not metrics:
            return Seen()
        namespace = object.metadata.namespace
        try:
            workload = await self._client.get(resource, namespace, name)
        except ApiError as error:
            if error.code != 404:
                raise
            about = f"{resource.kind} {name} is not there yet"
            message = f"spec.scaleTargetRef: {about}: whether its containers request resources is not known"
            return Seen(warnings=(message,))
        template = part(workload, "spec", "template")
        if not list(request_problems(metrics, template, ())):
            return Seen()
        limit_ranges = (await self._client.list(LIMIT_RANGES, namespace)).items
        return Seen(tuple(request_problems(metrics, template, limit_ranges)))
