"""Validation of HorizontalPodAutoscalers: what the real server refuses, and nothing that it takes.

Pure; the values are well-typed and defaulted. The type of a target says how it is read, not which of its
fields may be set: an AverageValue target with a utilization is stored.

Source: Kubernetes 1.34, `pkg/apis/autoscaling/validation`.
"""

from __future__ import annotations

from typing import Any

from tidegate.local.apiserver.validation.rules import (
    Problems,
    amount,
    at_least,
    forbidden,
    label_name,
    one_of,
    path_segment,
    quantity,
    required,
    wrong,
)
from tidegate.local.objects import Object

# Each metric type, and where its source stands; of several sources the first in this order is looked at.
_SOURCES = {
    "Object": "object",
    "External": "external",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}
_EITHER = {
    "external": "must set either a target value for metric or a per-pod target",
    "object": "must set either a target value or a per-pod target",
}
_TARGET_TYPES = ("Utilization", "Value", "AverageValue")
_WINDOW_MAX_S, _PERIOD_MAX_S = 3600, 1800


def hpa_problems(body: Object, old: Object | None = None) -> Problems:
    """Everything wrong with an HPA; `old` is what it was before the write."""
    spec = body["spec"]
    minimum, maximum = spec["minReplicas"], spec.get("maxReplicas") or 0
    yield from at_least("spec.minReplicas", minimum, 1)
    if minimum == 0 and not any(one.get("type") in ("Object", "External") for one in spec["metrics"]):
        told = "must specify at least one Object or External metric to support scaling to zero replicas"
        yield forbidden("spec.metrics", told)
    if maximum < 1:
        yield wrong("spec.maxReplicas", maximum, "must be greater than 0")
    if maximum < minimum:
        yield wrong("spec.maxReplicas", maximum, "must be greater than or equal to `minReplicas`")
    target = spec.get("scaleTargetRef") or {}
    yield from _reference("spec.scaleTargetRef", target)
    if old is None or _api(target) != _api(old["spec"].get("scaleTargetRef") or {}):
        is_core = target.get("kind") == "ReplicationController"
        yield from _api_version("spec.scaleTargetRef", target, needs_group=not is_core)
    for index, metric in enumerate(spec["metrics"]):
        yield from _metric(f"spec.metrics[{index}]", metric)
    yield from behavior_problems("spec.behavior", spec.get("behavior") or {})


def behavior_problems(path: str, behavior: dict[str, Any]) -> Problems:
    """Everything wrong with the rules of both directions; they are defaulted."""
    for direction in ("scaleUp", "scaleDown"):
        if direction in behavior:
            yield from _rules(f"{path}.{direction}", behavior[direction])


def _reference(path: str, reference: dict[str, Any]) -> Problems:
    for field in ("kind", "name"):
        if not reference.get(field):
            yield required(f"{path}.{field}")
        else:
            yield from path_segment(f"{path}.{field}", reference[field])


def _api(reference: dict[str, Any]) -> tuple[Any, Any]:
    return reference.get("apiVersion") or "", reference.get("kind")


def _api_version(path: str, reference: dict[str, Any], *, needs_group: bool) -> Problems:
    written = reference.get("apiVersion") or ""
    if written.count("/") > 1:
        yield wrong(f"{path}.apiVersion", written, f"unexpected GroupVersion string: {written}")
    elif needs_group and not written.partition("/")[1]:
        yield wrong(f"{path}.apiVersion", written, "apiVersion must specify API group")


def _metric(path: str, metric: dict[str, Any]) -> Problems:
    type = metric.get("type") or ""
    if not type:
        yield required(f"{path}.type", "must specify a metric source type")
    yield from one_of(f"{path}.type", type, sorted(_SOURCES))
    present = [field for field in _SOURCES.values() if metric.get(field) is not None]
    if present:
        yield from _source(f"{path}.{present[0]}", present[0], metric[present[0]])
    wanted = _SOURCES.get(type)
    if wanted is not None and wanted not in present:
        yield required(f"{path}.{wanted}", "must populate information for the given metric source")
    if len(present) > 1:
        for field in present:
            if field != wanted:
                yield forbidden(f"{path}.{field}", "must populate the given metric source only")


def _source(path: str, field: str, source: dict[str, Any]) -> Problems:
    target = source.get("target") or {}
    where = f"{path}.target"
    if field in ("resource", "containerResource"):
        if not source.get("name"):
            yield required(f"{path}.name", "must specify a resource name")
        if field == "containerResource":
            yield from label_name(f"{path}.container", source.get("container"))
        yield from _target(where, target)
        has_utilization = target.get("averageUtilization") is not None
        if not has_utilization and target.get("averageValue") is None:
            why = "must set either a target raw value or a target utilization"
            yield required(f"{where}.averageUtilization", why)
        if has_utilization and target.get("averageValue") is not None:
            why = "may not set both a target raw value and a target utilization"
            yield forbidden(f"{where}.averageValue", why)
        return
    if field == "object":
        described = source.get("describedObject") or {}
        yield from _reference(f"{path}.describedObject", described)
        yield from _api_version(f"{path}.describedObject", described, needs_group=False)
    name = (source.get("metric") or {}).get("name")
    if not name:
        yield required(f"{path}.metric.name", "must specify a metric name")
    else:
        yield from path_segment(f"{path}.metric.name", name)
    yield from _target(where, target)
    has_value, has_average = target.get("value") is not None, target.get("averageValue") is not None
    if field == "pods" and not has_average:
        yield required(f"{where}.averageValue", "must specify a positive target averageValue")
    if field != "pods" and not has_value and not has_average:
        yield required(f"{where}.averageValue", _EITHER[field])
    if field == "external" and has_value and has_average:
        why = "may not set both a target value for metric and a per-pod target"
        yield forbidden(f"{where}.value", why)


def _target(path: str, target: dict[str, Any]) -> Problems:
    type = target.get("type") or ""
    if not type:
        yield required(f"{path}.type", "must specify a metric target type")
    if type not in _TARGET_TYPES:
        yield wrong(f"{path}.type", type, "must be either Utilization, Value, or AverageValue")
    for field in ("value", "averageValue"):
        if target.get(field) is not None:
            yield from _positive(f"{path}.{field}", target[field])
    share = target.get("averageUtilization")
    if share is not None and share < 1:
        yield wrong(f"{path}.averageUtilization", share, "must be greater than 0")


def _positive(path: str, value: Any) -> Problems:
    found = amount(value)
    if found is None:
        yield from quantity(path, value)
    elif found <= 0:
        yield wrong(path, value, "must be positive")


def _rules(path: str, rules: dict[str, Any]) -> Problems:
    window = rules.get("stabilizationWindowSeconds")
    if window is not None and window < 0:
        yield wrong(f"{path}.stabilizationWindowSeconds", window, "must be greater than or equal to zero")
    if window is not None and window > _WINDOW_MAX_S:
        why = f"must be less than or equal to {_WINDOW_MAX_S}"
        yield wrong(f"{path}.stabilizationWindowSeconds", window, why)
    yield from one_of(f"{path}.selectPolicy", rules["selectPolicy"], ("Disabled", "Max", "Min"))
    if not rules["policies"]:
        yield required(f"{path}.policies", "must specify at least one Policy")
    for index, policy in enumerate(rules["policies"]):
        where = f"{path}.policies[{index}]"
        yield from one_of(f"{where}.type", policy.get("type") or "", ("Percent", "Pods"))
        for field in ("value", "periodSeconds"):
            if (policy.get(field) or 0) < 1:
                yield wrong(f"{where}.{field}", policy.get(field) or 0, "must be greater than zero")
        if (policy.get("periodSeconds") or 0) > _PERIOD_MAX_S:
            why = f"must be less than or equal to {_PERIOD_MAX_S}"
            yield wrong(f"{where}.periodSeconds", policy["periodSeconds"], why)
    if rules.get("tolerance") is not None:
        yield from quantity(f"{path}.tolerance", rules["tolerance"])
