"""The pods of an object and their containers, as plain JSON values; the end of a container's log."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

from tidegate.kube.client import Client
from tidegate.kube.resource import PODS
from tidegate.operator.explain import pod_problems

Entry = dict[str, Any]
SHOWN = 50
"""Pods that are told; those that run come first, the newest of the others follow."""
LINES = 500
KEPT_BYTES = 256 * 1024
MOST_BYTES = 16 * 1024 * 1024
"""Of a log whose lines are very long: what comes after is left out."""


def told(pods: Iterable[Entry]) -> Entry:
    """`total`, and the pods that are shown."""
    found = sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp") or ""), reverse=True)
    found.sort(key=lambda pod: _phase(pod) in ("Succeeded", "Failed"))
    return {"total": len(found), "pods": [_pod(one) for one in found[:SHOWN]]}


def _pod(pod: Entry) -> Entry:
    status, metadata = pod.get("status") or {}, pod["metadata"]
    containers = [
        *_containers(status.get("initContainerStatuses"), (pod.get("spec") or {}).get("initContainers")),
        *_containers(status.get("containerStatuses"), (pod.get("spec") or {}).get("containers")),
    ]
    return {
        "name": metadata["name"],
        "phase": "Terminating" if pod_problems.is_leaving(pod) else _phase(pod),
        "isReady": pod_problems.is_ready(pod),
        "why": pod_problems.problem_of(pod),
        "createdAt": metadata.get("creationTimestamp"),
        "restarts": sum(one["restarts"] for one in containers),
        "containers": containers,
    }


def _containers(statuses: list[Entry] | None, specs: list[Entry] | None) -> list[Entry]:
    """In the order of the spec. `hasBegun`: there is a log to show, `hasEnded`: one of a run before this."""
    by_name = {one.get("name"): one for one in statuses or ()}
    found = []
    for spec in specs or ():
        status = by_name.get(spec.get("name")) or {}
        state, last = status.get("state") or {}, status.get("lastState") or {}
        found.append(
            {
                "name": str(spec.get("name")),
                "restarts": int(status.get("restartCount") or 0),
                "hasBegun": "running" in state or "terminated" in state or "terminated" in last,
                "hasEnded": "terminated" in last,
            }
        )
    return found


def _phase(pod: Entry) -> str:
    return str((pod.get("status") or {}).get("phase") or "Pending")


async def log_of(client: Client, namespace: str, pod: str, container: str, *, is_previous: bool) -> str:
    """The last lines that a container wrote; ApiError where there are none or nobody may read them."""
    path = PODS.path(namespace, quote(pod, safe=""), "log")
    query = {"container": container, "tailLines": str(LINES)}
    if is_previous:
        query["previous"] = "true"
    kept, size = b"", 0
    async with aclosing(client.stream(path, query=query, silence_s=10.0, accept="*/*")) as pieces:
        async for piece in pieces:
            size += len(piece)
            kept = (kept + piece)[-KEPT_BYTES:]
            if size > MOST_BYTES:
                break
    if size > len(kept):
        # Never the second half of a line, but of one that is longer than all that is kept.
        kept = kept.partition(b"\n")[2] or kept
    return kept.decode(errors="replace")
