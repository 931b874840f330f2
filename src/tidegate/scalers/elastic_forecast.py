"""What a machine learning job of Elasticsearch foresees for a moment that is to come.

```yaml
triggers:
- type: elastic-forecast
  metadata:
    addresses: https://elasticsearch.logging:9200
    username: scaler
    jobID: orders-waiting
    lookAhead: 10m
    targetValue: "100"
  authenticationRef:
    name: elasticsearch
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: elasticsearch
spec:
  secretTargetRef:
  - parameter: password
    name: elasticsearch
    key: password
```

The trigger lets the job make forecasts of twice `lookAhead`, a new one when half of it is over, and reads the
newest prediction up to `lookAhead` from now. Triggers of one job and `lookAhead` share their forecasts. The
user needs `manage_ml`, and may read `.ml-anomalies-*`; the job must be open and have enough history.

A forecast takes its time: until the first one is there the trigger is unknown, which never scales to zero. A
job with several series wants `partitionFieldValue` or `byFieldValue`, or any of them is read.

In Elastic Cloud `cloudID` and `apiKey` (base64 of `id:key`) stand in the place of addresses and user.

Source: https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-ml-forecast
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import number
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
)
from tidegate.kit.settings import target as target_of
from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.elastic_forecast import Forecast, ForecastServer
from tidegate.kit.systems.elasticsearch import SearchServer, deployment
from tidegate.kit.systems.http import HttpLogin, basic, header_problem, read_url
from tidegate.kit.tls import Tls

_AM = (AUTHENTICATION, METADATA)
_LOGIN = "username and password must both be provided when addresses is used"


@declared
class ElasticForecast(Polled):
    types: ClassVar[tuple[str, ...]] = ("elastic-forecast",)
    cost: ClassVar[str] = (
        "one request for up to 100 different predictions of a cluster (_msearch); one forecast for each job "
        "and `lookAhead`, made anew every `lookAhead`"
    )
    calls: ClassVar[Calls] = Forecast.calls
    tested_against: ClassVar[str] = "a fake of ours, written from Elastic's documentation of forecasts"

    addresses: tuple[str, ...] = setting("addresses", doc="URLs of the nodes.", default=(), sources=_AM)
    username: str = setting("username", doc="User.", default="", sources=_AM)
    password: str = setting(
        "password", doc="Password.", default="", sources=(AUTHENTICATION, ENVIRONMENT, METADATA), secret=True
    )
    cloud_id: str = setting("cloudID", doc="Id of a deployment in Elastic Cloud.", default="", sources=_AM)
    api_key: str = setting("apiKey", doc="API key of that deployment.", default="", sources=_AM, secret=True)
    unsafe_ssl: bool = setting("unsafeSsl", doc="Accept any certificate.", default=False)
    job: str = setting("jobID", doc="Anomaly detection job.")
    ahead_s: Duration = setting("lookAhead", doc="How far ahead.", default=600.0)
    target_value: float = target_of("targetValue", doc="Value that one replica should carry.")
    activation_value: float = activation("activationTargetValue")
    index: str = setting("index", doc="After `.ml-anomalies-`.", default="*")
    partition: str = setting("partitionFieldValue", doc="Series to read.", default="")
    by: str = setting("byFieldValue", doc="Series to read.", default="")

    def check(self) -> Iterator[Problem]:
        is_cloud, has_login = bool(self.cloud_id or self.api_key), bool(self.username or self.password)
        if is_cloud and self.addresses:
            text = "cannot provide both cloud config (cloudID/apiKey) and endpoint addresses"
            yield Problem("cloudID", text)
        elif is_cloud and not (self.cloud_id and self.api_key):
            text = "cloudID and apiKey must both be provided together"
            yield Problem("apiKey" if self.cloud_id else "cloudID", text, "FieldValueRequired")
        elif is_cloud and not deployment(self.cloud_id):
            yield Problem("cloudID", "its value is not that of a deployment (name:base64)")
        elif not is_cloud and not self.addresses:
            text = "must provide either cloud config (cloudID + apiKey) or endpoint addresses"
            text = "username and password provided but no addresses specified" if has_login else text
            yield Problem("addresses", text, "FieldValueRequired")
        elif not is_cloud and not (self.username and self.password):
            yield Problem("password" if self.username else "username", _LOGIN, "FieldValueRequired")
        for one in self.addresses:
            try:
                read_url(one)
            except ValueError as error:
                yield Problem("addresses", f"an address {error}")
        if problem := header_problem("Authorization", self.api_key):
            yield Problem("apiKey", problem)
        if self.ahead_s <= 0:
            yield Problem("lookAhead", "lookAhead must be positive")
        if self.target_value <= 0:
            yield Problem("targetValue", "targetValue must be greater than 0")

    def metric_name(self) -> str:
        return normalize(f"elastic-forecast-{self.job}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        urls = [read_url(one) for one in ((deployment(self.cloud_id),) if self.cloud_id else self.addresses)]
        login = HttpLogin((basic(self.username, self.password),))
        if self.cloud_id:
            login = HttpLogin((("Authorization", f"ApiKey {self.api_key}"),))
        tls = Tls(is_verified=not self.unsafe_ssl)
        bases = tuple(f"{url.origin}{url.path.rstrip('/')}" for url in urls)
        cluster = SearchServer(bases, login, tls if any(one.startswith("https") for one in bases) else None)
        server = ForecastServer(cluster)
        question = Forecast(server, self.job, self.ahead_s, self.index, self.partition, self.by)
        return number(await ask(question), question)
