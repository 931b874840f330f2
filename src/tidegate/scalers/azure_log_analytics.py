"""Number that a Kusto query on a Log Analytics workspace gives.

```yaml
triggers:
- type: azure-log-analytics
  metadata:
    workspaceId: 6a1a9f6e-0000-4000-8000-000000000003
    query: |
      AppRequests
      | where TimeGenerated > ago(10m)
      | summarize waiting = todouble(count())
    threshold: "10"
    tenantId: 6a1a9f6e-0000-4000-8000-000000000002
    clientId: 6a1a9f6e-0000-4000-8000-00000000000a
  authenticationRef:
    name: azure
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: azure
spec:
  secretTargetRef:
  - parameter: clientSecret
    name: azure
    key: secret
```

The query must give one table with one row; its first cell counts, a number (`real`, `int`, `long`) that is
not below zero. No row is a failure and never 0: let a query that may find nothing end in `summarize`. Limit
the time within the query, it is not limited otherwise; logs arrive minutes late. Of an answer that the
service calls incomplete nothing counts.

The application needs the role *Log Analytics Reader*. In its place an identity can ask: see
[Azure identities](../authentication/azure.md).

Up to 20 queries travel in one request, those of other workspaces too. Of a user's queries five run at once;
tables of the plans *Basic* and *Auxiliary* bill each query.

Source: https://learn.microsoft.com/azure/azure-monitor/logs/api/batch-queries
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.identity import Provider, ServicePrincipal
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import (
    AUTHENTICATION,
    ENVIRONMENT,
    METADATA,
    Duration,
    activation,
    declared,
    setting,
    target,
)
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
from tidegate.kit.systems.azure_clouds import endpoint_problems, is_private, scope_of
from tidegate.kit.systems.azure_logs import LogQuery, LogsServer
from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.kusto import kusto_number

_AME = (AUTHENTICATION, METADATA, ENVIRONMENT)


@declared
class AzureLogAnalytics(Polled):
    types: ClassVar[tuple[str, ...]] = ("azure-log-analytics",)
    identities: ClassVar[tuple[Provider, ...]] = ("azure-workload",)
    measured_with: ClassVar[tuple[Provider, ...]] = ("azure-workload",)
    cost: ClassVar[str] = (
        "one request for up to 20 queries of an identity, 4 at a time; metered: at an interval of 30 s 120 "
        "requests an hour, of 200 in each 30 s that the service allows"
    )
    calls: ClassVar[Calls] = LogQuery.calls
    tested_against: ClassVar[str] = "a fake of ours, written from Microsoft's REST documentation"

    workspace: str = setting("workspaceId", doc="Workspace.", sources=_AME)
    query: str = setting("query", doc="Query in Kusto.")
    threshold: float = target("threshold", doc="Number that one replica should carry.")
    activation_threshold: float = activation("activationThreshold")
    tenant: str = tenant_setting(*_AME)
    client_id: str = application_setting("clientId", *_AME)
    client_secret: str = application_secret_setting("clientSecret", *_AME)
    cloud: str = cloud_setting()
    resource_url: str = setting(
        "logAnalyticsResourceURL", doc="Query interface of a `Private` cloud, without `/v1`.", default=""
    )
    unsafe_ssl: bool = setting(
        "unsafeSsl", doc="Accept any certificate; in a `Private` cloud alone.", default=False
    )
    timeout: Duration = setting("timeout", doc="Bound of a request; 9 s without it.", default=0.0)

    def check(self) -> Iterator[Problem]:
        yield from sdk_cloud_problems(self.cloud, "logAnalyticsResourceURL", self.resource_url)
        yield from endpoint_problems("logAnalyticsResourceURL", self.resource_url)
        yield from application_problems(
            self.identity, tenantId=self.tenant, clientId=self.client_id, clientSecret=self.client_secret
        )

    def notices(self) -> Iterator[Problem]:
        if self.unsafe_ssl and not is_private(self.cloud):
            yield Problem("unsafeSsl", "has no effect: Azure's own hosts are always verified")

    def metric_name(self) -> str:
        return normalize(f"azure-log-analytics-{self.workspace}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = LogQuery(self._server(), self.workspace, self.query)
        return kusto_number(await ask(question), question)

    def _server(self) -> LogsServer:
        has_own = is_private(self.cloud)
        own = self.resource_url if has_own else sdk_cloud(self.cloud).logs
        origin, base = split_endpoint(own)
        application = ServicePrincipal(
            self.client_id, self.tenant, self.client_secret, authority_host=authority_of(self.cloud)
        )
        token = asked_by(self.identity, application, scope_of(own))
        is_verified = not (self.unsafe_ssl and has_own)
        return LogsServer(origin, base, token, self.timeout or None, is_verified)
