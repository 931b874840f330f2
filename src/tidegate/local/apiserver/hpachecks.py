"""Validation of HorizontalPodAutoscalers. Pure; the values are well-typed and defaulted."""

from __future__ import annotations

from typing import Any

from tidegate.local.apiserver.rules import (
    Problems,
    amount,
    at_least,
    label_selector,
    one_of,
    quantity,
    required,
    wrong,
)
from tidegate.local.objects import Object

# Each metric type: where its source stands, and what kinds of target it may have.
_SOURCES: dict[str, tuple[str, tuple[str, ...]]] = {
    "Resource": ("resource", ("Utilization", "AverageValue")),
    "ContainerResource": ("containerResource", ("Utilization", "AverageValue")),
    "Pods": ("pods", ("AverageValue",)),
    "Object": ("object", ("Value", "AverageValue")),
    "External": ("external", ("Value", "AverageValue")),
}
_TARGET_FIELDS = {
    "Utilization": "averageUtilization",
    "AverageValue": "averageValue",
    "Value": "value",
}
_WINDOW_MAX_S, _PERIOD_MAX_S = 3600, 1800


def hpa_problems(body: Object) -> Problems:
    spec = body["spec"]
    target = spec.get("scaleTargetRef") or {}
    for field in ("kind", "name"):
        if not target.get(field):
            yield required(f"spec.scaleTargetRef.{field}")
    minimum, maximum = spec["minReplicas"], spec.get("maxReplicas")
    yield from at_least("spec.minReplicas", minimum, 1)
    if maximum is None:
        yield required("spec.maxReplicas")
    else:
        yield from at_least("spec.maxReplicas", maximum, 1)
        if maximum < minimum:
            yield wrong("spec.maxReplicas", maximum, "must be greater than or equal to `minReplicas`")
    for index, metric in enumerate(spec["metrics"]):
        yield from _metric(f"spec.metrics[{index}]", metric)
    yield from behavior_problems("spec.behavior", spec.get("behavior") or {})


def behavior_problems(path: str, behavior: dict[str, Any]) -> Problems:
    """Everything wrong with the rules of both directions; they are defaulted."""
    for direction, rules in behavior.items():
        yield from _rules(f"{path}.{direction}", rules)


def _metric(path: str, metric: dict[str, Any]) -> Problems:
    type = metric.get("type")
    if not type:
        yield required(f"{path}.type")
        return
    yield from one_of(f"{path}.type", type, _SOURCES)
    if type not in _SOURCES:
        return
    field, target_types = _SOURCES[type]
    source = metric.get(field)
    where = f"{path}.{field}"
    if not source:
        yield required(where, "must populate the given metric source")
        return
    if field in ("resource", "containerResource"):
        if not source.get("name"):
            yield required(f"{where}.name")
    else:
        named = source.get("metric") or {}
        if not named.get("name"):
            yield required(f"{where}.metric.name")
        yield from label_selector(f"{where}.metric.selector", named.get("selector"))
    if field == "containerResource" and not source.get("container"):
        yield required(f"{where}.container")
    if field == "object":
        for name in ("kind", "name"):
            if not (source.get("describedObject") or {}).get(name):
                yield required(f"{where}.describedObject.{name}")
    yield from _target(f"{where}.target", source.get("target") or {}, target_types)


def _target(path: str, target: dict[str, Any], types: tuple[str, ...]) -> Problems:
    type = target.get("type")
    if not type:
        yield required(f"{path}.type")
        return
    yield from one_of(f"{path}.type", type, types)
    if type not in types:
        return
    field = _TARGET_FIELDS[type]
    if target.get(field) is None:
        yield required(f"{path}.{field}", f"when the target's type is {type}")
    if target.get("averageUtilization") is not None:
        yield from at_least(f"{path}.averageUtilization", target["averageUtilization"], 1)
    for field in ("value", "averageValue"):
        if target.get(field) is not None:
            yield from _positive(f"{path}.{field}", target[field])


def _positive(path: str, value: Any) -> Problems:
    found = amount(value)
    if found is None:
        yield from quantity(path, value)
    elif found <= 0:
        yield wrong(path, value, "must be positive")


def _rules(path: str, rules: dict[str, Any]) -> Problems:
    window = rules.get("stabilizationWindowSeconds")
    if window is not None and not 0 <= window <= _WINDOW_MAX_S:
        yield wrong(f"{path}.stabilizationWindowSeconds", window, f"must be between 0 and {_WINDOW_MAX_S}")
    yield from one_of(f"{path}.selectPolicy", rules["selectPolicy"], ("Max", "Min", "Disabled"))
    if rules.get("tolerance") is not None:
        yield from quantity(f"{path}.tolerance", rules["tolerance"])
    if not rules["policies"]:
        yield required(f"{path}.policies", "must specify at least one Policy")
    for index, policy in enumerate(rules["policies"]):
        where = f"{path}.policies[{index}]"
        yield from one_of(f"{where}.type", policy.get("type") or "", ("Pods", "Percent"))
        for field in ("value", "periodSeconds"):
            if policy.get(field) is None or policy[field] < 1:
                yield wrong(f"{where}.{field}", policy.get(field), "must be greater than zero")
        if (policy.get("periodSeconds") or 0) > _PERIOD_MAX_S:
            yield wrong(f"{where}.periodSeconds", policy["periodSeconds"], f"must be at most {_PERIOD_MAX_S}")
