"""HorizontalPodAutoscalers as autoscaling/v1 shows them; they are stored as autoscaling/v2.

What v1 has no field for stands in annotations, as in Kubernetes, so that nothing is lost on the way
there and back. `kubectl autoscale` up to 1.32 writes v1, later ones fall back to it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tidegate.kube.resource import ApiError
from tidegate.local.objects import Object

Part = dict[str, Any]
PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS, CURRENT = f"{PREFIX}metrics", f"{PREFIX}current-metrics"
BEHAVIOR, CONDITIONS = f"{PREFIX}behavior", f"{PREFIX}conditions"
_COUNTS = ("observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas")
_CPU = {"type": "Resource", "resource": {"name": "cpu"}}
_AMOUNTS = ("value", "averageValue", "averageUtilization")


def to_v1(body: Object) -> Object:
    """The v1 form of a stored object."""
    spec, status = dict(body.get("spec") or {}), body.get("status") or {}
    annotations = dict((body.get("metadata") or {}).get("annotations") or {})
    percent, metrics = _without_cpu(spec.pop("metrics", None) or (), "target")
    if percent is not None:
        spec["targetCPUUtilizationPercentage"] = percent
    used, current = _without_cpu(status.get("currentMetrics") or (), "current")
    shown = {name: status[name] for name in _COUNTS if name in status}
    if used is not None:
        shown["currentCPUUtilizationPercentage"] = used
    notes = {
        METRICS: [_flat(one, "target") for one in metrics],
        CURRENT: [_flat(one, "current") for one in current],
        BEHAVIOR: spec.pop("behavior", None),
        CONDITIONS: status.get("conditions"),
    }
    annotations |= {key: msgspec.json.encode(note).decode() for key, note in notes.items() if note}
    found = {**body, "apiVersion": "autoscaling/v1", "spec": spec}
    found["metadata"] = _annotated(body.get("metadata") or {}, annotations)
    return found | ({"status": shown} if "status" in body else {})


def from_v1(body: Object) -> Object:
    """The form to store of a v1 object. 400 when an annotation that stands for a field is not JSON."""
    spec, status = dict(body.get("spec") or {}), body.get("status") or {}
    annotations = dict((body.get("metadata") or {}).get("annotations") or {})
    notes = {key: _read(annotations, key) for key in (METRICS, CURRENT, BEHAVIOR, CONDITIONS)}
    metrics = [_deep(one, "target") for one in notes[METRICS] or ()]
    percent = spec.pop("targetCPUUtilizationPercentage", None)
    if percent is not None:
        metrics.insert(0, _cpu("target", {"type": "Utilization", "averageUtilization": percent}))
    if metrics:
        spec["metrics"] = metrics
    if notes[BEHAVIOR]:
        spec["behavior"] = notes[BEHAVIOR]
    stored = {name: status[name] for name in _COUNTS if name in status}
    current = [_deep(one, "current") for one in notes[CURRENT] or ()]
    used = status.get("currentCPUUtilizationPercentage")
    if used is not None:
        current.insert(0, _cpu("current", {"averageUtilization": used}))
    stored |= {name: found for name, found in (("currentMetrics", current),) if found}
    if notes[CONDITIONS]:
        stored["conditions"] = notes[CONDITIONS]
    found = {**body, "apiVersion": "autoscaling/v2", "spec": spec}
    found["metadata"] = _annotated(body.get("metadata") or {}, annotations)
    return found | ({"status": stored} if "status" in body else {})


def _annotated(metadata: Part, annotations: Part) -> Part:
    kept = {key: value for key, value in metadata.items() if key != "annotations"}
    return kept | ({"annotations": annotations} if annotations else {})


def _read(annotations: Part, key: str) -> Any:
    """What an annotation stands for; it goes with that."""
    text = annotations.pop(key, None)
    try:
        return None if text is None else msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise ApiError(400, "BadRequest", f"metadata.annotations[{key}] is not JSON: {error}") from error


def _cpu(word: str, amounts: Part) -> Part:
    return {"type": "Resource", "resource": {"name": "cpu", word: amounts}}


def _without_cpu(metrics: Any, word: str) -> tuple[int | None, list[Part]]:
    """The one number that v1 has a field for, and all other metrics."""
    percent, others = None, []
    for metric in metrics:
        source = metric.get("resource") or {}
        number = (source.get(word) or {}).get("averageUtilization")
        if percent is None and source.get("name") == "cpu" and number is not None:
            percent = number
        else:
            others.append(metric)
    return percent, others


def _field(metric: Part) -> str:
    type = str(metric.get("type") or "")
    return type[:1].lower() + type[1:]


def _amount_names(field: str, word: str) -> Part:
    """v2's names of amounts to v1's: `averageValue` to `targetAverageValue`, but for objects."""
    names = {name: word + name[:1].upper() + name[1:] for name in _AMOUNTS}
    return names | ({"averageValue": "averageValue"} if field == "object" else {})


def _selector_name(field: str) -> str:
    return "metricSelector" if field == "external" else "selector"


def _flat(metric: Part, word: str) -> Part:
    """A metric as v1 wrote it, with its amounts beside its name. `word`: `target` or `current`."""
    field = _field(metric)
    source = metric.get(field) or {}
    named, amounts = source.get("metric") or {}, source.get(word) or {}
    flat = {name: source[name] for name in ("name", "container") if name in source}
    if "describedObject" in source:
        flat["target"] = source["describedObject"]
    if "name" in named:
        flat["metricName"] = named["name"]
    if "selector" in named:
        flat[_selector_name(field)] = named["selector"]
    names = _amount_names(field, word)
    return {
        "type": metric.get("type"),
        field: flat | {names[key]: amounts[key] for key in names if key in amounts},
    }


def _deep(metric: Any, word: str) -> Part:
    """The v2 form of a metric that `_flat` wrote; what is none is left as it is, for validation."""
    flat = metric.get(_field(metric)) if isinstance(metric, dict) else None
    if not isinstance(flat, dict):
        return dict(metric) if isinstance(metric, dict) else {"type": str(metric)}
    field = _field(metric)
    names = _amount_names(field, word)
    amounts = {key: flat[names[key]] for key in names if names[key] in flat}
    if word == "target":
        type = "Utilization" if "averageUtilization" in amounts else "Value"
        amounts["type"] = "AverageValue" if "averageValue" in amounts else type
    source = {name: flat[name] for name in ("name", "container") if name in flat}
    if "target" in flat:
        source["describedObject"] = flat["target"]
    if "metricName" in flat:
        selector = flat.get(_selector_name(field))
        source["metric"] = {"name": flat["metricName"], **({"selector": selector} if selector else {})}
    return {"type": metric["type"], field: {**source, word: amounts}}
