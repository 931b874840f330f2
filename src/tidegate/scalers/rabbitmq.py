"""Messages of a RabbitMQ queue.

```yaml
triggers:
- type: rabbitmq
  metadata:
    host: amqp://rabbitmq.default:5672/media
    queueName: jobs
    mode: QueueLength
    value: "20"
  authenticationRef:
    name: rabbitmq
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: rabbitmq
spec:
  secretTargetRef:
  - parameter: username
    name: rabbitmq
    key: username
  - parameter: password
    name: rabbitmq
    key: password
```

One replica is wanted for each `value` messages. Over AMQP the messages count that are ready for a
consumer, not those that one has taken and not acknowledged yet. A missing queue, virtual host or user is
an error, never 0. All triggers with the same server, virtual host and user share one connection, which is
called `tidegate` in the broker's list.

Source: https://www.rabbitmq.com/docs/queues
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar, Literal
from urllib.parse import quote_plus

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import count
from tidegate.kit.identity import Provider
from tidegate.kit.question import Ask
from tidegate.kit.settings import activation, declared, setting, target
from tidegate.kit.systems.rabbitmq import QueueDepth, RabbitmqAccess

LENGTH = 20


@declared
class RabbitmqQueue(RabbitmqAccess):
    types: ClassVar[tuple[str, ...]] = ("rabbitmq",)
    identities: ClassVar[tuple[Provider, ...]] = ("azure-workload",)
    is_consumed: ClassVar[bool] = True
    cost: ClassVar[str] = "AMQP: one exchange for all queues of a virtual host, one connection"
    tested_against: ClassVar[str] = "RabbitMQ 3.10 (real)"

    queue_name: str = setting("queueName", doc="Queue that is measured.")
    mode: Literal["QueueLength"] | None = setting(
        "mode", doc="`QueueLength`: the number of messages.", default=None
    )
    value: float = target("value", doc="Amount of the mode that one replica should carry.", default=0.0)
    queue_length: float = setting(
        "queueLength",
        doc="The same as `mode: QueueLength` and `value`, as older manifests write it.",
        default=0.0,
    )
    activation_value: float = activation("activationValue", doc="Active above this amount.")

    def check(self) -> Iterator[Problem]:
        yield from self._target_problems()
        yield from RabbitmqAccess.check(self)
        if self.is_http():
            yield Problem("host", "the management API is not asked by this version; use amqp://")

    def metric_name(self) -> str:
        return normalize(f"rabbitmq-{quote_plus(self.queue_name)}")

    def metric_target(self) -> float:
        return self.value or self.queue_length or LENGTH

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = QueueDepth(self.server(), self.queue_name)
        return count(await ask(question), question)

    def _target_problems(self) -> Iterator[Problem]:
        """The target is `mode` with `value`, or `queueLength`, or 20 messages."""
        if self.queue_length and (self.mode or self.value):
            yield Problem("queueLength", "queueLength is deprecated; use mode and value")
        elif self.value and not self.mode:
            yield Problem("mode", "mode must be specified", "FieldValueRequired")
        elif self.mode and not self.value:
            yield Problem("value", "value must be specified", "FieldValueRequired")
