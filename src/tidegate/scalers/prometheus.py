"""Value of a PromQL query, asked of Prometheus or of a server with its API.

```yaml
triggers:
- type: prometheus
  metadata:
    serverAddress: http://prometheus.monitoring:9090
    query: sum(rate(http_requests_total{job="shop"}[2m]))
    threshold: "100"
```

The query must give one value: an instant vector with one element, or a scalar. It is asked at the server's
own time. Thanos, Mimir and VictoriaMetrics answer too; what they want in addition goes into `customHeaders`
(`X-Scope-OrgID=shop`) and `queryParameters` (`partial_response=false`).

An empty result counts as 0: an idle system often has no series at all, but a target that was lost looks the
same and then scales in. With `ignoreNullValues: "false"` it is an error, and nothing scales in on it. NaN and
infinities (a rate divided by 0) are errors unless `ignoreNullValues` is written as `"true"`; better let the
query avoid them (`… > 0 or vector(0)`).

With a login, here a token:

```yaml
triggers:
- type: prometheus
  metadata:
    serverAddress: https://thanos.monitoring:9091
    query: max(queue_depth{queue="jobs"})
    threshold: "5"
    authModes: bearer
  authenticationRef:
    name: thanos
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: thanos
spec:
  secretTargetRef:
  - parameter: bearerToken
    name: thanos
    key: token
```

With `awsRegion` queries are signed for Amazon's managed service, with keys or an identity as for every AWS
trigger ([AWS identities](../authentication/aws.md)); `serverAddress` is the workspace's URL without
`/api/v1/query`. An Azure Monitor workspace is asked as an identity, at its own query endpoint: see
[Azure identities](../authentication/azure.md).

Google's managed service wants a token: with `podIdentity: gcp` that of the autoscaler's own identity, which
goes to googleapis.com alone, or that of a service account whose key `GoogleApplicationCredentials` or
`credentialsFromEnv` holds: see [Google Cloud](../authentication/gcp.md). Either is a Monitoring Viewer:

```yaml
triggers:
- type: prometheus
  metadata:
    serverAddress: https://monitoring.googleapis.com/v1/projects/shop-prod/location/global/prometheus
    query: sum(pubsub_googleapis_com:subscription_num_undelivered_messages{subscription_id="orders"})
    threshold: "10"
  authenticationRef:
    name: google
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: google
spec:
  podIdentity:
    provider: gcp
```

Source: https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from tidegate.kit.picking.gjson import Json
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Measured
from tidegate.kit.settings import activation, declared, setting, target
from tidegate.kit.systems.http import HttpQuestion
from tidegate.kit.systems.prometheus import PrometheusAccess
from tidegate.kit.systems.promql import one_value


@declared
class Prometheus(PrometheusAccess):
    types: ClassVar[tuple[str, ...]] = ("prometheus",)
    cost: ClassVar[str] = "one request for each different query of a server, 16 at a time"
    tested_against: ClassVar[str] = "Prometheus 2.42 and VictoriaMetrics 1.79 (real)"

    query: str = setting("query", doc="PromQL with one value.")
    threshold: float = target("threshold", doc="Value that one replica should carry.")
    activation_threshold: float = activation("activationThreshold")
    ignore_null_values: bool | None = setting(
        "ignoreNullValues",
        doc="An empty result is 0, as it is without this; `true` does so for NaN and infinities, too, "
        "`false` makes all of them errors.",
        default=None,
    )

    def metric_name(self) -> str:
        return "prometheus"

    async def measure(self, ask: Ask, now: datetime) -> Measured | float:
        question = HttpQuestion(self.query_request(self.query), Json("data.result"))
        result = await ask(question)
        value = one_value(
            result,
            question,
            nothing=None if self.ignore_null_values is False else 0.0,
            no_number=0.0 if self.ignore_null_values else None,
        )
        return Measured((value,), is_empty=True) if result == [] else value
