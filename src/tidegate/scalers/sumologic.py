"""Number out of a log search or of metrics in Sumo Logic.

```yaml
triggers:
- type: sumologic
  metadata:
    host: https://api.sumologic.com
    queryType: logs
    query: _sourceCategory=shop/orders "waiting" | count
    resultField: _count
    timerange: 15m
    queryAggregator: Latest
    threshold: "10"
  authenticationRef:
    name: sumologic
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: sumologic
spec:
  secretTargetRef:
  - parameter: accessID
    name: sumologic
    key: id
  - parameter: accessKey
    name: sumologic
    key: key
```

A log search must aggregate (`| count`); the numbers in `resultField` of its records become one by
`queryAggregator`. A search without messages is 0. It runs as a job for each poll, a minute at most;
Sumo Logic takes four requests in a second of a key.

Metrics: a row must give one series, whose points become one. Several rows are `query.A`, `query.B`, …, and
`resultQueryRowID` says which of them counts:

```yaml
triggers:
- type: sumologic
  metadata:
    host: https://api.sumologic.com
    queryType: metrics
    query.A: metric=orders_waiting | sum
    query.B: metric=orders_taken | sum
    query.C: "#A - #B"
    resultQueryRowID: C
    quantization: 1m
    timerange: 10m
    threshold: "10"
  authenticationRef:
    name: sumologic
```

Source: https://api.sumologic.com/docs/#operation/runMetricsQueries and
https://help.sumologic.com/docs/api/search-job/
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar, Literal

from tidegate.base.cron import find_zone
from tidegate.base.problems import Problem
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Passing
from tidegate.kit.settings import AUTHENTICATION, Duration, activation, declared, setting, target
from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.http import read_url
from tidegate.kit.systems.sumologic import (
    ROW,
    SumoLogs,
    SumoMetrics,
    SumoServer,
    logs_problems,
    metrics_problems,
    one_number,
    rows_of,
)

_A = (AUTHENTICATION,)
Rollup = Literal["Avg", "Sum", "Count", "Min", "Max"]


@declared
class Sumologic(Passing):
    types: ClassVar[tuple[str, ...]] = ("sumologic",)
    cost: ClassVar[str] = (
        "one request for up to 6 different metrics queries of one `timerange`; five and more for each log "
        "search; four in a second of a key, metered by Sumo Logic"
    )
    calls: ClassVar[Calls] = SumoLogs.calls
    tested_against: ClassVar[str] = "a fake of ours, written from Sumo Logic's documentation of its APIs"

    host: str = setting("host", doc="Base URL of the API.", hidden=True)
    access_id: str = setting("accessID", doc="Id of an access key.", sources=_A, hidden=True)
    access_key: str = setting("accessKey", doc="The key.", sources=_A, secret=True)
    query_type: Literal["logs", "metrics"] = setting("queryType", doc="What is queried.")
    query: str = setting("query", doc="Query; for metrics `query.<row>`, too.", default="")
    result_field: str = setting("resultField", doc="Field with the number (logs).", default="")
    result_row: str = setting("resultQueryRowID", doc="Row that counts (metrics).", default="")
    quantization: Duration = setting("quantization", doc="Length of a point (metrics).", default=0.0)
    rollup: Rollup = setting("rollup", doc="What becomes of a point's values (metrics).", default="Avg")
    timerange: Duration = setting("timerange", doc="How far back it looks.")
    timezone: str = setting("timezone", doc="IANA name (logs).", default="UTC")
    aggregator: Literal["Latest", "Avg", "Sum", "Count", "Min", "Max"] = setting(
        "queryAggregator", doc="What becomes of several values.", default="Avg"
    )
    threshold: float = target("threshold", doc="Value that one replica should carry.")
    activation_threshold: float = activation("activationThreshold")
    poll_s: Duration = setting("logsPollingInterval", doc="Pause between looks (logs).", default=1.0)
    max_retries: int = setting("maxRetries", doc="Has no effect.", default=0)
    unsafe_ssl: bool = setting("unsafeSsl", doc="Accept any certificate.", default=False)

    def check(self) -> Iterator[Problem]:
        try:
            read_url(self.host)
        except ValueError as error:
            yield Problem("host", f"its value {error}")
        try:
            find_zone(self.timezone)
        except ValueError as error:
            yield Problem("timezone", f'"{self.timezone}" {error}')
        if self.timerange <= 0:
            yield Problem("timerange", "it must be above 0")
        written = tuple(one for one in self.passed if one[0].startswith(ROW))
        if self.query_type == "logs":
            yield from logs_problems(self.query, written, self.result_field)
        else:
            yield from metrics_problems(self.query, written, self.result_row, self.quantization)

    def metric_name(self) -> str:
        return f"sumologic-{self.query_type}"

    async def measure(self, ask: Ask, now: datetime) -> float:
        server = SumoServer(self.host.rstrip("/"), self.access_id, self.access_key, not self.unsafe_ssl)
        question: SumoLogs | SumoMetrics
        if self.query_type == "logs":
            question = SumoLogs(
                server, self.query, self.result_field, self.timerange, self.timezone, max(self.poll_s, 0.1)
            )
        else:
            milliseconds, rows = round(self.quantization * 1000), rows_of(self.query, self.passed)
            row = self.result_row if len(rows) > 1 else rows[0][0]
            question = SumoMetrics(server, rows, row, self.timerange, milliseconds, self.rollup)
        return one_number(await ask(question), self.aggregator, question)
