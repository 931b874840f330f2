"""Which metrics an external scaler says that it has, and at which targets."""

from __future__ import annotations

import math

from tidegate.base.errors import Malformed
from tidegate.connections.external import externalscaler_pb2 as wire
from tidegate.core.values import MetricSpec


def read_specs(reply: wire.GetMetricSpecResponse) -> tuple[MetricSpec, ...]:
    """The metrics of a reply, each name once.

    A float target counts where it is above 0, rounded to thousandths, else the integer one.
    Source: KEDA's external scaler.
    """
    found: dict[str, MetricSpec] = {}
    for one in reply.metricSpecs:
        is_float = one.targetSizeFloat > 0
        target = round(one.targetSizeFloat, 3) if is_float else float(one.targetSize)
        found.setdefault(one.metricName, MetricSpec(one.metricName, target))
    return tuple(found.values())


def checked(specs: tuple[MetricSpec, ...], on: str) -> tuple[MetricSpec, ...]:
    """The specs, or Malformed: there are none, or one without a name or a target to divide by."""
    wrong = next((one for one in specs if not one.name or not 0 < one.target < math.inf), None)
    if not specs:
        answer = "got empty metric spec"
    elif wrong is not None:
        answer = f'metric "{wrong.name}" has the target {wrong.target:g}'
    else:
        return specs
    raise Malformed("read the metric specs", on=on, answer=answer, next_step="correct the external scaler")
