"""Values that a SignalFlow program publishes in Splunk Observability Cloud.

```yaml
triggers:
- type: splunk-observability
  metadata:
    query: data('shop.orders.waiting').sum().publish()
    duration: "10"
    queryAggregator: max
    targetValue: "100"
    activationTargetValue: "0"
  authenticationRef:
    name: splunk-observability
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: splunk-observability
spec:
  secretTargetRef:
  - parameter: accessToken
    name: splunk-observability
    key: token
  - parameter: realm
    name: splunk-observability
    key: realm
```

For each poll the program is listened to for `duration` seconds; all values that it publishes meanwhile become
one. Without any the trigger fails: make `duration` longer than the resolution of the metrics, which is often
ten seconds.

Without a `metricType` this one's is `Value`: the replicas there are times what the value is of the target.

Source: https://dev.splunk.com/observability/reference/api/signalflow/latest
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar, Literal

from tidegate.base.errors import Malformed
from tidegate.base.problems import Problem
from tidegate.kit.answers import number
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, activation, declared, setting, target
from tidegate.kit.systems.http import header_problem, read_url
from tidegate.kit.systems.signalflow import AGGREGATORS, Program, SignalflowServer

_A = (AUTHENTICATION,)
LONGEST_S = 120


@declared
class SplunkObservability(Polled):
    types: ClassVar[tuple[str, ...]] = ("splunk-observability",)
    default_metric_type: ClassVar[str] = "Value"
    cost: ClassVar[str] = (
        "one computation for each different program and duration of a token, 16 at a time, `duration` "
        "seconds each; Splunk limits how many a token has at once"
    )
    tested_against: ClassVar[str] = "a fake of ours, written from Splunk's documentation of SignalFlow"

    query: str = setting("query", doc="Program that publishes something.")
    duration_s: int = setting("duration", doc="How long it is listened to, in seconds.")
    aggregator: Literal["min", "max", "avg"] = setting("queryAggregator", doc="What becomes of the values.")
    target_value: float = target("targetValue", doc="Value that the target stands for.")
    activation_value: float = activation("activationTargetValue")
    access_token: str = setting("accessToken", doc="Token.", sources=_A, secret=True)
    realm: str = setting("realm", doc="Realm, such as `us1`.", sources=_A, hidden=True)

    def check(self) -> Iterator[Problem]:
        if not 0 < self.duration_s <= LONGEST_S:
            yield Problem("duration", f"it must be above 0 and at most {LONGEST_S} seconds")
        try:
            url = read_url(self._origin())
        except ValueError as error:
            yield Problem("realm", f"as a part of the address, its value {error}")
        else:
            if url.path or url.query or url.username:
                yield Problem("realm", "its value is no realm")
        if problem := header_problem("X-SF-Token", self.access_token):
            yield Problem("accessToken", problem)

    def metric_name(self) -> str:
        return "signalfx"

    def _origin(self) -> str:
        return f"https://stream.{self.realm}.signalfx.com"

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = Program(SignalflowServer(self._origin(), self.access_token), self.query, self.duration_s)
        values = await ask(question)
        if not isinstance(values, tuple) or not values:
            answer = f"a {type(values).__name__} where values were expected"
            raise Malformed("run the program", on=question.server.label(), answer=answer)
        return number(AGGREGATORS[self.aggregator](values), question)
