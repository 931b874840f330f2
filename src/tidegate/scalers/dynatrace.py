"""Value of a Dynatrace metric selector, or of a query in DQL to Grail.

```yaml
triggers:
- type: dynatrace
  metadata:
    host: https://abc12345.live.dynatrace.com
    metricSelector: shop.orders.waiting:splitBy():avg:fold(last)
    from: now-10m
    threshold: "10"
  authenticationRef:
    name: dynatrace
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: dynatrace
spec:
  secretTargetRef:
  - parameter: token
    name: dynatrace
    key: token
```

The first value of the first series counts: let the selector give one (`splitBy()`, `fold(…)`). A selector
without a series or with a null is a failure; where that means 0, add `:default(0)`. The token is an API token
with the scope `metrics.read`.

In DQL the number is the field `r` of the first record, a double (`toDouble`). The token is then one of the
platform, and the host that of the apps:

```yaml
triggers:
- type: dynatrace
  metadata:
    host: https://abc12345.apps.dynatrace.com
    query: 'timeseries w = avg(shop.orders.waiting), from:now()-10m | fieldsAdd r = arrayLast(w) | fields r'
    threshold: "10"
  authenticationRef:
    name: dynatrace
```

It runs while it is asked for: `queryPollingTries` times with `queryPollingWait` in between, a minute at most.

Source: https://docs.dynatrace.com/docs/dynatrace-api/environment-api/metric-v2/get-data-points
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.problems import Problem
from tidegate.kit.answers import Place, number
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, METADATA, Duration, activation, declared, setting, target
from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.dynatrace import Dql, DynatraceServer, MetricSelector
from tidegate.kit.systems.http import header_problem, read_url


@declared
class Dynatrace(Polled):
    types: ClassVar[tuple[str, ...]] = ("dynatrace",)
    cost: ClassVar[str] = (
        "one request for up to 10 selectors with one `from`, where Dynatrace repeats them as they were "
        "written; two and more for each DQL query; metered by Dynatrace"
    )
    calls: ClassVar[Calls] = MetricSelector.calls
    tested_against: ClassVar[str] = "a fake of ours, written from Dynatrace's documentation of both APIs"

    host: str = setting("host", doc="Base URL.", sources=(METADATA, AUTHENTICATION), hidden=True)
    token: str = setting("token", doc="Token.", sources=(AUTHENTICATION,), secret=True)
    metric_selector: str = setting("metricSelector", doc="Selector of a metric.", default="")
    query: str = setting("query", doc="Query in DQL, instead.", default="")
    since: str = setting("from", doc="Since when; `now-2h` without it (selector).", default="")
    fetch_s: int = setting("queryTimeoutSeconds", doc="How long Grail reads (DQL).", default=10)
    wait_s: Duration = setting("queryPollingWait", doc="Pause between polls (DQL).", default=1.0)
    tries: int = setting("queryPollingTries", doc="Number of polls (DQL).", default=5)
    threshold: float = target("threshold", doc="Value that one replica should carry.")
    activation_threshold: float = activation("activationThreshold")

    def check(self) -> Iterator[Problem]:
        try:
            read_url(self.host)
        except ValueError as error:
            yield Problem("host", f"its value {error}")
        if problem := header_problem("Authorization", self.token):
            yield Problem("token", problem)
        if self.metric_selector and self.query:
            text = "'metricSelector' and 'query' are mutually exclusive; only one can be provided"
            yield Problem("query", text)
        elif not self.metric_selector and not self.query:
            text = "either 'metricSelector' or 'query' must be provided"
            yield Problem("metricSelector", text, "FieldValueRequired")
        if self.query and self.since:
            text = "'from' can't be used with query, set time range in the DQL query itself"
            yield Problem("from", text)
        if self.query and self.tries < 1:
            yield Problem("queryPollingTries", "the query would never be asked for its result")

    def metric_name(self) -> str:
        return "dynatrace"

    async def measure(self, ask: Ask, now: datetime) -> float:
        server = DynatraceServer(self.host.rstrip("/"), self.token, bool(self.query))
        if self.query:
            asked = Dql(server, self.query, self.fetch_s, self.wait_s, self.tries)
            return number(await ask(asked), asked, Place("`r` of the first record", "query"))
        question = MetricSelector(server, self.metric_selector, self.since or "now-2h")
        return number(await ask(question), question, Place("the first value", "metricSelector"))
