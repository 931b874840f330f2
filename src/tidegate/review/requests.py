"""Utilization of cpu and memory is a share of what containers request: KEDA's webhook refuses a ScaledObject
whose workload is there and requests nothing.

A limit counts, as it does for Kubernetes, and so does a LimitRange that gives containers either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tidegate.api.scaledobject import ScaledObject
from tidegate.api.validation.triggers import objects, part, text
from tidegate.base.problems import Problem
from tidegate.core.values import ResourceMetric
from tidegate.kit.reading import Sources
from tidegate.review.manifest import review
from tidegate.review.notices.resource_requests import is_positive, lacking

Object = dict[str, Any]

KINDS = (("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"))
"""Whose pod template KEDA's webhook looks at."""


def utilization_of(object: ScaledObject) -> list[tuple[int, ResourceMetric]]:
    """The triggers that need requests, with their places."""
    plans = review(object, lambda index: Sources(object.spec.triggers[index].metadata)).triggers
    return [
        (plan.index, plan.resource)
        for plan in plans
        if plan.resource is not None and plan.resource.target_type == "Utilization"
    ]


def request_problems(
    metrics: Iterable[tuple[int, ResourceMetric]], template: Object, limit_ranges: Iterable[Object]
) -> Iterator[Problem]:
    """A problem for each container that requests nothing of what a trigger is about."""
    given = {resource for one in limit_ranges for resource in ("cpu", "memory") if _is_given(one, resource)}
    for index, metric in metrics:
        if metric.name in given:
            continue
        for container in lacking(metric, objects(part(template, "spec"), "containers")):
            message = (
                f"the scaledobject has a {metric.name} trigger but the container {container} doesn't have "
                f"the {metric.name} request defined"
            )
            yield Problem(f"spec.triggers[{index}]", message, "FieldValueRequired")


def _is_given(limit_range: Object, resource: str) -> bool:
    """Whether containers get a request or a limit from it."""
    return any(
        text(item, "type") == "Container"
        and any(is_positive(part(item, field).get(resource)) for field in ("default", "defaultRequest"))
        for item in objects(part(limit_range, "spec"), "limits")
    )
