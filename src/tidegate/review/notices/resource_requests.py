"""Utilization of cpu and memory is a share of what containers request: those that request nothing.

KEDA's webhook refuses such an object where it sees the workload; here it is told, since the workload
may be mended without touching the object. A limit counts, as it does for Kubernetes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tidegate.api.scaledobject import ScaledObject
from tidegate.api.validation.triggers import objects, part, text
from tidegate.base.problems import Problem
from tidegate.base.quantity import parse_quantity
from tidegate.core.values import ResourceMetric

Object = dict[str, Any]


def request_notices(
    object: ScaledObject, index: int, metric: ResourceMetric, template: Object
) -> Iterator[Problem]:
    """What keeps the HPA from computing trigger `index` for pods of this template."""
    containers = objects(part(template, "spec"), "containers")
    target = object.spec.scale_target_ref
    on = f"{target.kind or 'Deployment'}/{target.name}"
    path = f"spec.triggers[{index}]"
    if metric.container:
        containers = [one for one in containers if text(one, "name") == metric.container]
        if not containers:
            message = f'"{metric.container}": {on} has no container of this name'
            yield Problem(f"{path}.metadata.containerName", message, "FieldValueNotFound")
    if metric.target_type != "Utilization":
        return
    lacking = [text(one, "name") for one in containers if not _asks_for(one, metric.name)]
    if lacking:
        names = ", ".join(f'"{name}"' for name in lacking)
        message = (
            f'"Utilization" cannot be computed: {on} sets no resources.requests.{metric.name} '
            f"for container {names}"
        )
        yield Problem(f"{path}.metricType", message, "FieldValueRequired")


def _asks_for(container: Object, resource: str) -> bool:
    return any(
        _is_positive(part(container, "resources", field).get(resource)) for field in ("requests", "limits")
    )


def _is_positive(quantity: Any) -> bool:
    try:
        return parse_quantity(str(quantity)) > 0
    except ValueError:
        return False
