"""What a StatefulSet does next, and its status: Pods in the order of their ordinals. Pure.

`OrderedReady`: a Pod is made when all before it are available, taken away when all others are, one at a time.
`Parallel`: all at once; updates still go one by one, from the last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from tidegate.local.controllers import pod_control
from tidegate.local.controllers.owner_references import is_deleting
from tidegate.local.controllers.workloads.stateful_pods import ordinal_of, ordinals, revision_of
from tidegate.local.objects import Object

Status = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """`create` the Pod of the ordinal, `delete` this one, or `keep` it: see that its claims are right."""

    act: Literal["create", "delete", "keep"]
    ordinal: int
    pod: Object | None = None


def is_parallel(found: Object) -> bool:
    return bool(found["spec"].get("podManagementPolicy") == "Parallel")


def steps(found: Object, pods: Sequence[Object], update: str, now: datetime) -> Iterator[Step]:
    """The steps to take now; what comes after them is decided when they show.

    `update` is the name of the revision of the present template.
    """
    by_ordinal = {ordinal: pod for pod in pods if (ordinal := ordinal_of(found, pod)) is not None}
    wanted = {ordinal: by_ordinal.get(ordinal) for ordinal in ordinals(found)}
    surplus = {ordinal: by_ordinal[ordinal] for ordinal in sorted(by_ordinal) if ordinal not in wanted}
    in_order = not is_parallel(found)
    for ordinal, pod in wanted.items():
        yield from _upheld(ordinal, pod)
        if in_order and not _is_available(found, pod, now):
            return
    yield from (Step("keep", ordinal, pod) for ordinal, pod in surplus.items())
    ailing = [pod for pod in (*wanted.values(), *surplus.values()) if not _is_available(found, pod, now)]
    for ordinal, pod in reversed(surplus.items()):
        may_go = not in_order or _is_available(found, pod, now) or (ailing and ailing[0] is pod)
        if not is_deleting(pod) and may_go:
            yield Step("delete", ordinal, pod)
        if in_order:
            return
    if found["spec"]["updateStrategy"]["type"] == "RollingUpdate":
        yield from _updated(found, wanted, update, now)


def _upheld(ordinal: int, pod: Object | None) -> Iterator[Step]:
    """A Pod that is missing is made; one that has ended, whatever its end, is taken away first."""
    if pod is None:
        yield Step("create", ordinal)
    elif not pod_control.is_terminal(pod):
        yield Step("keep", ordinal, pod)
    elif not is_deleting(pod):
        yield Step("delete", ordinal, pod)


def _updated(found: Object, wanted: dict[int, Object | None], update: str, now: datetime) -> Iterator[Step]:
    """The last Pod of another revision goes, when all after it are available again."""
    for ordinal, pod in list(reversed(wanted.items()))[: max(len(wanted) - partition(found), 0)]:
        if pod is not None and revision_of(pod) != update and not is_deleting(pod):
            yield Step("delete", ordinal, pod)
            return
        if not _is_available(found, pod, now):
            return


def partition(found: Object) -> int:
    """How many of the first Pods stay as they are."""
    rolling = found["spec"]["updateStrategy"].get("rollingUpdate") or {}
    return int(rolling.get("partition") or 0)


def is_of_current(found: Object, ordinal: int) -> bool:
    """Whether a Pod that is missing is made anew as it was before the update that is under way."""
    strategy, place = found["spec"]["updateStrategy"], ordinal - ordinals(found).start
    if strategy["type"] == "RollingUpdate" and strategy.get("rollingUpdate") is None:
        return place < int((found.get("status") or {}).get("currentReplicas", 0))
    return place < partition(found)


def _is_available(found: Object, pod: Object | None, now: datetime) -> bool:
    if pod is None or is_deleting(pod) or pod_control.phase(pod) != "Running":
        return False
    return pod_control.unavailable_s(pod, least_s(found), now) == 0


def least_s(found: Object) -> float:
    return float(found["spec"].get("minReadySeconds") or 0)


def status_of(found: Object, pods: Sequence[Object], current: str, update: str, now: datetime) -> Status:
    """The whole status; some counters are left out at 0, as Kubernetes does."""
    wanted = int(found["spec"].get("replicas", 1))
    ready = [pod for pod in pods if pod_control.phase(pod) == "Running" and pod_control.is_ready(pod)]
    available = sum(pod_control.unavailable_s(pod, least_s(found), now) == 0 for pod in ready)
    lasting = [revision_of(pod) for pod in pods if not is_deleting(pod)]
    updated = lasting.count(update)
    is_complete = len(pods) == len(ready) == updated == wanted
    if is_complete and found["spec"]["updateStrategy"]["type"] == "RollingUpdate":
        current = update
    counters = {
        "currentReplicas": lasting.count(current),
        "readyReplicas": len(ready),
        "updatedReplicas": updated,
    }
    return {
        "observedGeneration": found["metadata"].get("generation", 1),
        "replicas": len(pods),
        "availableReplicas": available,
        "collisionCount": 0,
        "currentRevision": current,
        "updateRevision": update,
        **{name: count for name, count in counters.items() if count},
    }
