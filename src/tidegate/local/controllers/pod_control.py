"""What controllers ask of Pods: their state in words, and creating or deleting several at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

from tidegate.base.times import parse_time
from tidegate.kube.resource import PODS, ApiError
from tidegate.local.controllers import conditions
from tidegate.local.controllers.events import Events
from tidegate.local.controllers.owner_references import is_deleting
from tidegate.local.objects import Object, Objects

Item = TypeVar("Item")

# Letters and digits that cannot spell words, as Kubernetes uses for generated names.
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
AT_ONCE = 64
# The most Pods that one reconcile creates: what was asked for may change meanwhile.
BURST = 500


def phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase", "Pending"))


def is_terminal(pod: Object) -> bool:
    """Its processes have ended for good."""
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    """It runs or is going to, and nobody has asked it to end."""
    return not is_terminal(pod) and not is_deleting(pod)


def is_terminating(pod: Object) -> bool:
    return is_deleting(pod) and not is_terminal(pod)


def is_ready(pod: Object) -> bool:
    return conditions.is_true((pod.get("status") or {}).get("conditions"), "Ready")


def ready_since(pod: Object) -> datetime | None:
    found = conditions.find((pod.get("status") or {}).get("conditions"), "Ready")
    if found is None or found.get("status") != "True":
        return None
    return parse_time(found.get("lastTransitionTime") or pod["metadata"]["creationTimestamp"])


def unavailable_s(pod: Object, least_s: float, now: datetime) -> float | None:
    """Seconds until a ready Pod has been so for `least_s`, 0 when it has, None while it is not ready."""
    ready = ready_since(pod)
    return None if ready is None else max(least_s - (now - ready).total_seconds(), 0.0)


def created_at(pod: Object) -> datetime:
    return parse_time(pod["metadata"]["creationTimestamp"])


def finished_at(pod: Object) -> datetime:
    """When its last container ended; its creation where no container tells."""
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    ends = [
        parse_time(ended["finishedAt"])
        for ended in ((one.get("state") or {}).get("terminated") or {} for one in statuses)
        if ended.get("finishedAt")
    ]
    return max(ends, default=created_at(pod))


def restarts(pod: Object) -> int:
    """How often its containers were started again, init containers included."""
    status = pod.get("status") or {}
    every = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    return sum(int(one.get("restartCount", 0)) for one in every)


def letters(number: int, length: int) -> str:
    """The last `length` digits of `number` in the alphabet of generated names."""
    found = []
    for _ in range(length):
        number, rest = divmod(number, len(ALPHABET))
        found.append(ALPHABET[rest])
    return "".join(found)


def pod_name(owner_name: str, ending: str) -> str:
    """`<owner>-<ending>`, the owner's name cut so that it still is a host name of 63 characters."""
    return f"{owner_name[: 62 - len(ending)].rstrip('-.')}-{ending}"


def from_template(template: dict[str, Any], namespace: str, name: str, ref: dict[str, Any]) -> Object:
    """A Pod made from a pod template for the owner that `ref` names."""
    metadata = template.get("metadata") or {}
    return {
        "apiVersion": PODS.api_version,
        "kind": PODS.kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": dict(metadata.get("labels") or {}),
            "annotations": dict(metadata.get("annotations") or {}),
            "finalizers": list(metadata.get("finalizers") or []),
            "ownerReferences": [ref],
        },
        "spec": dict(template.get("spec") or {}),
    }


async def each(items: Iterable[Item], act: Callable[[Item], Awaitable[object]]) -> None:
    """Acts on all items, a bounded number at once; the first failure is raised when all have ended."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(item: Item) -> None:
        async with gate:
            await act(item)

    results = await asyncio.gather(*(one(item) for item in items), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def delete_pods(objects: Objects, owner: Object, pods: Iterable[Object], events: Events) -> None:
    """Asks these Pods to end, with an event each about `owner`. One that is gone already is no error."""

    async def delete(pod: Object) -> None:
        metadata = pod["metadata"]
        try:
            await objects.delete(PODS, metadata["namespace"], metadata["name"], uid=metadata["uid"])
        except ApiError as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise
            return
        await events.normal(owner, "SuccessfulDelete", f"Deleted pod: {metadata['name']}")

    await each(pods, delete)
