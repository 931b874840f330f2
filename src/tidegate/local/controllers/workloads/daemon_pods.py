"""What a DaemonSet does next on the one node, and its status. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidegate.kube.resource import DAEMON_SETS
from tidegate.local.controllers import pod_control
from tidegate.local.controllers.owner_references import is_deleting, reference
from tidegate.local.controllers.taints import NODE, untolerated
from tidegate.local.controllers.workloads.revisions import ON_POD
from tidegate.local.node_choice import is_chosen
from tidegate.local.objects import TEMPLATE_GENERATION, Object

# What a Pod of a DaemonSet bears, so that it is there whatever the node is short of.
_BORNE = (
    ("not-ready", "NoExecute"),
    ("unreachable", "NoExecute"),
    ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"),
    ("pid-pressure", "NoSchedule"),
    ("unschedulable", "NoSchedule"),
)
_ON_POD_GENERATION = "pod-template-generation"


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether the node is one for the Pods of a set: for new ones, and for those that are there."""

    should_run: bool
    may_stay: bool


@dataclass(slots=True)
class Plan:
    """`ended` are Pods that are over and make room for the next."""

    create: bool = False
    delete: list[Object] = field(default_factory=list)
    ended: list[Object] = field(default_factory=list)


def fit(found: Object, node: Object | None) -> Fit:
    """By its selector, its required affinity and the taints that it bears."""
    if node is None or not is_chosen(found["spec"]["template"].get("spec") or {}, node):
        return Fit(False, False)
    bears = pod_of(found, "", "", "")["spec"]["tolerations"]
    is_kept_out = untolerated(node, bears, ("NoSchedule", "NoExecute")) is not None
    return Fit(not is_kept_out, untolerated(node, bears, ("NoExecute",)) is None)


def plan(found: Object, pods: Sequence[Object], ending: str, fits: Fit, now: datetime) -> Plan:
    """`pods` but those that are over and on their way out; `ending` is the hash of the present template."""
    lasting = [pod for pod in pods if not is_deleting(pod)]
    if not fits.may_stay:
        return Plan(delete=lasting)
    made = Plan(ended=[pod for pod in lasting if pod_control.is_terminal(pod)])
    running = sorted((pod for pod in lasting if not pod_control.is_terminal(pod)), key=_age)
    is_surging = surge(found) > 0
    # Without a surge, the one before has to be gone.
    made.create = fits.should_run and not (running if is_surging else pods)
    new = [pod for pod in running if is_updated(found, pod, ending)]
    old = [pod for pod in running if not is_updated(found, pod, ending)]
    if not is_surging:
        made.delete = running[1:]
        if is_rolling(found) and old == running[:1]:
            made.delete = running
    else:
        made.delete = [*new[1:], *old[1:]]
        if old and new and (not pod_control.is_ready(old[0]) or _is_available(found, new[0], now)):
            made.delete.append(old[0])
        made.create = made.create or (fits.should_run and bool(old) and not new)
    return made


def is_rolling(found: Object) -> bool:
    return bool(found["spec"]["updateStrategy"]["type"] == "RollingUpdate")


def surge(found: Object) -> int:
    """How many Pods more than one the node may have during an update."""
    value = (found["spec"]["updateStrategy"].get("rollingUpdate") or {}).get("maxSurge", 0)
    if not is_rolling(found):
        return 0
    return math.ceil(int(value.rstrip("%")) / 100) if isinstance(value, str) else int(value)


def generation(found: Object) -> str:
    """How often its template has changed, as Kubernetes counts it."""
    return str((found["metadata"].get("annotations") or {}).get(TEMPLATE_GENERATION, ""))


def is_updated(found: Object, pod: Object, ending: str) -> bool:
    labels = pod["metadata"].get("labels") or {}
    counted = generation(found)
    return labels.get(ON_POD) == ending or bool(counted and labels.get(_ON_POD_GENERATION) == counted)


def pod_of(found: Object, name: str, ending: str, node: str = NODE) -> Object:
    """A Pod of the present template, for that node."""
    metadata, template = found["metadata"], found["spec"]["template"]
    pod = pod_control.from_template(template, metadata["namespace"], name, reference(DAEMON_SETS, found))
    pod["metadata"]["labels"][ON_POD] = ending
    if counted := generation(found):
        pod["metadata"]["labels"][_ON_POD_GENERATION] = counted
    spec = pod["spec"]
    own = [one for one in spec.get("tolerations") or () if one not in _tolerations(spec)]
    spec["tolerations"] = [*own, *_tolerations(spec)]
    field_of_node = {"key": "metadata.name", "operator": "In", "values": [node]}
    place = {"nodeSelectorTerms": [{"matchFields": [field_of_node]}]}
    affinity = dict(spec.get("affinity") or {})
    by_node = {**(affinity.get("nodeAffinity") or {})}
    by_node["requiredDuringSchedulingIgnoredDuringExecution"] = place
    spec["affinity"] = {**affinity, "nodeAffinity": by_node}
    return pod


def _tolerations(spec: dict[str, Any]) -> list[dict[str, str]]:
    borne = (*_BORNE, ("network-unavailable", "NoSchedule")) if spec.get("hostNetwork") else _BORNE
    return [
        {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": effect} for key, effect in borne
    ]


def status_of(found: Object, pods: Sequence[Object], ending: str, fits: Fit, now: datetime) -> dict[str, Any]:
    """The whole status; some counters are left out at 0, as Kubernetes does."""
    first = min(pods, key=_age, default=None) if fits.should_run else None
    available = first is not None and _is_available(found, first, now)
    wanted = int(fits.should_run)
    counters = {
        "updatedNumberScheduled": int(first is not None and is_updated(found, first, ending)),
        "numberAvailable": int(available),
        "numberUnavailable": wanted - int(available),
    }
    return {
        "currentNumberScheduled": int(first is not None),
        "desiredNumberScheduled": wanted,
        "numberMisscheduled": int(bool(pods) and not fits.should_run),
        "numberReady": int(first is not None and pod_control.is_ready(first)),
        "observedGeneration": found["metadata"].get("generation", 1),
        **{name: count for name, count in counters.items() if count},
    }


def least_s(found: Object) -> float:
    return float(found["spec"].get("minReadySeconds") or 0)


def _is_available(found: Object, pod: Object, now: datetime) -> bool:
    return pod_control.unavailable_s(pod, least_s(found), now) == 0


def _age(pod: Object) -> tuple[bool, str, str]:
    metadata = pod["metadata"]
    return not pod["spec"].get("nodeName"), metadata["creationTimestamp"], metadata["name"]
