"""How many replicas each ReplicaSet of a Deployment should have next, and which one is the new one.

Pure functions. Two bounds hold at each step of a rolling update: never more Pods than
`replicas + maxSurge`, never fewer available ones than `replicas - maxUnavailable`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from tidegate.kube.resource import REPLICA_SETS
from tidegate.local.controllers import pod_control
from tidegate.local.objects import Object

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MOST = "deployment.kubernetes.io/max-replicas"
Sizes = list[tuple[Object, int]]


def replicas(found: Object) -> int:
    """What the spec of a Deployment or ReplicaSet asks for."""
    return int(found["spec"].get("replicas", 1))


def available(replica_set: Object) -> int:
    """Pods known to be available: a status older than the last scale-down promises too many."""
    return min(int((replica_set.get("status") or {}).get("availableReplicas", 0)), replicas(replica_set))


def revision(found: Object) -> int:
    text = (found["metadata"].get("annotations") or {}).get(REVISION, "")
    return int(text) if text.isdecimal() else 0


def bounds(deployment: Object) -> tuple[int, int]:
    """(surge, unavailable) in Pods: percentages of surge round up, of unavailability down; never both 0.

    Recreate has no bounds: between its two steps nothing is available, and the status says so.
    """
    wanted = replicas(deployment)
    strategy = deployment["spec"].get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return 0, 0
    rolling = strategy.get("rollingUpdate") or {}
    surge = _share(rolling.get("maxSurge", "25%"), wanted, math.ceil)
    unavailable = _share(rolling.get("maxUnavailable", "25%"), wanted, math.floor)
    return surge, unavailable if surge or unavailable else 1


def sizes_noted(deployment: Object) -> dict[str, str]:
    """What a ReplicaSet says of its Deployment's size when its own was set last."""
    wanted = replicas(deployment)
    return {DESIRED: str(wanted), MOST: str(wanted + bounds(deployment)[0])}


def _share(value: int | str, whole: int, rounding: Any) -> int:
    if isinstance(value, int):
        return value
    if value.endswith("%"):
        # In integers: 0.07 * 100 is a little more than 7, and would be rounded up to 8.
        numerator = int(value[:-1]) * whole
        return -(-numerator // 100) if rounding is math.ceil else numerator // 100
    return int(value)


def template_hash(template: dict[str, Any]) -> str:
    """Ten letters, the same for the same template."""
    digest = hashlib.sha256(msgspec.json.encode(_bare(template), order="sorted")).digest()
    return pod_control.letters(int.from_bytes(digest[:16], "big"), 10)


def _bare(template: dict[str, Any]) -> dict[str, Any]:
    """The template without its hash label and without what an absent field would mean too."""
    metadata = dict(template.get("metadata") or {})
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH}
    metadata = {key: value for key, value in {**metadata, "labels": labels}.items() if value}
    spec = dict(template.get("spec") or {})
    if spec.get("serviceAccountName"):
        spec.pop("serviceAccount", None)
    return {"metadata": metadata, "spec": spec}


def new_replica_set(deployment: Object, replica_sets: Iterable[Object]) -> Object | None:
    """The ReplicaSet whose template is the Deployment's; the oldest, should there be several."""
    template = deployment["spec"]["template"]
    ending = template_hash(template)
    matching = [
        one
        for one in replica_sets
        if (one["metadata"].get("labels") or {}).get(HASH) == ending
        or _bare(one["spec"]["template"]) == _bare(template)
    ]
    return min(matching, key=_age, default=None)


def _age(found: Object) -> tuple[str, str]:
    return found["metadata"]["creationTimestamp"], found["metadata"]["name"]


def first_size(deployment: Object, olds: Sequence[Object]) -> int:
    """The size a new ReplicaSet may be created with."""
    room = replicas(deployment) + bounds(deployment)[0] - sum(map(replicas, olds))
    return min(max(room, 0), replicas(deployment))


def rolling(deployment: Object, new: Object, olds: Sequence[Object]) -> Sizes:
    """The next step: the new one grows into the room there is, else the old ones make room."""
    wanted, size = replicas(deployment), replicas(new)
    room = wanted + bounds(deployment)[0] - size - sum(map(replicas, olds))
    target = min(wanted, size + max(room, 0))
    if target != size:
        return [(new, target)]
    return _shrink(deployment, new, sorted(olds, key=_age))


def _shrink(deployment: Object, new: Object, olds: Sequence[Object]) -> Sizes:
    """Unhealthy old Pods go first: they are no loss. Healthy ones go as far as availability allows.

    What may go is all that is neither needed nor not yet up: when every unhealthy old Pod has gone,
    the rest of it is exactly the number of available Pods above the least.
    """
    sizes = [replicas(one) for one in olds]
    least = replicas(deployment) - bounds(deployment)[1]
    unready = replicas(new) - available(new)
    may_go = max(sum(sizes) + replicas(new) - least - unready, 0)
    for kept in ([available(one) for one in olds], [0 for _ in olds]):
        for index, least_size in enumerate(kept):
            step = min(sizes[index] - least_size, may_go)
            sizes[index] -= step
            may_go -= step
    return [(one, size) for one, size in zip(olds, sizes, strict=True) if size != replicas(one)]


def surplus_history(deployment: Object, olds: Iterable[Object]) -> list[Object]:
    """Old ReplicaSets at rest beyond revisionHistoryLimit, the oldest revisions first."""
    limit = deployment["spec"].get("revisionHistoryLimit", 10)
    resting = [one for one in olds if replicas(one) == 0 and _has_come_to_rest(one)]
    return sorted(resting, key=revision)[: max(len(resting) - int(limit), 0)]


def _has_come_to_rest(replica_set: Object) -> bool:
    status = replica_set.get("status") or {}
    return not status.get("replicas") and status.get("observedGeneration", 0) >= replica_set["metadata"].get(
        "generation", 0
    )


def passed_on(deployment: Object) -> dict[str, str]:
    """The annotations that the newest ReplicaSet has from its Deployment; `kubectl rollout history`
    reads the change's cause there, which is mostly written after the change.
    """
    return {
        key: value
        for key, value in (deployment["metadata"].get("annotations") or {}).items()
        if not key.startswith(("kubectl.kubernetes.io/last-applied", "deployment.kubernetes.io/"))
    }


def replica_set_of(deployment: Object, size: int, number: int, ref: dict[str, Any]) -> Object:
    """The ReplicaSet for the Deployment's present template, as revision `number`."""
    metadata, spec = deployment["metadata"], deployment["spec"]
    ending = template_hash(spec["template"])
    template = {**spec["template"], "metadata": dict(spec["template"].get("metadata") or {})}
    template["metadata"]["labels"] = {**(template["metadata"].get("labels") or {}), HASH: ending}
    selector = dict(spec["selector"])
    selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH: ending}
    body = {"replicas": size, "selector": selector, "template": template}
    if spec.get("minReadySeconds"):
        body["minReadySeconds"] = spec["minReadySeconds"]
    return {
        "apiVersion": REPLICA_SETS.api_version,
        "kind": REPLICA_SETS.kind,
        "metadata": {
            "name": f"{metadata['name'][:242]}-{ending}",
            "namespace": metadata["namespace"],
            "labels": dict(template["metadata"]["labels"]),
            "annotations": {**passed_on(deployment), **sizes_noted(deployment), REVISION: str(number)},
            "ownerReferences": [ref],
        },
        "spec": body,
    }
