"""A Deployment's status and conditions as values; `kubectl rollout status` reads nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from tidegate.base.times import format_time, parse_time
from tidegate.local.controllers import conditions
from tidegate.local.controllers.workloads import rollout
from tidegate.local.objects import Object

Status = dict[str, Any]
DONE = "NewReplicaSetAvailable"
PAUSED = "DeploymentPaused"


def status_of(deployment: Object, new: Object | None, olds: Sequence[Object], now: datetime) -> Status:
    """The whole status; most counters are left out at 0, as Kubernetes does."""
    every = [*olds, *([new] if new else [])]
    available = _sum(every, "availableReplicas")
    counters = {
        "replicas": _sum(every, "replicas"),
        "updatedReplicas": _sum([new] if new else [], "replicas"),
        "readyReplicas": _sum(every, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(sum(map(rollout.replicas, every)) - available, 0),
    }
    status: Status = {name: number for name, number in counters.items() if number}
    status["terminatingReplicas"] = _sum(every, "terminatingReplicas")
    if "generation" in deployment["metadata"]:
        status["observedGeneration"] = deployment["metadata"]["generation"]
    known = (deployment.get("status") or {}).get("conditions")
    known = _put(known, _availability(deployment, available), now)
    progress = _progress(deployment, new, status, now)
    if progress is not None:
        known = _put(known, progress, now)
    return status | {"conditions": _with_failure(known, every, now)}


def is_complete(deployment: Object, status: Status) -> bool:
    """Every wanted replica is updated and available, and no other is left."""
    wanted = rollout.replicas(deployment)
    names = ("updatedReplicas", "replicas", "availableReplicas")
    return all(status.get(name, 0) == wanted for name in names)


def deadline_left_s(deployment: Object, status: Status, now: datetime) -> float | None:
    """Seconds until a rollout without progress is called stuck; None when none is under way."""
    found = conditions.find(status.get("conditions"), "Progressing")
    limit_s = deployment["spec"].get("progressDeadlineSeconds", 600)
    if found is None or found["status"] != "True" or found.get("reason") == DONE or not limit_s:
        return None
    since = parse_time(found["lastUpdateTime"])
    # The limit of a 32-bit number means "no deadline" in Kubernetes.
    if int(limit_s) >= 2**31 - 1:
        return None
    return (since + timedelta(seconds=int(limit_s)) - now).total_seconds()


def _availability(deployment: Object, available: int) -> dict[str, Any]:
    if available >= rollout.replicas(deployment) - rollout.bounds(deployment)[1]:
        return {
            "type": "Available",
            "status": "True",
            "reason": "MinimumReplicasAvailable",
            "message": "Deployment has minimum availability.",
        }
    return {
        "type": "Available",
        "status": "False",
        "reason": "MinimumReplicasUnavailable",
        "message": "Deployment does not have minimum availability.",
    }


def _progress(deployment: Object, new: Object | None, status: Status, now: datetime) -> dict[str, Any] | None:
    """The Progressing condition, None to leave it as it is."""
    old_status = deployment.get("status") or {}
    found = conditions.find(old_status.get("conditions"), "Progressing") or {}
    if deployment["spec"].get("paused"):
        return _progressing("Unknown", PAUSED, "Deployment is paused")
    if new is None:
        return None
    name = f'ReplicaSet "{new["metadata"]["name"]}"'
    if name not in found.get("message", ""):
        return _progressing("True", "NewReplicaSetCreated", f"{name} is the new one")
    if found.get("reason") == DONE and status.get("replicas") == status.get("updatedReplicas"):
        return None
    if is_complete(deployment, status):
        return _progressing("True", DONE, f"{name} has successfully progressed.")
    if _has_progressed(old_status, status):
        return _progressing("True", "ReplicaSetUpdated", f"{name} is progressing.") | {
            "lastUpdateTime": format_time(now)
        }
    left_s = deadline_left_s(deployment, old_status, now)
    if left_s is not None and left_s <= 0:
        return _progressing("False", "ProgressDeadlineExceeded", f"{name} has timed out progressing.")
    return None


def _has_progressed(old: Status, new: Status) -> bool:
    def left(status: Status) -> int:
        return int(status.get("replicas", 0)) - int(status.get("updatedReplicas", 0))

    grown = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return left(new) < left(old) or any(new.get(name, 0) > old.get(name, 0) for name in grown)


def _progressing(status: str, reason: str, message: str) -> dict[str, Any]:
    return {"type": "Progressing", "status": status, "reason": reason, "message": message}


def _with_failure(
    known: conditions.Conditions, every: Sequence[Object], now: datetime
) -> conditions.Conditions:
    """Repeats why a ReplicaSet cannot create its Pods."""
    for one in every:
        found = conditions.find((one.get("status") or {}).get("conditions"), "ReplicaFailure")
        if found is not None:
            wanted = {key: found[key] for key in ("type", "status", "reason", "message")}
            return _put(known, wanted, now)
    return conditions.without(known, "ReplicaFailure")


def _put(known: conditions.Conditions | None, wanted: dict[str, Any], now: datetime) -> conditions.Conditions:
    """With `lastUpdateTime`: the moment of the last news, kept while nothing but the moment is new."""
    old = conditions.find(known, wanted["type"]) or {}
    is_same = all(old.get(key) == wanted[key] for key in ("status", "reason", "message"))
    since = old.get("lastUpdateTime") if is_same else None
    return conditions.with_condition(known, {"lastUpdateTime": since or format_time(now), **wanted}, now)


def _sum(replica_sets: Sequence[Object], name: str) -> int:
    return sum(int((one.get("status") or {}).get(name, 0)) for one in replica_sets)
