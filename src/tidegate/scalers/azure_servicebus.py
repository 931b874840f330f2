"""Active messages of an Azure Service Bus queue or subscription, or of several by a pattern.

```yaml
triggers:
- type: azure-servicebus
  metadata:
    queueName: orders
    messageCount: "5"
  authenticationRef:
    name: servicebus
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: servicebus
spec:
  secretTargetRef:
  - parameter: connection
    name: servicebus
    key: connection-string
```

Give `queueName`, or `topicName` with `subscriptionName`. Messages that can be received or are locked by a
worker count; scheduled and dead-letter messages do not. With `useRegex: "true"` the name of the queue or
subscription is a pattern (RE2) for whole names, and `operation` says how their counts become one: `sum`,
`max`, or `avg`, which counts empty ones too and drops the fraction. When nothing matches the number is 0.

The connection string is the namespace's, of a policy with the right to *Manage*; one with an `EntityPath` is
for a single queue and is refused. Service Bus throttles this interface for the whole namespace: from the
second trigger on, one listing of up to 100 queues (or subscriptions of a topic) answers all of them.
The subscription is not part of the metric's name. In place of the connection string `namespace` can name it,
asked as an identity with the role *Azure Service Bus Data Owner*: see
[Azure identities](../authentication/azure.md).

Source: https://learn.microsoft.com/rest/api/servicebus/get-queue
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar, Literal

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import count, of_kind
from tidegate.kit.picking.patterns import pattern
from tidegate.kit.question import Ask
from tidegate.kit.settings import activation, declared, setting, target
from tidegate.kit.systems.azure_servicebus import (
    ActiveMessages,
    AllActiveMessages,
    ServiceBusAccess,
    combined,
    withheld,
)
from tidegate.kit.systems.calls import Calls


@declared
class AzureServiceBus(ServiceBusAccess):
    types: ClassVar[tuple[str, ...]] = ("azure-servicebus",)
    is_consumed: ClassVar[bool] = True
    cost: ClassVar[str] = (
        "one request for 100 queues of a namespace, or subscriptions of a topic; for a few of many one each; "
        "woken at most every 10 s"
    )
    calls: ClassVar[Calls] = Calls(more="from some queues of a namespace on one for a hundred")
    tested_against: ClassVar[str] = "a fake of ours, written from Microsoft's REST documentation"

    queue_name: str = setting("queueName", doc="Queue, or a pattern with `useRegex`.", default="")
    topic_name: str = setting("topicName", doc="Topic; never a pattern.", default="")
    subscription_name: str = setting(
        "subscriptionName", doc="Its subscription, or a pattern with `useRegex`.", default=""
    )
    use_regex: bool = setting("useRegex", doc="Take the name for a pattern.", default=False)
    operation: Literal["sum", "max", "avg"] = setting(
        "operation", doc="How the counts of several become one.", default="sum"
    )
    message_count: int = target("messageCount", doc="Messages that one replica should carry.", default=5)
    activation_message_count: int = activation("activationMessageCount", doc="Active above this number.")

    def check(self) -> Iterator[Problem]:
        yield from self._entity_problems()
        yield from ServiceBusAccess.check(self)

    def summary(self) -> str:
        return self.queue_name or f"{self.topic_name}/{self.subscription_name}"

    def metric_name(self) -> str:
        kind = "queue" if self.queue_name else "topic"
        name = f"{kind}-regex" if self.use_regex else self.queue_name or self.topic_name
        return normalize(f"azure-servicebus-{name}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        server = self.server()
        name = self.queue_name or self.subscription_name
        if not self.use_regex:
            question = ActiveMessages(server, name, self.topic_name)
            return float(count(await ask(question), question))
        all_of = AllActiveMessages(server, self.topic_name)
        counts = of_kind(await ask(all_of), dict, all_of)
        wanted = pattern(name)
        return combined(
            self.operation, [withheld(counts[one], one, all_of) for one in counts if wanted.is_all_of(one)]
        )

    def _entity_problems(self) -> Iterator[Problem]:
        """Source: KEDA, in its words."""
        if self.queue_name and self.subscription_name:
            yield Problem("subscriptionName", "subscription name provided with queue name")
        if self.queue_name and self.topic_name:
            yield Problem("topicName", "both topic and queue name metadata provided")
        if self.topic_name and not self.subscription_name:
            problem = "no subscription name provided with topic name"
            yield Problem("subscriptionName", problem, "FieldValueRequired")
        if not self.queue_name and not self.topic_name:
            yield Problem("queueName", "no service bus entity type set", "FieldValueRequired")
        if self.use_regex:
            for setting_name, text in (
                ("queueName", self.queue_name),
                ("subscriptionName", self.subscription_name),
            ):
                try:
                    pattern(text)
                except ValueError as error:
                    message = f"{setting_name} is not a valid regular expression: it {error}"
                    yield Problem(setting_name, message)
