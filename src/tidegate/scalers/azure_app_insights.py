"""Metric of an application in Application Insights, aggregated over a span.

```yaml
triggers:
- type: azure-app-insights
  metadata:
    applicationInsightsId: 6a1a9f6e-0000-4000-8000-000000000004
    tenantId: 6a1a9f6e-0000-4000-8000-000000000002
    metricId: requests/count
    metricAggregationType: sum
    metricAggregationTimespan: "0:5"
    metricFilter: cloud/roleName eq 'orders'
    ignoreNullValues: "true"
    targetValue: "100"
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

The number of requests is `requests/count` with the aggregation `sum`. In a span without any traffic there is
no number: that is a failure, or 0 with `ignoreNullValues: "true"`. Data come one to three minutes late.
Percent signs in `metricFilter` are read as those of a URL, and `+` is a blank.

The application needs the role *Monitoring Reader*. In its place an identity can ask: see
[Azure identities](../authentication/azure.md).

Source: https://learn.microsoft.com/rest/api/application-insights/metrics/get
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar
from urllib.parse import unquote_plus

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import Place, number
from tidegate.kit.identity import Provider, ServicePrincipal
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Measured, Polled
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, activation, declared, setting, target
from tidegate.kit.systems.azure_api import (
    application_problems,
    asked_by,
    authority_of,
    sdk_cloud,
    sdk_cloud_problems,
    split_endpoint,
)
from tidegate.kit.systems.azure_applications import (
    application_secret_setting,
    application_setting,
    cloud_setting,
    tenant_setting,
)
from tidegate.kit.systems.azure_clouds import cloud_problems, endpoint_problems, is_private, scope_of
from tidegate.kit.systems.azure_insights import InsightsMetric, InsightsServer, span
from tidegate.kit.systems.calls import Calls

_MAE = (METADATA, AUTHENTICATION, ENVIRONMENT)


@declared
class AzureAppInsights(Polled):
    types: ClassVar[tuple[str, ...]] = ("azure-app-insights",)
    identities: ClassVar[tuple[Provider, ...]] = ("azure-workload",)
    measured_with: ClassVar[tuple[Provider, ...]] = ("azure-workload",)
    cost: ClassVar[str] = (
        "one request for up to 20 metrics of an application, 4 at a time; metered: at an interval of 30 s "
        "120 an hour for each, of 200 in each 30 s that the service allows"
    )
    calls: ClassVar[Calls] = InsightsMetric.calls
    tested_against: ClassVar[str] = "a fake of ours, written from Microsoft's REST documentation"

    application: str = setting("applicationInsightsId", doc="Id of the application.", sources=_MAE)
    tenant: str = tenant_setting(*_MAE, is_required=True)
    metric: str = setting("metricId", doc="Metric, such as `requests/count`.")
    aggregation: str = setting(
        "metricAggregationType", doc="`avg`, `sum`, `min`, `max`, `count` or `unique`, as the metric allows."
    )
    timespan: str = setting("metricAggregationTimespan", doc="Span before now, `hh:mm`.")
    metric_filter: str = setting("metricFilter", doc="OData filter.", default="")
    ignore_null_values: bool = setting("ignoreNullValues", doc="No number is 0.", default=False)
    target_value: float = target("targetValue", doc="Value that one replica should carry.", default=0.0)
    activation_value: float = activation("activationTargetValue")
    client_id: str = application_setting("activeDirectoryClientId", *_MAE)
    client_password: str = application_secret_setting(
        "activeDirectoryClientPassword", AUTHENTICATION, ENVIRONMENT
    )
    cloud: str = cloud_setting()
    resource_url: str = setting(
        "appInsightsResourceURL", doc="Query interface of a `Private` cloud, without `/v1`.", default=""
    )
    login_url: str = setting(
        "activeDirectoryEndpoint", doc="Who issues an application's tokens there.", default=""
    )

    def check(self) -> Iterator[Problem]:
        if span(self.timespan) is None:
            yield Problem("metricAggregationTimespan", "must be hh:mm, such as 01:02")
        if not self.target_value and not self.scope.is_metric_source:
            yield Problem("targetValue", "no targetValue given", "FieldValueRequired")
        yield from sdk_cloud_problems(self.cloud, "appInsightsResourceURL", self.resource_url)
        if is_private(self.cloud):
            yield from cloud_problems(self.cloud, activeDirectoryEndpoint=self.login_url)
        yield from endpoint_problems("appInsightsResourceURL", self.resource_url)
        yield from endpoint_problems("activeDirectoryEndpoint", self.login_url)
        yield from application_problems(
            self.identity,
            activeDirectoryClientId=self.client_id,
            activeDirectoryClientPassword=self.client_password,
        )

    def metric_name(self) -> str:
        return normalize(f"azure-app-insights-{self.metric}")

    async def measure(self, ask: Ask, now: datetime) -> Measured | float:
        what = self.metric, self.aggregation, span(self.timespan) or "", unquote_plus(self.metric_filter)
        question = InsightsMetric(self._server(), self.application, *what)
        found = await ask(question)
        if found is None and self.ignore_null_values:
            return Measured((0.0,), is_empty=True)
        return number(found, question, Place(f"{self.aggregation} of {self.metric}", "metricAggregationType"))

    def _server(self) -> InsightsServer:
        own = self.resource_url if is_private(self.cloud) else sdk_cloud(self.cloud).insights
        origin, base = split_endpoint(own)
        application = ServicePrincipal(
            self.client_id,
            self.tenant,
            self.client_password,
            authority_host=authority_of(self.cloud, self.login_url),
        )
        return InsightsServer(origin, base, asked_by(self.identity, application, scope_of(own)))
