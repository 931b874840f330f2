"""What may not change after creation, kind by kind. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidegate.base.problems import Problem
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.validation.rules import Problems, forbidden, wrong
from tidegate.local.objects import Object

_FIXED = "field is immutable"
_POD_MAY = (
    "pod updates may not change fields other than `spec.containers[*].image`, "
    "`spec.initContainers[*].image`, `spec.activeDeadlineSeconds`, `spec.tolerations` (only additions)"
)
_POD_MUTABLE = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "schedulingGates")


def problems(kind: Kind, old: Object, new: Object) -> list[Problem]:
    """Every change that this kind does not allow."""
    compare = _BY_KEY.get(kind.key)
    return list(compare(old, new)) if compare else []


def _fields(old: dict[str, Any], new: dict[str, Any], prefix: str, *names: str) -> Problems:
    for name in names:
        if old.get(name) != new.get(name):
            yield wrong(f"{prefix}{name}", new.get(name), _FIXED)


def _selector(old: Object, new: Object) -> Problems:
    yield from _fields(old["spec"], new["spec"], "spec.", "selector")


_STATEFUL_MAY = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


def _stateful_set(old: Object, new: Object) -> Problems:
    def core(found: Object) -> dict[str, Any]:
        return {name: value for name, value in found["spec"].items() if name not in _STATEFUL_MAY}

    if core(old) != core(new):
        may = "', '".join(_STATEFUL_MAY[:-1])
        told = f"updates to statefulset spec for fields other than '{may}' and '{_STATEFUL_MAY[-1]}' are"
        yield forbidden("spec", f"{told} forbidden")


def _revision(old: Object, new: Object) -> Problems:
    yield from _fields(old, new, "", "data")


def _job(old: Object, new: Object) -> Problems:
    names = ["selector", "template", "completionMode"]
    names += ["podFailurePolicy", "successPolicy", "backoffLimitPerIndex"]
    if new["spec"].get("completionMode") != "Indexed":
        names.append("completions")
    yield from _fields(old["spec"], new["spec"], "spec.", *names)


def _content(old: Object, new: Object) -> Problems:
    if old.get("immutable") is not True:
        return
    for name in ("data", "binaryData"):
        if (old.get(name) or {}) != (new.get(name) or {}):
            yield forbidden(name, "field is immutable when `immutable` is set")
    if new.get("immutable") is not True:
        yield forbidden("immutable", "field is immutable when `immutable` is set")


def _secret(old: Object, new: Object) -> Problems:
    yield from _fields(old, new, "", "type")
    yield from _content(old, new)


def _service(old: Object, new: Object) -> Problems:
    before, after = old["spec"].get("clusterIP"), new["spec"].get("clusterIP")
    is_external = "ExternalName" in (old["spec"].get("type"), new["spec"].get("type"))
    if before and before != after and not is_external:
        yield wrong("spec.clusterIP", after, _FIXED)


def _slice(old: Object, new: Object) -> Problems:
    yield from _fields(old, new, "", "addressType")


def _pod(old: Object, new: Object) -> Problems:
    if _pod_core(old["spec"]) != _pod_core(new["spec"]):
        yield forbidden("spec", _POD_MAY)
    elif old["spec"].get("nodeName") and old["spec"]["nodeName"] != new["spec"].get("nodeName"):
        yield forbidden("spec.nodeName", "a pod stays on its node")


def _pod_core(spec: dict[str, Any]) -> dict[str, Any]:
    """The parts of a Pod's spec that never change."""
    core = {name: value for name, value in spec.items() if name not in (*_POD_MUTABLE, "nodeName")}
    for field in ("containers", "initContainers"):
        if field in core:
            core[field] = [
                {name: value for name, value in container.items() if name != "image"}
                for container in core[field]
            ]
    return core


def _claim(old: Object, new: Object) -> Problems:
    def core(spec: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in spec.items() if name not in ("resources", "volumeName")}

    if core(old["spec"]) != core(new["spec"]):
        yield forbidden("spec", "spec is immutable after creation except resources.requests")
    before = old["spec"].get("volumeName")
    if before and before != new["spec"].get("volumeName"):
        yield forbidden("spec.volumeName", "a bound claim keeps its volume")


def _binding(old: Object, new: Object) -> Problems:
    if old.get("roleRef") != new.get("roleRef"):
        yield wrong("roleRef", new.get("roleRef"), "cannot change roleRef")


def _storage_class(old: Object, new: Object) -> Problems:
    for name in ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"):
        if old.get(name) != new.get(name):
            yield forbidden(name, f"updates to {name} are forbidden.")


def _priority_class(old: Object, new: Object) -> Problems:
    if old["value"] != new["value"]:
        yield forbidden("value", "may not be changed in an update.")
    yield from _fields(old, new, "", "preemptionPolicy")


def _crd(old: Object, new: Object) -> Problems:
    yield from _fields(old["spec"], new["spec"], "spec.", "group", "scope")
    yield from _fields(old["spec"]["names"], new["spec"]["names"], "spec.names.", "plural", "kind")


_BY_KEY: dict[str, Callable[[Object, Object], Problems]] = {
    "pods": _pod,
    "deployments.apps": _selector,
    "replicasets.apps": _selector,
    "statefulsets.apps": _stateful_set,
    "daemonsets.apps": _selector,
    "controllerrevisions.apps": _revision,
    "jobs.batch": _job,
    "secrets": _secret,
    "configmaps": _content,
    "services": _service,
    "endpointslices.discovery.k8s.io": _slice,
    "persistentvolumeclaims": _claim,
    "storageclasses.storage.k8s.io": _storage_class,
    "priorityclasses.scheduling.k8s.io": _priority_class,
    "rolebindings.rbac.authorization.k8s.io": _binding,
    "clusterrolebindings.rbac.authorization.k8s.io": _binding,
    "customresourcedefinitions.apiextensions.k8s.io": _crd,
}
