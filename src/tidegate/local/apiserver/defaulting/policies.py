"""Defaults of the kinds that are stored and have no effect: one function per kind, in place, pure."""

from __future__ import annotations

from tidegate.local.apiserver.defaulting.pod_spec import fill
from tidegate.local.apiserver.defaulting.workloads import canonical_quantities
from tidegate.local.objects import Object

_AMOUNTS = ("default", "defaultRequest", "max", "maxLimitRequestRatio", "min")


def ingress(body: Object) -> None:
    body.setdefault("status", {}).setdefault("loadBalancer", {})


def network_policy(body: Object) -> None:
    spec = body.setdefault("spec", {})
    spec.setdefault("podSelector", {})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            fill(port, "protocol", "TCP")


def storage_class(body: Object) -> None:
    fill(body, "reclaimPolicy", "Delete")
    fill(body, "volumeBindingMode", "Immediate")


def priority_class(body: Object) -> None:
    body.setdefault("value", 0)
    fill(body, "preemptionPolicy", "PreemptLowerPriority")


def limit_range(body: Object) -> None:
    for item in body.setdefault("spec", {}).setdefault("limits", []) or ():
        if item.get("type") == "Container":
            # A limit is the most there may be, a request is the limit, or the least there must be.
            limits = {**(item.get("max") or {}), **(item.get("default") or {})}
            requests = {**(item.get("min") or {}), **limits, **(item.get("defaultRequest") or {})}
            item |= {"default": limits} if limits else {}
            item |= {"defaultRequest": requests} if requests else {}
        for field in _AMOUNTS:
            canonical_quantities(item.get(field) or {}, *(item.get(field) or {}))


def resource_quota(body: Object) -> None:
    hard = body.setdefault("spec", {}).get("hard") or {}
    canonical_quantities(hard, *hard)
    body.setdefault("status", {})
