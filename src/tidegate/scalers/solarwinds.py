"""Measurement of a metric in SolarWinds Observability.

```yaml
triggers:
- type: solarwinds
  metadata:
    host: https://api.na-01.cloud.solarwinds.com
    metricName: shop.orders.waiting
    aggregation: MAX
    intervalS: "120"
    filter: queue:orders
    targetValue: "10"
  authenticationRef:
    name: solarwinds
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: solarwinds
spec:
  secretTargetRef:
  - parameter: apiToken
    name: solarwinds
    key: token
```

What the values of the last `intervalS` seconds come to, as one number. A filter that finds several groups
gives the first one's. No data are a failure.

Source: https://documentation.solarwinds.com/en/success_center/observability/content/api/api-swagger.htm
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar, Literal

from tidegate.base.problems import Problem
from tidegate.kit.answers import number
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, activation, declared, setting, target
from tidegate.kit.systems.http import header_problem, read_url
from tidegate.kit.systems.solarwinds import Measurement, SolarwindsServer


@declared
class Solarwinds(Polled):
    types: ClassVar[tuple[str, ...]] = ("solarwinds",)
    cost: ClassVar[str] = "one request for each different measurement, 16 at a time; metered by SolarWinds"
    tested_against: ClassVar[str] = "a fake of ours, written from SolarWinds' documentation of its API"

    host: str = setting("host", doc="Base URL of the API.", hidden=True)
    metric: str = setting("metricName", doc="Metric.")
    aggregation: Literal["COUNT", "MIN", "MAX", "AVG", "SUM", "LAST"] = setting(
        "aggregation", doc="What becomes of several values."
    )
    interval_s: int = setting("intervalS", doc="How far back it looks, in seconds.")
    filter: str = setting("filter", doc="Filter expression.", default="")
    target_value: float = target("targetValue", doc="Value that one replica should carry.")
    activation_value: float = activation("activationValue")
    api_token: str = setting("apiToken", doc="Token.", default="", sources=(AUTHENTICATION,), secret=True)

    def check(self) -> Iterator[Problem]:
        try:
            read_url(self.host)
        except ValueError:
            text = (
                "invalid value for host. Must be a valid URL such as 'https://api.na-01.cloud.solarwinds.com'"
            )
            yield Problem("host", text)
        if problem := header_problem("Authorization", self.api_token):
            yield Problem("apiToken", problem)
        if self.interval_s <= 0:
            yield Problem("intervalS", "it must be above 0")

    def metric_name(self) -> str:
        return "solarwinds"

    async def measure(self, ask: Ask, now: datetime) -> float:
        server = SolarwindsServer(self.host.rstrip("/"), self.api_token)
        question = Measurement(server, self.metric, self.aggregation, self.interval_s, self.filter)
        return number(await ask(question), question)
