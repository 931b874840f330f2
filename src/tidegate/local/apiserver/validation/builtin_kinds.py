"""Validation of the built-in kinds: what users get wrong, all of it at once, each with its path.

Pure. The objects are well-typed and defaulted. What the schemas call required is not repeated here:
there it means "always written by Go", not "must be given".
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tidegate.base.problems import Problem
from tidegate.base.selectors import from_label_selector
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.validation import names
from tidegate.local.apiserver.validation.contents import config_map_problems, secret_problems
from tidegate.local.apiserver.validation.crd import crd_problems
from tidegate.local.apiserver.validation.endpoints import (
    ENDPOINTS,
    SLICES,
    endpoints_problems,
    slice_problems,
)
from tidegate.local.apiserver.validation.hpa import hpa_problems
from tidegate.local.apiserver.validation.job import job_problems
from tidegate.local.apiserver.validation.object_metadata import metadata_problems
from tidegate.local.apiserver.validation.pods.specification import pod_spec_problems
from tidegate.local.apiserver.validation.roles import binding_problems, role_problems
from tidegate.local.apiserver.validation.rules import (
    Problems,
    amount,
    at_least,
    count_or_percent,
    count_or_share,
    forbidden,
    label_selector,
    labels,
    one_of,
    quantity,
    required,
    wrong,
    wrongs,
)
from tidegate.local.apiserver.validation.services import service_problems
from tidegate.local.objects import Object

_ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_HPA = "horizontalpodautoscalers.autoscaling"
_VOLUME_MODES = ("Block", "Filesystem")


def problems(kind: Kind, body: Object, old: Object | None = None) -> list[Problem]:
    """Everything wrong with a built-in object; `old` is what it was before the write."""
    found = list(metadata_problems(kind, body["metadata"]))
    if kind.key == _HPA:
        # The one kind whose rules know what stood there: what older servers took may stay.
        return [*found, *hpa_problems(body, old)]
    check = _BY_KEY.get(kind.key)
    if check is not None:
        found += check(body)
    return found


def _pod(body: Object) -> Problems:
    yield from pod_spec_problems("spec", body["spec"])


def _template(spec: dict[str, Any], restarts: tuple[str, ...]) -> Problems:
    yield from labels("spec.template.metadata.labels", spec["template"]["metadata"].get("labels"))
    yield from pod_spec_problems("spec.template.spec", spec["template"]["spec"], restarts)


def _selects(selector: dict[str, Any], template_labels: dict[str, str]) -> bool:
    return from_label_selector(selector).matches(template_labels)


def _selected_template(spec: dict[str, Any], kind: str) -> Problems:
    """A workload that finds its pods by a selector."""
    yield from at_least("spec.replicas", spec.get("replicas"), 0)
    selector = spec.get("selector")
    bad = list(label_selector("spec.selector", selector))
    yield from bad
    if selector is None:
        yield required("spec.selector")
    elif not (selector.get("matchLabels") or selector.get("matchExpressions")):
        yield wrong("spec.selector", selector, f"empty selector is invalid for {kind}")
    elif bad:
        yield wrong("spec.selector", selector, "invalid label selector")
    template_labels = spec["template"]["metadata"].get("labels")
    if not bad and selector != {} and not (selector and _selects(selector, template_labels or {})):
        told = "`selector` does not match template `labels`"
        yield wrong("spec.template.metadata.labels", template_labels, told)
    yield from _template(spec, ("Always",))


def _deployment(body: Object) -> Problems:
    spec = body["spec"]
    yield from _selected_template(spec, "deployment")
    for field in ("minReadySeconds", "revisionHistoryLimit"):
        yield from at_least(f"spec.{field}", spec.get(field), 0)
    strategy = spec["strategy"]
    yield from one_of("spec.strategy.type", strategy["type"], ("Recreate", "RollingUpdate"))
    if spec.get("progressDeadlineSeconds") is not None:
        yield from at_least("spec.progressDeadlineSeconds", spec["progressDeadlineSeconds"], 0)
        if spec["progressDeadlineSeconds"] <= (spec.get("minReadySeconds") or 0):
            told = "must be greater than minReadySeconds"
            yield wrong("spec.progressDeadlineSeconds", spec["progressDeadlineSeconds"], told)
    rolling = strategy.get("rollingUpdate")
    if strategy["type"] == "Recreate" and rolling:
        yield forbidden(
            "spec.strategy.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'"
        )
    elif rolling:
        yield from count_or_percent("spec.strategy.rollingUpdate.maxSurge", rolling["maxSurge"])
        unavailable = rolling["maxUnavailable"]
        yield from count_or_share("spec.strategy.rollingUpdate.maxUnavailable", unavailable)
        if str(rolling["maxSurge"]).rstrip("%") == str(rolling["maxUnavailable"]).rstrip("%") == "0":
            yield wrong(
                "spec.strategy.rollingUpdate.maxUnavailable",
                rolling["maxUnavailable"],
                "may not be 0 when `maxSurge` is 0",
            )


def _replica_set(body: Object) -> Problems:
    yield from _selected_template(body["spec"], "replicaset")
    yield from at_least("spec.minReadySeconds", body["spec"].get("minReadySeconds"), 0)


def _job(body: Object) -> Problems:
    yield from job_problems(body)
    if body["spec"]["template"]["spec"]["restartPolicy"] == "Always":
        yield required("spec.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"')
        yield from _template(body["spec"], ("Always", "OnFailure", "Never"))
    else:
        yield from _template(body["spec"], ("OnFailure", "Never"))


def _access(spec: dict[str, Any]) -> Problems:
    modes = spec.get("accessModes") or []
    if not modes:
        yield required("spec.accessModes", "at least 1 access mode is required")
    for mode in modes:
        yield from one_of("spec.accessModes", mode, _ACCESS_MODES)


def _storage(path: str, amounts: dict[str, Any] | None) -> Problems:
    storage = (amounts or {}).get("storage")
    if storage is None:
        yield required(path)
    elif (found := amount(storage)) is None:
        yield from quantity(path, storage)
    elif found <= 0:
        yield wrong(path, str(storage), "must be greater than zero")


def _class_and_mode(spec: dict[str, Any]) -> Problems:
    if name := spec.get("storageClassName"):
        yield from wrongs("spec.storageClassName", name, names.subdomain(name))
    yield from one_of("spec.volumeMode", spec.get("volumeMode"), _VOLUME_MODES)


def _claim(body: Object) -> Problems:
    spec = body["spec"]
    if spec.get("selector"):
        yield from label_selector("spec.selector", spec["selector"])
    yield from _access(spec)
    yield from _storage("spec.resources[storage]", (spec.get("resources") or {}).get("requests"))
    yield from _class_and_mode(spec)


def _volume(body: Object) -> Problems:
    spec = body["spec"]
    yield from _access(spec)
    yield from _storage("spec.capacity[storage]", spec.get("capacity"))
    yield from _class_and_mode(spec)


def _disruption_budget(body: Object) -> Problems:
    spec = body.get("spec") or {}
    bounds = {name: spec[name] for name in ("minAvailable", "maxUnavailable") if spec.get(name) is not None}
    if len(bounds) > 1:
        yield wrong("spec", bounds, "minAvailable and maxUnavailable cannot be both set")
    for name, value in bounds.items():
        yield from count_or_share(f"spec.{name}", value)
    if spec.get("selector") is not None:
        yield from label_selector("spec.selector", spec["selector"])
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None:
        yield from one_of("spec.unhealthyPodEvictionPolicy", policy, ("AlwaysAllow", "IfHealthyBudget"))


def _event(body: Object) -> Problems:
    about = body.get("involvedObject") or {}
    namespace = body["metadata"].get("namespace")
    if (about.get("namespace") or "default") != namespace:
        yield wrong(
            "involvedObject.namespace", about.get("namespace") or "", "does not match event.namespace"
        )


def _lease(body: Object) -> Problems:
    spec = body.get("spec") or {}
    duration = spec.get("leaseDurationSeconds")
    if duration is not None and duration <= 0:
        yield wrong("spec.leaseDurationSeconds", duration, "must be greater than 0")
    yield from at_least("spec.leaseTransitions", spec.get("leaseTransitions"), 0)


_BY_KEY: dict[str, Callable[[Object], Problems]] = {
    "pods": _pod,
    "deployments.apps": _deployment,
    "replicasets.apps": _replica_set,
    "jobs.batch": _job,
    "services": service_problems,
    ENDPOINTS: endpoints_problems,
    SLICES: slice_problems,
    "secrets": secret_problems,
    "configmaps": config_map_problems,
    "persistentvolumeclaims": _claim,
    "persistentvolumes": _volume,
    "events": _event,
    "poddisruptionbudgets.policy": _disruption_budget,
    "leases.coordination.k8s.io": _lease,
    "roles.rbac.authorization.k8s.io": partial(role_problems, is_namespaced=True),
    "clusterroles.rbac.authorization.k8s.io": partial(role_problems, is_namespaced=False),
    "rolebindings.rbac.authorization.k8s.io": partial(binding_problems, is_namespaced=True),
    "clusterrolebindings.rbac.authorization.k8s.io": partial(binding_problems, is_namespaced=False),
    "customresourcedefinitions.apiextensions.k8s.io": crd_problems,
}
