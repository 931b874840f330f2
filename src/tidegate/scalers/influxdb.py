"""Value of a query to InfluxDB: Flux (version 2), SQL or InfluxQL (version 3).

```yaml
triggers:
- type: influxdb
  metadata:
    serverURL: http://influxdb.monitoring:8086
    organizationName: shop
    query: |
      from(bucket: "queues") |> range(start: -5m)
        |> filter(fn: (r) => r._measurement == "orders" and r._field == "waiting") |> last()
    thresholdValue: "10"
  authenticationRef:
    name: influxdb
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: influxdb
spec:
  secretTargetRef:
  - parameter: authToken
    name: influxdb
    key: token
```

Version 2: the first record of the first table counts, by its `_value`, a number. A query without a record is
an error. Where no record means 0, let the query add one, of the field's type (`0` for integers):

```flux
import "array"
waiting = from(bucket: "queues") |> range(start: -5m)
  |> filter(fn: (r) => r._measurement == "orders" and r._field == "waiting") |> last()
  |> keep(columns: ["_value"])
union(tables: [waiting, array.from(rows: [{_value: 0.0}])]) |> sum()
```

InfluxDB 1.8 and newer 1.x answer this API too, with `flux-enabled = true`: the token is `user:password`, the
bucket `database/retention policy` or `database`, and any organisation will do.

Version 3 (`influxVersion: "3"`) needs `database` and `metricKey`, the column that holds the number; the last
row counts, and no row at all is 0. `queryType` is `InfluxQL` or `FlightSQL` (SQL). It is asked over the HTTP
API of InfluxDB 3 Core and Enterprise (`/api/v3/query_sql`, `/api/v3/query_influxql`), not by Arrow Flight,
whose client library alone is larger than all of this program: products of InfluxData's cloud without that API
cannot be asked, and the trigger says so (404).

Equal queries are asked once.

Source: https://docs.influxdata.com/influxdb/v2/api-guide/api_intro/#query-data
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar, Literal

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import number
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import (
    AUTHENTICATION,
    ENVIRONMENT,
    METADATA,
    activation,
    declared,
    removed,
    setting,
    target,
)
from tidegate.kit.systems.http import HttpQuestion, header_problem, read_url
from tidegate.kit.systems.influxdb import FluxValue, LastRow, flux_request, rows_request
from tidegate.kit.tls import Tls

_MA = (METADATA, AUTHENTICATION)
_EA = (ENVIRONMENT, AUTHENTICATION)


@declared
class Influxdb(Polled):
    types: ClassVar[tuple[str, ...]] = ("influxdb",)
    cost: ClassVar[str] = "one request for each different query of a server, 16 at a time"
    tested_against: ClassVar[str] = (
        "InfluxDB 1.13.2 for Flux; for version 3 a fake of ours, written from InfluxData's documentation"
    )

    server_url: str = setting("serverURL", doc="Base URL.", sources=_MA, hidden=True)
    influx_version: Literal["2", "3"] = setting("influxVersion", doc="Version of the API.", default="2")
    organization_name: str = setting(
        "organizationName",
        doc="Organisation (2).",
        default="",
        sources=(METADATA, ENVIRONMENT, AUTHENTICATION),
    )
    database: str = setting("database", doc="Database (3).", default="", sources=_MA)
    query: str = setting("query", doc="Flux (2), InfluxQL or SQL (3).")
    query_type: str = setting("queryType", doc="`InfluxQL` or `FlightSQL` (3).", default="InfluxQL")
    metric_key: str = setting("metricKey", doc="Column with the number (3).", default="")
    threshold_value: float = target("thresholdValue", doc="Value that one replica carries.", default=0.0)
    activation_threshold_value: float = activation("activationThresholdValue")
    auth_token: str = setting("authToken", doc="Token.", default="", sources=_EA, secret=True)
    plain_token: str | None = removed(
        "authToken",
        message="authToken in the metadata is not read: use authTokenFromEnv or a TriggerAuthentication",
    )
    unsafe_ssl: bool = setting("unsafeSsl", doc="Accept any certificate.", default=False)

    def check(self) -> Iterator[Problem]:
        try:
            read_url(self.server_url)
        except ValueError as error:
            yield Problem("serverURL", f"its value {error}")
        if problem := header_problem("Authorization", self.auth_token):
            yield Problem("authToken", problem)
        if not self.threshold_value and not self.scope.is_metric_source:
            yield Problem("thresholdValue", "no threshold value given", "FieldValueRequired")
        if self.influx_version == "2":
            if not self.organization_name:
                yield _needed("organizationName", "if influxVersion is 2")
            return
        for name, text in (("database", self.database), ("metricKey", self.metric_key)):
            if not text:
                yield _needed(name, "if influxVersion is 3")
        if self.query_type.lower() not in ("influxql", "flightsql"):
            yield Problem("queryType", "query type must be 'influxql' or 'flightsql'")

    def metric_name(self) -> str:
        return normalize(
            f"influxdb-{self.organization_name if self.influx_version == '2' else self.database}"
        )

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = self._question()
        return number(await ask(question), question)

    def _question(self) -> HttpQuestion:
        url, tls = read_url(self.server_url), Tls(is_verified=not self.unsafe_ssl)
        if self.influx_version == "2":
            request = flux_request(url, self.auth_token, tls, self.organization_name, self.query)
            return HttpQuestion(request, FluxValue())
        path = "/api/v3/query_sql" if self.query_type.lower() == "flightsql" else "/api/v3/query_influxql"
        called = {"db": self.database, "q": self.query}
        return HttpQuestion(rows_request(url, self.auth_token, tls, path, called), LastRow(self.metric_key))


def _needed(name: str, when: str) -> Problem:
    return Problem(name, f"{name} is required {when}", "FieldValueRequired")
