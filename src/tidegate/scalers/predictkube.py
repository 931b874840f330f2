"""What PredictKube foresees of a query in PromQL, or what is seen now, whichever is more.

```yaml
triggers:
- type: predictkube
  metadata:
    prometheusAddress: http://prometheus.monitoring:9090
    query: sum(irate(http_requests_total{job="shop"}[2m]))
    predictHorizon: 2h
    historyTimeWindow: 7d
    queryStep: 2m
    threshold: "2000"
  authenticationRef:
    name: predictkube
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: predictkube
spec:
  secretTargetRef:
  - parameter: apiKey
    name: predictkube
    key: key
```

The history of `historyTimeWindow`, a value for each `queryStep`, is read from Prometheus and sent to
PredictKube's service (`api.predictkube.com`), which says what it will be after `predictHorizon`. The
trigger is active by what is seen, not by what is foreseen. A query without any history is a failure, and so
is a service that does not answer: PredictKube seems to be given up by its makers.

Durations know weeks and days (`1w2d`). `authModes` are for Prometheus; `apiKey` is PredictKube's and never
sent there.

Source: https://github.com/dysnix/predictkube-proto/blob/main/proto/services/ml_engine.proto
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from tidegate.base.problems import Problem
from tidegate.kit.httpaccess import HttpAccess
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Measured
from tidegate.kit.settings import activation, declared, setting, target
from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.http import HttpLogin
from tidegate.kit.systems.predictkube import Prediction, PredictServer, foreseen, is_token, read_long_duration

DEFAULT_STEP_S = 300.0


@declared
class Predictkube(HttpAccess):
    types: ClassVar[tuple[str, ...]] = ("predictkube",)
    product: ClassVar[str] = "Prometheus"
    cost: ClassVar[str] = (
        "one range query and one call of the service for each different query of a server, 4 at a time"
    )
    calls: ClassVar[Calls] = Prediction.calls
    tested_against: ClassVar[str] = (
        "fakes of ours: of Prometheus' range queries, and with PredictKube's own protocol"
    )

    prometheus_address: str = setting("prometheusAddress", doc="Base URL of Prometheus.", hidden=True)
    query: str = setting("query", doc="PromQL.")
    horizon: str = setting("predictHorizon", doc="How far ahead.")
    history: str = setting("historyTimeWindow", doc="How far back the history goes.")
    step: str = setting("queryStep", doc="Time between its values; `0` is five minutes.")
    threshold: float = target("threshold", doc="Value that one replica should carry.", default=0.0)
    activation_threshold: float = activation("activationThreshold")

    def address(self) -> tuple[str, str]:
        return "prometheusAddress", self.prometheus_address

    def timeout_s(self) -> float | None:
        return 15.0

    def login(self, given: HttpLogin = HttpLogin()) -> HttpLogin:  # noqa: B008
        login = HttpAccess.login(self, given)
        if "apiKey" not in self.auth_modes:
            return login
        kept = tuple(one for one in login.headers if one[1] != self.api_key)
        return replace(login, headers=kept, query=())

    def check(self) -> Iterator[Problem]:
        yield from HttpAccess.check(self)
        for name, text in (
            ("predictHorizon", self.horizon),
            ("historyTimeWindow", self.history),
            ("queryStep", self.step),
        ):
            try:
                if not read_long_duration(text) and name != "queryStep":
                    yield Problem(name, f"{name} parsing error: it must be above 0")
            except ValueError as error:
                yield Problem(name, f'{name} parsing error: "{text}" {error}')
        if not self.api_key:
            yield Problem("apiKey", "no api key given", "FieldValueRequired")
        elif not is_token(self.api_key):
            yield Problem("apiKey", "invalid apiKey: it is no JWT")
        if not self.threshold and not self.scope.is_metric_source:
            yield Problem("threshold", "no threshold given", "FieldValueRequired")

    def metric_name(self) -> str:
        return "predictkube-predictkube_metric"

    async def measure(self, ask: Ask, now: datetime) -> Measured:
        step_s = read_long_duration(self.step) or DEFAULT_STEP_S
        question = Prediction(
            PredictServer(self.server(), self.api_key),
            f"{self.base()}/api/v1/query_range",
            self.query,
            read_long_duration(self.history),
            step_s,
            int(read_long_duration(self.horizon) // step_s),
        )
        ahead, seen = foreseen(await ask(question), question)
        return Measured((max(ahead, seen),), active=seen > self.activation_threshold)
