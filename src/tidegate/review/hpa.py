"""The HorizontalPodAutoscaler that a ScaledObject gets. Names and labels are KEDA's: it is a drop-in."""

from __future__ import annotations

from typing import Any

import msgspec

import tidegate
from tidegate.api.kinds import API_VERSION
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import Misconfigured
from tidegate.base.quantity import canonical, metric_quantity
from tidegate.core.control_annotations import HPA_EXCLUDED_LABELS, pause_of
from tidegate.core.scaledobject.restore import COUNT_OF
from tidegate.core.triggers.scaling_modifiers import Composite, modifiers_of
from tidegate.core.values import ExternalMetric, ResourceMetric
from tidegate.review.manifest import TriggerPlan

HPA_PREFIX = "keda-hpa-"
NAME_LABEL = "scaledobject.keda.sh/name"
STANDARD_LABELS = tuple(f"app.kubernetes.io/{name}" for name in ("name", "version", "part-of", "managed-by"))
_LABEL_MAX = 63


def hpa_name(object: ScaledObject) -> str:
    """The name its HPA has: its own choice, or `keda-hpa-<name>`."""
    advanced = object.spec.advanced
    config = advanced.horizontal_pod_autoscaler_config if advanced is not None else None
    return (config.name if config is not None else None) or HPA_PREFIX + object.metadata.name


def wanted_hpa(
    object: ScaledObject, plans: tuple[TriggerPlan, ...], composite: Composite | None = None
) -> dict[str, Any]:
    """The whole autoscaling/v2 body, a value of its own.

    With scalingModifiers (`composite`) one metric stands for all external ones. Misconfigured when
    there is no metric, as where the modifiers cannot be used: an HPA without any would follow cpu.
    """
    metrics = _metrics(object, plans, composite)
    if not metrics:
        namespace, name = object.metadata.namespace, object.metadata.name
        raise Misconfigured(
            f"build the HPA of ScaledObject {namespace}/{name}",
            answer=f"no metric specs returned from scalers for ScaledObject {namespace}/{name}",
            next_step="correct at least one of its triggers",
        )
    target = object.spec.scale_target_ref
    spec: dict[str, Any] = {
        "scaleTargetRef": {
            "apiVersion": target.api_version or "apps/v1",
            "kind": target.kind or "Deployment",
            "name": target.name,
        },
        "minReplicas": max(1, object.spec.replicas_min),
        "maxReplicas": object.spec.replicas_max,
        "metrics": metrics,
    }
    behavior = _behavior(object)
    if behavior:
        spec["behavior"] = behavior
    metadata: dict[str, Any] = {
        "name": hpa_name(object),
        "namespace": object.metadata.namespace,
        "labels": _labels(object),
        "ownerReferences": [
            {
                "apiVersion": API_VERSION,
                "kind": "ScaledObject",
                "name": object.metadata.name,
                "uid": object.metadata.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    }
    annotations = {key: text for key, text in object.metadata.annotations.items() if key != COUNT_OF}
    if annotations:
        metadata["annotations"] = annotations
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata,
        "spec": spec,
    }


def _labels(object: ScaledObject) -> dict[str, str]:
    """Ours, then the object's own (they win), without those it excludes by annotation."""
    written = object.metadata.annotations.get(HPA_EXCLUDED_LABELS, "")
    excluded = {label.strip() for label in written.split(",")}
    own = {key: value for key, value in object.metadata.labels.items() if key not in excluded}
    return {
        "app.kubernetes.io/name": _label_value(hpa_name(object)),
        "app.kubernetes.io/version": tidegate.__version__,
        "app.kubernetes.io/part-of": _label_value(object.metadata.name),
        "app.kubernetes.io/managed-by": "keda-operator",
        **own,
    }


def _label_value(name: str) -> str:
    """`name` cut to what a label may hold: 63 characters that end in a letter or digit."""
    cut = name[:_LABEL_MAX]
    while cut and not cut[-1].isalnum():
        cut = cut[:-1]
    return cut


def _behavior(object: ScaledObject) -> dict[str, Any]:
    """The user's behaviour; a paused direction is Disabled and keeps its other rules."""
    advanced = object.spec.advanced
    config = advanced.horizontal_pod_autoscaler_config if advanced is not None else None
    given = config.behavior if config is not None else None
    behavior: dict[str, Any] = {}
    if given is not None:
        behavior = msgspec.json.decode(msgspec.json.encode(given))
    pause = pause_of(object.metadata.annotations)
    for direction, is_paused in (
        ("scaleDown", pause.is_scale_in_paused),
        ("scaleUp", pause.is_scale_out_paused),
    ):
        if is_paused:
            behavior[direction] = {**behavior.get(direction, {}), "selectPolicy": "Disabled"}
    return behavior


def _metrics(
    object: ScaledObject, plans: tuple[TriggerPlan, ...], composite: Composite | None
) -> list[dict[str, Any]]:
    """All metrics, sorted by type, else in the order of the triggers."""
    external = [metric for plan in plans for metric in plan.metrics]
    if modifiers_of(object.spec) is not None:
        external = [composite.metric] if composite is not None else []
    metrics = [_external(object, metric) for metric in external]
    metrics += [_resource(plan.resource) for plan in plans if plan.resource is not None]
    return sorted(metrics, key=lambda metric: str(metric["type"]))


def _external(object: ScaledObject, metric: ExternalMetric) -> dict[str, Any]:
    field = "value" if metric.target_type == "Value" else "averageValue"
    return {
        "type": "External",
        "external": {
            "metric": {
                "name": metric.name,
                "selector": {"matchLabels": {NAME_LABEL: object.metadata.name}},
            },
            "target": {"type": metric.target_type, field: metric_quantity(metric.target)},
        },
    }


def _resource(metric: ResourceMetric) -> dict[str, Any]:
    target: dict[str, Any] = {"type": metric.target_type}
    if metric.target_type == "Utilization":
        target["averageUtilization"] = int(metric.target)
    else:
        # As the server keeps it: in another form it would be written again at each look.
        target["averageValue"] = canonical(metric.target)
    if metric.container:
        return {
            "type": "ContainerResource",
            "containerResource": {"name": metric.name, "container": metric.container, "target": target},
        }
    return {"type": "Resource", "resource": {"name": metric.name, "target": target}}
