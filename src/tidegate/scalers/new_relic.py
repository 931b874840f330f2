"""Number that a query in NRQL gives, asked of New Relic.

```yaml
triggers:
- type: new-relic
  metadata:
    account: "1234567"
    nrql: SELECT latest(waiting) FROM QueueSample WHERE queue = 'orders' SINCE 5 minutes ago
    threshold: "10"
    noDataError: "true"
  authenticationRef:
    name: new-relic
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: new-relic
spec:
  secretTargetRef:
  - parameter: queryKey
    name: new-relic
    key: key
```

The first number of the first row counts. Say with `SINCE` how far back New Relic looks.

No row, or a row of nulls, is 0: when the data stop coming, everything is scaled to zero. With
`noDataError: "true"` that is a failure, on which nothing scales in; write it unless the query counts.

Up to ten queries of a key travel in one request. New Relic limits how many run at once in an account.

Source: https://docs.newrelic.com/docs/apis/nerdgraph/examples/nerdgraph-nrql-tutorial/
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.errors import Malformed
from tidegate.base.problems import Problem
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, METADATA, activation, declared, setting, target
from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.http import header_problem
from tidegate.kit.systems.newrelic import ORIGINS, NewRelicServer, Nrql, row_value

_AM = (AUTHENTICATION, METADATA)


@declared
class NewRelic(Polled):
    types: ClassVar[tuple[str, ...]] = ("new-relic",)
    cost: ClassVar[str] = (
        "one request for up to 10 different queries of a key, 4 at a time; metered by New Relic"
    )
    calls: ClassVar[Calls] = Nrql.calls
    tested_against: ClassVar[str] = "a fake of ours, written from New Relic's documentation of NerdGraph"

    account: int = setting("account", doc="Number of the account.", sources=_AM)
    query_key: str = setting("queryKey", doc="Key of a user (`NRAK-…`).", sources=_AM, secret=True)
    region: str = setting("region", doc="`US`, `EU` or `STAGING`.", default="US", sources=_AM)
    nrql: str = setting("nrql", doc="Query.")
    threshold: float = target("threshold", doc="Value that one replica should carry.")
    activation_threshold: float = activation("activationThreshold")
    no_data_error: bool = setting("noDataError", doc="No data are a failure.", default=False)

    def check(self) -> Iterator[Problem]:
        if self.region.upper() not in ORIGINS:
            yield Problem("region", f"its value is not one of {', '.join(ORIGINS)}", "FieldValueNotSupported")
        if problem := header_problem("Api-Key", self.query_key):
            yield Problem("queryKey", problem)
        if not -(2**31) <= self.account < 2**31:
            yield Problem("account", "its value is no number of an account")

    def metric_name(self) -> str:
        return "new-relic"

    async def measure(self, ask: Ask, now: datetime) -> float:
        server = NewRelicServer(ORIGINS[self.region.upper()], self.query_key)
        question = Nrql(server, self.account, self.nrql)
        value = row_value(await ask(question), question)
        if value is not None:
            return value
        if self.no_data_error:
            step = "check the query and its window, or leave out `noDataError` where no data mean 0"
            raise Malformed("run the query", on=server.label(), answer="it gives no data", next_step=step)
        return 0.0
