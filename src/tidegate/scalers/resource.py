"""CPU or memory of the pods, measured by the HPA itself from the cluster's resource metrics.

```yaml
triggers:
- type: cpu
  metricType: Utilization
  metadata:
    value: "60"
```

```yaml
triggers:
- type: memory
  metricType: AverageValue
  metadata:
    value: 512Mi
    containerName: worker
```

`metricType` is required: with `Utilization` the value is whole percent of the pods' requests, with
`AverageValue` a quantity for each pod. `containerName` looks at one container of the pods alone.
Nothing is polled, and such a trigger cannot wake a workload from zero: an object that has only
these stays at one replica or more.

Source: https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from tidegate.base.problems import Problem
from tidegate.base.quantity import parse_quantity
from tidegate.core.values import ResourceMetric
from tidegate.kit.scaler import Native
from tidegate.kit.settings import declared, deprecated, setting


@declared
class Resource(Native):
    types: ClassVar[tuple[str, ...]] = ("cpu", "memory")

    value: str = setting("value", doc="Target: whole percent, or a quantity for each pod.")
    container_name: str = setting("containerName", doc="Container to look at; all if empty.", default="")
    old_metric_type: str = deprecated(
        "type",
        message="write it as metricType, beside type and metadata: KEDA refuses it here since v2.18",
        doc="The metric type, as older manifests write it; `metricType` counts more.",
        default="",
    )

    def check(self) -> Iterator[Problem]:
        given = self.wanted_type()
        if given not in ("Utilization", "AverageValue"):
            wrong = f"unknown metric type: {given}" if given else "metric type is not set"
            yield Problem(
                "metricType",
                f"{wrong}, allowed values are 'Utilization' or 'AverageValue'",
                "FieldValueNotSupported" if given else "FieldValueRequired",
            )
        elif given == "Utilization" and not _is_percent(self.value):
            yield Problem("value", f'"{self.value}" is not whole percent (a number without % or fraction)')
        elif given == "AverageValue" and not _is_quantity(self.value):
            yield Problem("value", f'"{self.value}" is not a quantity such as 500m or 512Mi')
        elif parse_quantity(self.value) <= 0:
            yield Problem("value", f'"{self.value}" is not above 0, as a target must be')

    def wanted_type(self) -> str:
        """The trigger's metricType, or what an older manifest has in its place."""
        return self.metric_type or self.old_metric_type

    def resource_metric(self) -> ResourceMetric:
        is_percent = self.wanted_type() == "Utilization"
        return ResourceMetric(
            name=self.type,
            target=str(int(self.value)) if is_percent else self.value,
            target_type="Utilization" if is_percent else "AverageValue",
            container=self.container_name,
        )


def _is_percent(text: str) -> bool:
    """Whether `text` is a decimal integer of 32 bits; here a sign and leading zeros are allowed."""
    digits = text[1:] if text[:1] in ("+", "-") else text
    return digits.isascii() and digits.isdigit() and len(digits) < 20 and -(2**31) <= int(text) < 2**31


def _is_quantity(text: str) -> bool:
    try:
        parse_quantity(text)
    except ValueError:
        return False
    return True
