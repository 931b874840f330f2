"""Taking the operator off a cluster so that nothing there waits for it any more.

In this order, for each step is safe only after those before it: the webhooks and the aggregated APIs go
(a namespace cannot end while an API that it must list does not answer), the operator stops (it would put its
finalizer back), the finalizers of its objects go. Replicas, HPAs and Jobs stay as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tidegate.base.errors import Unreachable
from tidegate.kube.client import Client, Object
from tidegate.kube.resource import (
    API_SERVICES,
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    DEPLOYMENTS,
    PODS,
    SCALED_JOBS,
    SCALED_OBJECTS,
    TRIGGER_AUTHENTICATIONS,
    VALIDATING_WEBHOOKS,
    ApiError,
    Resource,
)
from tidegate.operator.certificates.trust import EXPLAIN_API, METRICS_API
from tidegate.operator.reconcile.steps import FINALIZER

# KEDA's operator holds authentications too: what it left behind is released as well.
HELD = (SCALED_OBJECTS, SCALED_JOBS, TRIGGER_AUTHENTICATIONS, CLUSTER_TRIGGER_AUTHENTICATIONS)
LOOK_S = 0.5
AT_ONCE = 16
TRIES = 5


@dataclass(frozen=True, slots=True)
class Installation:
    """Whom to take off: the operator's namespace, its Deployment, its webhooks' name, and what it watches."""

    namespace: str
    operator: str
    webhooks: str
    watched: tuple[str, ...] = ()
    timeout_s: float = 120.0


class Withdrawal:
    """The steps of one withdrawal. `say` hears a line of each thing that was done; safe to run again."""

    def __init__(self, client: Client, installation: Installation, say: Callable[[str], None]) -> None:
        self._client = client
        self._installation = installation
        self._say = say

    async def run(self) -> None:
        """All steps. Unreachable when the operator's pods do not end in time, ApiError when refused."""
        await self._remove(VALIDATING_WEBHOOKS, self._installation.webhooks, _webhook_namespaces)
        for name in (METRICS_API, EXPLAIN_API):
            await self._remove(API_SERVICES, name, _service_namespace)
        await self._stop_operator()
        for resource in HELD:
            await self._release(resource)

    async def _remove(self, resource: Resource, name: str, namespaces: Callable[[Object], set[str]]) -> None:
        """Deletes it if it points to us: another operator's is none of our business."""
        found = await self._found(resource, "", name)
        if found is None:
            return
        if namespaces(found) != {self._installation.namespace}:
            self._say(f"{resource.kind} {name} stays: it is not of {self._installation.namespace}")
            return
        try:
            await self._client.delete(resource, "", name, uid=found["metadata"]["uid"])
        except ApiError as error:
            if error.reason != "NotFound":
                raise
        self._say(f"{resource.kind} {name} deleted")

    async def _stop_operator(self) -> None:
        place = (DEPLOYMENTS, self._installation.namespace, self._installation.operator)
        found = await self._found(*place)
        if found is None:
            return
        await self._client.patch(*place, {"spec": {"replicas": 0}}, subresource="scale")
        selector = found["spec"]["selector"]["matchLabels"]
        labels = ",".join(f"{key}={value}" for key, value in selector.items())
        clock = self._client.clock
        deadline = clock.monotonic() + self._installation.timeout_s
        while pods := (await self._client.list(PODS, self._installation.namespace, labels=labels)).items:
            if clock.monotonic() >= deadline:
                names = ", ".join(sorted(pod["metadata"]["name"] for pod in pods))
                raise Unreachable(
                    "stop the operator",
                    on=f"Deployment {'/'.join(place[1:])}",
                    answer=f"still there after {self._installation.timeout_s:g} s: {names}",
                    next_step="see why they do not end, and run this again",
                )
            await clock.sleep(LOOK_S)
        self._say(f"Deployment {'/'.join(place[1:])} stopped")

    async def _release(self, resource: Resource) -> None:
        """Takes our finalizer off all objects of a kind; one that is being deleted is gone then."""
        watched = self._installation.watched if resource.is_namespaced else ()
        held: list[Object] = []
        for namespace in watched or ("",):
            try:
                items = (await self._client.list(resource, namespace)).items
            except ApiError as error:
                if error.reason != "NotFound":
                    raise
                return  # the kind is not defined any more
            held += [one for one in items if FINALIZER in (one["metadata"].get("finalizers") or ())]
        room = asyncio.Semaphore(AT_ONCE)

        async def release(one: Object) -> None:
            async with room:
                await self._release_one(resource, one)

        async with asyncio.TaskGroup() as group:
            for one in held:
                group.create_task(release(one))
        if held:
            self._say(f"{len(held)} {resource.plural} released")

    async def _release_one(self, resource: Resource, one: Object) -> None:
        meta = one["metadata"]
        place = (resource, meta.get("namespace", ""), meta["name"])
        for attempt in range(1, TRIES + 1):
            kept = [name for name in meta.get("finalizers") or () if name != FINALIZER]
            # The version is a precondition: a finalizer that somebody adds meanwhile is not lost.
            patch = {"metadata": {"finalizers": kept, "resourceVersion": meta["resourceVersion"]}}
            try:
                await self._client.patch(*place, patch)
            except ApiError as error:
                if error.reason == "NotFound":
                    return
                if error.reason != "Conflict" or attempt == TRIES:
                    raise
            else:
                return
            found = await self._found(*place)
            if found is None or found["metadata"]["uid"] != meta["uid"]:
                return
            meta = found["metadata"]

    async def _found(self, resource: Resource, namespace: str, name: str) -> Object | None:
        try:
            return await self._client.get(resource, namespace, name)
        except ApiError as error:
            if error.reason == "NotFound":
                return None
            raise


def parse_namespaces(text: str) -> tuple[str, ...]:
    """WATCH_NAMESPACE as KEDA has it: names with commas between; empty, or two quotes, for all."""
    return tuple(name for name in (part.strip() for part in text.strip('"').split(",")) if name)


def _webhook_namespaces(body: Object) -> set[str]:
    return {
        ((one.get("clientConfig") or {}).get("service") or {}).get("namespace", "")
        for one in body.get("webhooks") or ()
    }


def _service_namespace(body: Object) -> set[str]:
    return {(body["spec"].get("service") or {}).get("namespace", "")}
