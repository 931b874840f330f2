"""Utilization of cpu and memory is a share of what containers request: those that request nothing.

The webhook refuses such an object where it sees the workload (`review/requests.py`); here it is told, since
the workload may be changed without touching the object. A limit counts, as it does for Kubernetes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
    names = ", ".join(f'"{name}"' for name in lacking(metric, containers))
    if names:
        message = (
            f'"Utilization" cannot be computed: {on} sets no resources.requests.{metric.name} '
            f"for container {names}"
        )
        yield Problem(f"{path}.metricType", message, "FieldValueRequired")


def lacking(metric: ResourceMetric, containers: Iterable[Object]) -> list[str]:
    """The containers that the metric is about and that request nothing of it."""
    named = ((text(one, "name"), one) for one in containers)
    return [name for name, one in named if metric.container in ("", name) and not _asks_for(one, metric.name)]


def _asks_for(container: Object, resource: str) -> bool:
    return any(
        is_positive(part(container, "resources", field).get(resource)) for field in ("requests", "limits")
    )


def is_positive(quantity: Any) -> bool:
    """Whether it is a quantity of more than nothing."""
    try:
        return parse_quantity(str(quantity)) > 0
    except ValueError:
        return False
