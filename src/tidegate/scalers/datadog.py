"""Latest value of a Datadog query, or a metric that Datadog's Cluster Agent keeps.

```yaml
triggers:
- type: datadog
  metadata:
    query: sum:shop.orders.waiting{env:prod}
    targetValue: "10"
    age: "120"
  authenticationRef:
    name: datadog
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: datadog
spec:
  secretTargetRef:
  - parameter: apiKey
    name: datadog
    key: api
  - parameter: appKey
    name: datadog
    key: app
```

The last point of the last `age` seconds counts, `timeWindowOffset` seconds ago. The last point of Datadog is
often not complete: `lastAvailablePointOffset: "1"` takes the one before it. Several series want a
`queryAggregator`. Where there is no series, or no value, `metricUnavailableValue` counts, and without one it
is a failure.

Datadog limits the requests of a whole organisation. All queries of an organisation with the same window
travel together; a longer `pollingInterval` (60 s and more) saves the rest.

The Cluster Agent knows DatadogMetric objects, and is asked inside the cluster:

```yaml
triggers:
- type: datadog
  metadata:
    useClusterAgentProxy: "true"
    datadogMetricName: waiting-orders
    datadogMetricNamespace: shop
    targetValue: "10"
  authenticationRef:
    name: agent
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: agent
spec:
  secretTargetRef:
  - parameter: datadogNamespace
    name: agent
    key: namespace
  - parameter: datadogMetricsService
    name: agent
    key: service
  - parameter: authMode
    name: agent
    key: mode
  - parameter: token
    name: agent
    key: token
```

Source: https://docs.datadoghq.com/api/latest/metrics/#query-timeseries-points
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import amount, number
from tidegate.kit.question import Ask
from tidegate.kit.settings import activation, declared, setting, target
from tidegate.kit.systems.datadog import (
    AgentValue,
    DatadogQuery,
    checked_series,
    is_query,
    latest,
    unavailable,
)
from tidegate.kit.systems.datadog_access import DatadogAccess
from tidegate.kit.systems.http import HttpQuestion

ABSENT = -1.0


@declared
class Datadog(DatadogAccess):
    types: ClassVar[tuple[str, ...]] = ("datadog",)
    cost: ClassVar[str] = (
        "one request for up to 50 different queries of an organisation with one window, metered by Datadog; "
        "one for each metric of a Cluster Agent, 16 at a time"
    )
    tested_against: ClassVar[str] = "a fake of ours, written from Datadog's documentation of its API"

    query: str = setting("query", doc="Query, or several separated by commas.", default="")
    query_aggregator: tuple[str, ...] = setting(
        "queryAggregator", doc="`average` or `max` of several series.", default=()
    )
    target_value: float = target(
        "targetValue", "queryValue", doc="Value that one replica should carry.", default=ABSENT
    )
    activation_query_value: float = activation("activationQueryValue")
    activation_target_value: float = setting(
        "activationTargetValue", doc="The same for the Cluster Agent.", default=0.0
    )

    def check(self) -> Iterator[Problem]:
        yield from DatadogAccess.check(self)
        if self.target_value == ABSENT and not self.scope.is_metric_source:
            yield Problem("targetValue", "no targetValue given", "FieldValueRequired")
        if self.query and not is_query(self.query):
            yield Problem("query", "error in query, it should have the form metric{scope}")
        elif not self.query and not self.is_of_agent:
            yield Problem("query", "no query given", "FieldValueRequired")
        if any(one not in ("average", "max") for one in self.query_aggregator):
            yield Problem("queryAggregator", "queryAggregator value has to be either average or max")

    def metric_name(self) -> str:
        if self.is_of_agent:
            return normalize(f"datadogmetric@{self.metric_namespace}:{self.datadog_metric_name}")
        return normalize(f"datadog-{self.query.partition('{')[0]}")

    def activation_target(self) -> float:
        return self.activation_target_value if self.is_of_agent else self.activation_query_value

    async def measure(self, ask: Ask, now: datetime) -> float:
        if self.is_of_agent:
            kept = HttpQuestion(self.agent_request(), AgentValue())
            answer = await ask(kept)
            return self._filled(kept) if answer is None else amount(answer, kept)
        question = DatadogQuery(self.server(), self.query, self.age, self.window_offset)
        series = checked_series(await ask(question), question)
        if not series:
            return self._filled(question)
        is_average = ("average" in self.query_aggregator) if self.query_aggregator else None
        value = latest(series, self.point_offset, is_average, question)
        return self._filled(question) if value is None else number(value, question)

    def _filled(self, question: DatadogQuery | HttpQuestion) -> float:
        return unavailable(question) if self.filler is None else self.filler
