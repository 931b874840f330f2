"""Value of a LogQL query, asked of Grafana Loki.

```yaml
triggers:
- type: loki
  metadata:
    serverAddress: http://loki.monitoring:3100
    query: sum(rate({app="shop"} |= "error" [1m]))
    threshold: "5"
```

The query must give one value, so it counts lines: a vector with one element, or a scalar. The path
`/loki/api/v1/query` is added to the address as far as it is not there.

An empty result counts as 0, since a quiet application has no lines to count; with `ignoreNullValues: "false"`
it is an error. NaN and infinities are errors.

A tenant, and a login:

```yaml
triggers:
- type: loki
  metadata:
    serverAddress: https://loki.example/tenants
    query: sum(count_over_time({app="shop"}[5m]))
    threshold: "100"
    tenantName: shop
    authModes: basic
  authenticationRef:
    name: loki
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: loki
spec:
  secretTargetRef:
  - parameter: username
    name: loki
    key: user
  - parameter: password
    name: loki
    key: password
```

Source: https://grafana.com/docs/loki/latest/reference/loki-http-api/#query-logs-at-a-single-point-in-time
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.problems import Problem
from tidegate.kit.httpaccess import HttpAccess
from tidegate.kit.picking.gjson import Json
from tidegate.kit.question import Ask
from tidegate.kit.settings import activation, declared, setting, target
from tidegate.kit.systems.http import HttpQuestion, HttpRequest, header_problem
from tidegate.kit.systems.promql import one_value
from tidegate.kit.tls import Tls

PATH = "/loki/api/v1/query"


@declared
class Loki(HttpAccess):
    types: ClassVar[tuple[str, ...]] = ("loki",)
    product: ClassVar[str] = "Loki"
    cost: ClassVar[str] = "one request for each different query of a server and tenant, 16 at a time"
    tested_against: ClassVar[str] = "a fake of ours, written from Grafana's documentation of the API"

    server_address: str = setting("serverAddress", doc="Base URL.", hidden=True)
    query: str = setting("query", doc="LogQL with one value.")
    threshold: float = target("threshold", doc="Value that one replica should carry.")
    activation_threshold: float = activation("activationThreshold")
    tenant_name: str = setting("tenantName", doc="Sent as the header `X-Scope-OrgID`.", default="")
    ignore_null_values: bool = setting(
        "ignoreNullValues", doc="Take an empty result for 0; otherwise it is an error.", default=True
    )
    unsafe_ssl: bool = setting("unsafeSsl", doc="Accept any certificate.", default=False)

    def address(self) -> tuple[str, str]:
        return "serverAddress", self.server_address

    def tls(self) -> Tls:
        return self.tls_of(is_verified=not self.unsafe_ssl)

    def check(self) -> Iterator[Problem]:
        yield from HttpAccess.check(self)
        if problem := header_problem("X-Scope-OrgID", self.tenant_name):
            yield Problem("tenantName", problem)

    def metric_name(self) -> str:
        return "loki"

    async def measure(self, ask: Ask, now: datetime) -> float:
        request = HttpRequest(
            self.server(),
            completed(self.base()),
            (("query", self.query),),
            headers=(("X-Scope-OrgID", self.tenant_name),) if self.tenant_name else (),
            attempted="run the query",
        )
        question = HttpQuestion(request, Json("data.result"))
        return one_value(await ask(question), question, nothing=0.0 if self.ignore_null_values else None)


def completed(base: str) -> str:
    """The path of the query API, of which `base` may have the beginning already, or all."""
    if base.endswith(PATH):
        return base
    return PATH if f"{PATH}/".startswith(f"{base}/") else base + PATH
