"""What a built-in object asks for and does not get here: told when it is written. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tidegate.local.apiserver.kinds import Kind
from tidegate.local.objects import Object


def warnings(kind: Kind, new: Object) -> list[str]:
    """One sentence for each thing that has no effect."""
    tell = _BY_KEY.get(kind.key)
    told = list(tell(new)) if tell is not None else []
    if kind.key in _POD_SPECS:
        told += _pod(".".join(_POD_SPECS[kind.key]), _at(new, _POD_SPECS[kind.key]))
    return told


def _at(found: Object, path: tuple[str, ...]) -> Object:
    for field in path:
        found = found.get(field) or {}
    return found


def _pod(path: str, spec: Object) -> Iterator[str]:
    for index, volume in enumerate(spec.get("volumes") or ()):
        empty = volume.get("emptyDir") or {}
        if empty.get("sizeLimit") not in (None, "0"):
            yield f"{path}.volumes[{index}].emptyDir.sizeLimit has no effect: nobody is evicted for it"
        if empty.get("medium"):
            yield f"{path}.volumes[{index}].emptyDir.medium has no effect: the folder is on a disk"


def _stateful_set(new: Object) -> Iterator[str]:
    rolling = new["spec"]["updateStrategy"].get("rollingUpdate") or {}
    if rolling.get("maxUnavailable") not in (None, 1):
        yield "spec.updateStrategy.rollingUpdate.maxUnavailable has no effect: pods are updated one by one"


def _always(told: str) -> Callable[[Object], Iterator[str]]:
    return lambda new: iter((told,))


_TEMPLATE = ("spec", "template", "spec")
_POD_SPECS: dict[str, tuple[str, ...]] = {
    "pods": ("spec",),
    "deployments.apps": _TEMPLATE,
    "statefulsets.apps": _TEMPLATE,
    "daemonsets.apps": _TEMPLATE,
    "jobs.batch": _TEMPLATE,
    "cronjobs.batch": ("spec", "jobTemplate", *_TEMPLATE),
}
_BY_KEY: dict[str, Callable[[Object], Iterator[str]]] = {
    "statefulsets.apps": _stateful_set,
    "ingresses.networking.k8s.io": _always(
        "an Ingress has no effect here: nothing serves its hosts; "
        "a Service of type NodePort is reached at 127.0.0.1"
    ),
    "networkpolicies.networking.k8s.io": _always(
        "a NetworkPolicy has no effect here: pods reach each other, and are reached, whatever it says"
    ),
    "storageclasses.storage.k8s.io": _always(
        "provisioner, parameters, mountOptions and volumeBindingMode of a StorageClass have no effect here: "
        "a claim that no PersistentVolume fits gets a folder of this machine"
    ),
    "priorityclasses.scheduling.k8s.io": _always(
        "a PriorityClass has no effect here: no pod gives way to another"
    ),
    "limitranges": _always(
        "a LimitRange has no effect here: containers get no requests and limits by it, and none are refused"
    ),
    "resourcequotas": _always(
        "a ResourceQuota has no effect here: nothing is counted, and nothing is refused"
    ),
}
