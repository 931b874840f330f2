"""A number in an HTTP answer: JSON, YAML, XML or the Prometheus text format.

```yaml
triggers:
- type: metrics-api
  metadata:
    url: http://shop.default:8080/api/stats
    valueLocation: queues.#(name=="orders").waiting
    targetValue: "10"
```

`valueLocation` says where the number is, as `format` wants it:

- `json`: a path of GJSON, such as `queue.waiting`, `queues.0.waiting`, `queues.#` (how many),
  `queues.#(name=="orders").waiting`
- `yaml`: names and indexes, `queue.waiting`, `queues.0.waiting`
- `xml`: the same; the root's name may stand before, `queue.0.@length` is an attribute
- `prometheus`: `name` or `name{label="value",other=~"a.*"}`; the first series that fits

Numbers count, and texts that are quantities (`"64"`, `"1k"`, `"10Mi"`).
Nothing found, null, a truth value, NaN or any status but 200 is an error, never 0.

With `aggregateFromKubeServiceEndpoints: "true"` the host is `<service>.<namespace>`, every ready endpoint of
that Service is asked, and `aggregationType` says what is made of their numbers. An endpoint that does not
answer is left out of `average`, `max` and `min`; a `sum` without one of its parts is an error. The port is
the one that the pods listen on.

Triggers that differ only in where the number is, or in their target, share one request.

With a key in a header:

```yaml
triggers:
- type: metrics-api
  metadata:
    url: https://shop.example/api/stats
    valueLocation: waiting
    targetValue: "10"
    authMode: apiKey
    keyParamName: X-Shop-Key
  authenticationRef:
    name: shop-key
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: shop-key
spec:
  secretTargetRef:
  - parameter: apiKey
    name: shop
    key: api-key
```

Source: https://github.com/tidwall/gjson/blob/master/SYNTAX.md
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import Place, amount
from tidegate.kit.httpaccess import HttpAccess
from tidegate.kit.picking.formats import Format, location_problem, pick_of
from tidegate.kit.question import Ask
from tidegate.kit.settings import Duration, activation, declared, setting, target
from tidegate.kit.systems.endpoints import Aggregation, aggregated, service_problem
from tidegate.kit.systems.http import HttpQuestion, HttpRequest, HttpServer
from tidegate.kit.tls import Tls


@declared
class MetricsApi(HttpAccess):
    types: ClassVar[tuple[str, ...]] = ("metrics-api",)
    cost: ClassVar[str] = (
        "one request for each different URL, 16 at a time for each host; when aggregating, to each endpoint"
    )
    tested_against: ClassVar[str] = (
        "pages of Prometheus 2.42 and etcd 3.4 (real), HTTP servers of the tests, tokens of Keycloak 26.7"
    )

    where: str = setting("url", doc="What is asked with GET.", hidden=True)
    format: Format = setting("format", doc="Form of the answer.", default="json")
    value_location: str = setting("valueLocation", doc="Where the number is.")
    target_value: float = target("targetValue", doc="Value that one replica should carry.", default=0.0)
    activation_target_value: float = activation("activationTargetValue")
    is_aggregated: bool = setting(
        "aggregateFromKubeServiceEndpoints", doc="Ask every ready endpoint of the Service.", default=False
    )
    aggregation: Aggregation = setting(
        "aggregationType", doc="What is made of the endpoints' values.", default="average"
    )
    unsafe_ssl: bool = setting("unsafeSsl", doc="Accept any certificate.", default=False)
    timeout: Duration = setting("timeout", doc="Bound of a request; 3 s without it.", default=0.0)

    def address(self) -> tuple[str, str]:
        return "url", self.where

    def tls(self) -> Tls:
        return self.tls_of(is_verified=not self.unsafe_ssl)

    def timeout_s(self) -> float | None:
        return self.timeout or None

    def check(self) -> Iterator[Problem]:
        yield from HttpAccess.check(self)
        if not self.target_value and not self.scope.is_metric_source:
            yield Problem("targetValue", "no targetValue given in metadata", "FieldValueRequired")
        if problem := location_problem(self.format, self.value_location):
            yield Problem("valueLocation", f'"{self.value_location}" {problem}')
        if self.is_aggregated and (problem := service_problem(self.where)):
            yield Problem("url", problem)

    def metric_name(self) -> str:
        return normalize(f"metric-api-{self.value_location}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        if self.is_aggregated:
            return await aggregated(
                ask, self.url(), self.aggregation, self._asked_at, self.server(), self._place()
            )
        question = self._question(self.server())
        return amount(await ask(question), question, self._place())

    def _place(self) -> Place:
        return Place(self.value_location, "valueLocation")

    def _asked_at(self, server: HttpServer) -> HttpQuestion:
        return self._question(server)

    def _question(self, server: HttpServer) -> HttpQuestion:
        request = HttpRequest(server, self.url().target(), accepts=(200,))
        return HttpQuestion(request, pick_of(self.format, self.value_location))
