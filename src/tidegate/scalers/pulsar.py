"""Backlog of one subscription of an Apache Pulsar topic, asked of Pulsar's admin API.

```yaml
triggers:
- type: pulsar
  metadata:
    adminURL: http://pulsar-proxy.pulsar:8080
    topic: persistent://public/default/orders
    subscription: shipping
    msgBacklogThreshold: "10"
```

The backlog is what is not acknowledged yet, messages that are being worked on included. Brokers count
entries: where producers send batches, a batch may count as one.

A partitioned topic needs `isPartitionedTopic: "true"`; asked in the wrong way it is not found. A subscription
that no consumer ever made is an error, and a workload at zero makes none: make it with the topic.

A broker redirects to the one that owns the topic, and no login goes along: with logins and several brokers,
`adminURL` must be that of Pulsar's proxy.

With a token:

```yaml
triggers:
- type: pulsar
  metadata:
    adminURL: https://pulsar-proxy.pulsar:8443
    topic: persistent://shop/prod/orders
    subscription: shipping
    isPartitionedTopic: "true"
    authModes: bearer
  authenticationRef:
    name: pulsar
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: pulsar
spec:
  secretTargetRef:
  - parameter: bearerToken
    name: pulsar
    key: token
```

Source: https://pulsar.apache.org/docs/4.0.x/administration-stats/
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.question import Ask
from tidegate.kit.settings import ENVIRONMENT, METADATA, activation, declared, setting, target
from tidegate.kit.systems.pulsar import PulsarAccess, backlog, topic_problem

_ME = (METADATA, ENVIRONMENT)


@declared
class Pulsar(PulsarAccess):
    types: ClassVar[tuple[str, ...]] = ("pulsar",)
    is_consumed: ClassVar[bool] = True
    cost: ClassVar[str] = "one request for each topic, whatever its subscriptions, 16 at a time"
    tested_against: ClassVar[str] = (
        "Pulsar 4.0.7 standalone (real), and a fake of ours, written from Pulsar's REST documentation"
    )

    topic: str = setting("topic", doc="`persistent://tenant/namespace/topic`.", sources=_ME)
    subscription: str = setting("subscription", doc="Whose backlog counts.", sources=_ME)
    msg_backlog_threshold: int = target(
        "msgBacklogThreshold", doc="Messages that one replica should carry.", default=10
    )
    activation_msg_backlog_threshold: int = activation("activationMsgBacklogThreshold")
    is_partitioned: bool = setting("isPartitionedTopic", doc="The topic has partitions.", default=False)

    def check(self) -> Iterator[Problem]:
        yield from PulsarAccess.check(self)
        if problem := topic_problem(self.topic):
            yield Problem("topic", problem)

    def summary(self) -> str:
        return f"subscription {self.subscription} of {self.topic}"

    def metric_name(self) -> str:
        return normalize(f"pulsar-{self.topic}-{self.subscription}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = self.statistics(self.topic, is_partitioned=self.is_partitioned)
        return float(backlog(await ask(question), self.subscription, question))
