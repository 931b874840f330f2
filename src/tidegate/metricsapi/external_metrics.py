"""An HPA's question and its answer in the shapes of the external metrics API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tidegate.api.metric_stream import Metric
from tidegate.base.quantity import metric_quantity
from tidegate.base.selectors import parse_selector
from tidegate.base.times import format_time
from tidegate.kube.resource import ApiError
from tidegate.metricsapi.documents import EXTERNAL, KIND

OWNER = "scaledobject.keda.sh/name"


def metric_of(namespace: str, name: str, selector: str) -> Metric:
    """The metric that is asked for: the selector names its ScaledObject. ApiError where it does not."""
    try:
        parsed = parse_selector(selector)
    except ValueError as error:
        raise ApiError(400, "BadRequest", f"labelSelector: {error}") from error
    labels: dict[str, str] = {}
    for one in parsed.requirements:
        if one.operator not in ("=", "in") or len(one.values) != 1:
            text = f'labelSelector: "{one}" is no equality, and only equalities name a ScaledObject'
            raise internal(text)
        labels[one.key] = one.values[0]
    if not labels.get(OWNER):
        raise internal(f"scaledObject name is not specified: give labelSelector={OWNER}=<name>")
    return Metric(namespace, labels[OWNER], name.lower())


def value_list(name: str, values: Sequence[float], moment: datetime) -> dict[str, Any]:
    """ExternalMetricValueList of the values of one metric, as of a moment."""
    return {
        "kind": KIND,
        "apiVersion": EXTERNAL.api_version,
        "metadata": {},
        "items": [
            {
                "metricName": name,
                "metricLabels": None,
                "timestamp": format_time(moment),
                "value": metric_quantity(value),
            }
            for value in values
        ],
    }


def internal(message: str) -> ApiError:
    """How this API tells of everything that keeps a value from an HPA."""
    return ApiError(500, "InternalError", message)
