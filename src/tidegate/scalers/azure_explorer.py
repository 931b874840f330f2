"""Number that a Kusto query on an Azure Data Explorer database gives.

```yaml
triggers:
- type: azure-data-explorer
  metadata:
    endpoint: https://shop.westeurope.kusto.windows.net
    databaseName: orders
    query: Orders | where State == "waiting" | count
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

The query must give one row; its first cell counts, a number (`real`, `int`, `long`) that is not below zero.
No row is a failure and never 0. A query has 9 s, and is ended by the cluster then: let one that takes longer
read a materialised view.

The application needs the role *viewer* in the database. The token is for the cluster at `endpoint` and no
other. In its place an identity can ask: see [Azure identities](../authentication/azure.md).

Source: https://learn.microsoft.com/kusto/api/rest/request
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
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, activation, declared, setting, target
from tidegate.kit.systems.azure_api import application_problems, asked_by, split_endpoint
from tidegate.kit.systems.azure_applications import (
    application_secret_setting,
    application_setting,
    tenant_setting,
)
from tidegate.kit.systems.azure_clouds import (
    cloud_of,
    cloud_problems,
    endpoint_problems,
    is_private,
    scope_of,
)
from tidegate.kit.systems.azure_explorer import ExplorerQuery, ExplorerServer
from tidegate.kit.systems.kusto import kusto_number

_MAE = (METADATA, AUTHENTICATION, ENVIRONMENT)


@declared
class AzureExplorer(Polled):
    types: ClassVar[tuple[str, ...]] = ("azure-data-explorer",)
    identities: ClassVar[tuple[Provider, ...]] = ("azure-workload",)
    measured_with: ClassVar[tuple[Provider, ...]] = ("azure-workload",)
    cost: ClassVar[str] = (
        "one request for each different query, 8 at a time of a cluster; at an interval of 30 s 120 an hour, "
        "paid for as the cluster's own time"
    )
    tested_against: ClassVar[str] = "a fake of ours, written from Microsoft's REST documentation"

    endpoint: str = setting("endpoint", doc="URL of the cluster.")
    database: str = setting("databaseName", doc="Database.")
    query: str = setting("query", doc="Query in Kusto.")
    threshold: float = target("threshold", doc="Number that one replica should carry.")
    activation_threshold: float = activation("activationThreshold")
    tenant: str = tenant_setting(*_MAE)
    client_id: str = application_setting("clientId", *_MAE)
    client_secret: str = application_secret_setting("clientSecret", AUTHENTICATION)
    cloud: str = setting("cloud", doc="Cloud that issues the application's tokens.", default="")
    login_url: str = setting(
        "activeDirectoryEndpoint", doc="Who issues them in a `Private` cloud.", default=""
    )

    def check(self) -> Iterator[Problem]:
        yield from endpoint_problems("endpoint", self.endpoint)
        yield from cloud_problems(self.cloud, activeDirectoryEndpoint=self.login_url)
        yield from endpoint_problems("activeDirectoryEndpoint", self.login_url)
        yield from application_problems(
            self.identity, tenantId=self.tenant, clientId=self.client_id, clientSecret=self.client_secret
        )

    def metric_name(self) -> str:
        return normalize(f"azure-data-explorer-{self.database}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = ExplorerQuery(self._server(), self.database, self.query)
        return kusto_number(await ask(question), question)

    def _server(self) -> ExplorerServer:
        origin, base = split_endpoint(self.endpoint)
        own = cloud_of(self.cloud).login if self.cloud else ""
        authority = self.login_url if is_private(self.cloud) else own
        application = ServicePrincipal(
            self.client_id, self.tenant, self.client_secret, authority_host=authority
        )
        return ExplorerServer(origin, base, asked_by(self.identity, application, scope_of(origin)))
