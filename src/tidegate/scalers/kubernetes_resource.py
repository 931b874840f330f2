"""A number that a ConfigMap or Secret keeps: for whoever computes it elsewhere and writes it down.

```yaml
triggers:
- type: kubernetes-resource
  metadata:
    resourceKind: ConfigMap
    resourceName: forecast
    key: replicas.json
    format: json
    valueLocation: next.hour
    targetValue: "1"
```

The object is one of the trigger's own namespace. With `format: number` the text of the key is the number;
with `json` and `yaml` it stands at `valueLocation`: a GJSON path (`a.b.0`, `#(name=="x").n`), in YAML names
and indexes between dots. `valueType: quantity` reads texts such as `500m` or `2Gi`, `int64` cuts off what
stands behind the point.

A missing object, key or place is a failure and never a 0. The number is read from a watch, as soon as the
key's text changes (at most once a second) and at each poll.

Source: https://kubernetes.io/docs/concepts/configuration/configmap/
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar, Literal

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import Place, amount, number
from tidegate.kit.picking.gjson import Json, path_problem
from tidegate.kit.picking.pick import Pick, Text
from tidegate.kit.picking.yamlpath import Yaml
from tidegate.kit.question import Ask, Question
from tidegate.kit.scaler import Pushed
from tidegate.kit.settings import activation, declared, setting, target
from tidegate.kit.systems.calls import NO_CALL, Calls
from tidegate.kit.systems.kubernetes import StoredValue

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


@declared
class KubernetesResource(Pushed):
    types: ClassVar[tuple[str, ...]] = ("kubernetes-resource",)
    cost: ClassVar[str] = "no request: the watches of ConfigMaps and Secrets answer"
    calls: ClassVar[Calls] = NO_CALL
    tested_against: ClassVar[str] = "the embedded API server (real)"

    resource_kind: Literal["ConfigMap", "Secret"] = setting("resourceKind", doc="Kind of the object.")
    resource_name: str = setting("resourceName", doc="Its name, in the trigger's namespace.")
    key: str = setting("key", doc="Key of its data.")
    format: Literal["number", "json", "yaml"] = setting("format", doc="What the text is.", default="number")
    value_location: str = setting("valueLocation", doc="Where it stands, in JSON or YAML.", default="")
    value_type: Literal["float64", "int64", "quantity"] = setting(
        "valueType", doc="How it is read.", default="float64"
    )
    target_value: float = target("targetValue", doc="What one replica should carry; above 0.")
    activation_target_value: float = activation("activationTargetValue")

    def check(self) -> Iterator[Problem]:
        if self.target_value <= 0 and not self.scope.is_metric_source:
            yield Problem("targetValue", "targetValue must be a float greater than 0")
        if self.format == "number" and self.value_location:
            yield Problem("valueLocation", "valueLocation is only supported with json or yaml format")
        if self.format != "number" and not self.value_location:
            message = f"valueLocation is required for {self.format} format"
            yield Problem("valueLocation", message, "FieldValueRequired")
        if self.format == "json" and (wrong := path_problem(self.value_location)):
            yield Problem("valueLocation", f'"{self.value_location}" {wrong}')

    def summary(self) -> str:
        return f"{self.resource_kind} {self.resource_name}, {self.key} {self.value_location}".strip()

    def metric_name(self) -> str:
        return normalize(f"{self.resource_kind.lower()}-{self.resource_name}-{self.key}")

    def watch(self) -> StoredValue:
        name = self.resource_name
        return StoredValue(self.scope.namespace, self.resource_kind, name, self.key, self._pick())

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = self.watch()
        value = self._number(await ask(question), question)
        return float(math.trunc(value)) if self.value_type == "int64" else value

    def _pick(self) -> Pick:
        if self.format == "number":
            return Text()
        return Json(self.value_location) if self.format == "json" else Yaml(self.value_location)

    def _number(self, answer: Any, question: Question) -> float:
        place = Place(f"key {self.key} of {self.resource_kind} {self.scope.namespace}/{self.resource_name}")
        if answer is None:
            raise place.unreadable(question, f"path {self.value_location} not found in {self.format}")
        is_quantity = self.value_type == "quantity" or (
            self.format == "json" and self.value_type == "float64"
        )
        if is_quantity:
            return amount(answer, question, place)
        if isinstance(answer, str) and self.format != "json":
            if _NUMBER.fullmatch(answer.strip()) is None:
                raise place.unreadable(question, "its text is no number")
            return number(float(answer), question, place)
        return number(answer, question, place)
