"""Newest value of a metric in Azure Monitor, of any resource.

```yaml
triggers:
- type: azure-monitor
  metadata:
    resourceURI: Microsoft.ServiceBus/namespaces/shop
    subscriptionId: 6a1a9f6e-0000-4000-8000-000000000001
    resourceGroupName: shop
    tenantId: 6a1a9f6e-0000-4000-8000-000000000002
    metricName: ActiveMessages
    metricFilter: EntityName eq 'orders'
    metricAggregationType: Average
    metricAggregationInterval: "0:5:0"
    targetValue: "50"
    activeDirectoryClientId: 6a1a9f6e-0000-4000-8000-00000000000a
  authenticationRef:
    name: azure
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: azure
spec:
  secretTargetRef:
  - parameter: activeDirectoryClientPassword
    name: azure
    key: secret
```

The number is that of the newest point (usually of one minute) within `metricAggregationInterval`, not an
aggregation over it: `Total` is the total of that minute. Points of a minute that is not over have no number
yet; the one before counts then. With several series (a filter with `'*'`) the first counts.

The application needs the role *Monitoring Reader*. In its place an identity can ask: see
[Azure identities](../authentication/azure.md).

Metrics of one resource travel together. Name the `region` and resources of a type do, 50 to a call of the
region's own metrics interface. A `pollingInterval` below 60 buys nothing.

Source: https://learn.microsoft.com/rest/api/monitor/metrics/list
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar, Literal

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import number
from tidegate.kit.question import Ask
from tidegate.kit.settings import activation, declared, setting, target
from tidegate.kit.systems.azure_monitor import OF_RESOURCE, MetricPoint, window_s
from tidegate.kit.systems.azure_monitor_access import MonitorAccess
from tidegate.kit.systems.calls import Calls

_AGGREGATIONS = Literal["Average", "Count", "Maximum", "Minimum", "None", "Total"]


@declared
class AzureMonitor(MonitorAccess):
    types: ClassVar[tuple[str, ...]] = ("azure-monitor",)
    cost: ClassVar[str] = (
        "one call for up to 20 metrics of a resource, with `region` one for up to 50 resources; metered: at "
        "an interval of 30 s each is 120 calls an hour, of the 12,000 that a subscription allows"
    )
    calls: ClassVar[Calls] = OF_RESOURCE
    tested_against: ClassVar[str] = "a fake of ours, written from Microsoft's REST documentation"

    resource_uri: str = setting("resourceURI", doc="Resource, as `namespace/type/name`.")
    subscription: str = setting("subscriptionId", doc="Its subscription.")
    resource_group: str = setting("resourceGroupName", doc="Its resource group.")
    metric: str = setting("metricName", doc="One metric.")
    metric_namespace: str = setting("metricNamespace", doc="Namespace of a custom metric.", default="")
    metric_filter: str = setting("metricFilter", doc="OData filter on its dimensions.", default="")
    aggregation: _AGGREGATIONS = setting("metricAggregationType", doc="Which number of a point.")
    interval: str = setting(
        "metricAggregationInterval", doc="How far to look back, `hh:mm:ss`.", default="0:5:0"
    )
    target_value: float = target("targetValue", doc="Value that one replica should carry.", default=0.0)
    activation_value: float = activation("activationTargetValue")

    def check(self) -> Iterator[Problem]:
        if self.resource_uri.count("/") != 2 or not all(self.resource_uri.split("/")):
            yield Problem("resourceURI", "must be namespace/type/name")
        if "," in self.metric:
            yield Problem("metricName", "must be one metric: one of several would count as none")
        if self.aggregation == "None":
            yield Problem("metricAggregationType", "points have no number of this kind")
        if window_s(self.interval) is None:
            yield Problem("metricAggregationInterval", "must be hh:mm:ss, and longer than nothing")
        if not self.target_value and not self.scope.is_metric_source:
            yield Problem("targetValue", "no targetValue given", "FieldValueRequired")
        yield from MonitorAccess.check(self)

    def metric_name(self) -> str:
        return normalize(f"azure-monitor-{self.metric}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
        question = MetricPoint(
            self.server(),
            f"{group}/providers/{self.resource_uri}",
            self.resource_uri.rpartition("/")[0],
            self.metric,
            self.aggregation,  # type: ignore[arg-type]  # `check` refuses "None"
            window_s(self.interval) or 300,
            self.metric_namespace,
            self.metric_filter,
        )
        return number(await ask(question), question)
