"""Validation of the built-in kinds: what users get wrong, all of it at once, each with its path.

Pure. The objects are well-typed and defaulted. What the schemas call required is not repeated here:
there it means "always written by Go", not "must be given".
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tidegate.base.problems import Problem
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.validation.contents import config_map_problems, secret_problems
from tidegate.local.apiserver.validation.crd import crd_problems
from tidegate.local.apiserver.validation.endpoints import (
    ENDPOINTS,
    SLICES,
    endpoints_problems,
    slice_problems,
)
from tidegate.local.apiserver.validation.hpa import hpa_problems
from tidegate.local.apiserver.validation.object_metadata import metadata_problems
from tidegate.local.apiserver.validation.pods.specification import pod_spec_problems
from tidegate.local.apiserver.validation.policies.classes import (
    limit_range_problems,
    priority_class_problems,
    resource_quota_problems,
    storage_class_problems,
)
from tidegate.local.apiserver.validation.policies.networking import (
    ingress_problems,
    network_policy_problems,
)
from tidegate.local.apiserver.validation.roles import binding_problems, role_problems
from tidegate.local.apiserver.validation.rules import (
    Problems,
    at_least,
    count_or_share,
    label_selector,
    one_of,
    wrong,
)
from tidegate.local.apiserver.validation.services import service_problems
from tidegate.local.apiserver.validation.storage import claim_problems, volume_problems
from tidegate.local.apiserver.validation.workloads.cron_job import cron_job_problems
from tidegate.local.apiserver.validation.workloads.daemon_set import daemon_set_problems
from tidegate.local.apiserver.validation.workloads.job import job_problems
from tidegate.local.apiserver.validation.workloads.replicated import (
    deployment_problems,
    replica_set_problems,
)
from tidegate.local.apiserver.validation.workloads.stateful_set import (
    controller_revision_problems,
    stateful_set_problems,
)
from tidegate.local.objects import Object
from tidegate.local.unhonoured import POD_SPECS, RUNTIMES, asked_runtime


def problems(kind: Kind, body: Object, old: Object | None = None) -> list[Problem]:
    """Everything wrong with a built-in object; `old` is what it was before the write."""
    found = [*metadata_problems(kind, body["metadata"]), *_runtime(kind.key, body, old)]
    if kind.key in _KNOWING_WHAT_WAS:
        return [*found, *_KNOWING_WHAT_WAS[kind.key](body, old)]
    check = _BY_KEY.get(kind.key)
    return [*found, *check(body)] if check is not None else found


def _runtime(key: str, body: Object, old: Object | None) -> Problems:
    """What was stored before there was such an annotation may stay."""
    if key in POD_SPECS:
        path, asked = asked_runtime(key, body)
        if old is None or asked_runtime(key, old)[1] != asked:
            yield from one_of(path, asked, RUNTIMES)


def _pod(body: Object) -> Problems:
    yield from pod_spec_problems("spec", body["spec"])


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


# What older servers took, or what can never change, may stay as it is.
_KNOWING_WHAT_WAS: dict[str, Callable[[Object, Object | None], Problems]] = {
    "horizontalpodautoscalers.autoscaling": hpa_problems,
    "cronjobs.batch": cron_job_problems,
}
_BY_KEY: dict[str, Callable[[Object], Problems]] = {
    "pods": _pod,
    "deployments.apps": deployment_problems,
    "replicasets.apps": replica_set_problems,
    "statefulsets.apps": stateful_set_problems,
    "daemonsets.apps": daemon_set_problems,
    "controllerrevisions.apps": controller_revision_problems,
    "jobs.batch": job_problems,
    "services": service_problems,
    ENDPOINTS: endpoints_problems,
    SLICES: slice_problems,
    "secrets": secret_problems,
    "configmaps": config_map_problems,
    "persistentvolumeclaims": claim_problems,
    "persistentvolumes": volume_problems,
    "events": _event,
    "poddisruptionbudgets.policy": _disruption_budget,
    "leases.coordination.k8s.io": _lease,
    "ingresses.networking.k8s.io": ingress_problems,
    "networkpolicies.networking.k8s.io": network_policy_problems,
    "storageclasses.storage.k8s.io": storage_class_problems,
    "priorityclasses.scheduling.k8s.io": priority_class_problems,
    "limitranges": limit_range_problems,
    "resourcequotas": resource_quota_problems,
    "roles.rbac.authorization.k8s.io": partial(role_problems, is_namespaced=True),
    "clusterroles.rbac.authorization.k8s.io": partial(role_problems, is_namespaced=False),
    "rolebindings.rbac.authorization.k8s.io": partial(binding_problems, is_namespaced=True),
    "clusterrolebindings.rbac.authorization.k8s.io": partial(binding_problems, is_namespaced=False),
    "customresourcedefinitions.apiextensions.k8s.io": crd_problems,
}
