"""Messages of RabbitMQ queues, or the rates at which they come and go.

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
consumer; the management API (`http://rabbitmq.default:15672/media`) also counts those that one has taken
and not acknowledged, unless `excludeUnacknowledged` says otherwise. A missing queue, virtual host or user
is an error, never 0.

The management API knows rates as well: `MessageRate` is what comes in per second, `DeliverGetRate` what is
delivered, `PublishedToDeliveredRatio` the one by the other, and `ExpectedQueueConsumptionTime` the seconds
until the queue is empty at this pace. With `useRegex` the name is a pattern, and `operation` says what
becomes of all queues that match; none that matches is 0. The API lags behind by up to 5 s. Over AMQP a queue
is also read between polls, as soon as a message goes through an exchange that the annotation
`tidegate.dev/listen` names, as `exchange/routing key`: see [what that takes](../../pushes.md).

Source: https://www.rabbitmq.com/docs/queues, https://www.rabbitmq.com/docs/management
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar
from urllib.parse import quote_plus

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.core.claims.wishes import Wishes
from tidegate.kit.answers import count
from tidegate.kit.identity import Identity, Provider
from tidegate.kit.question import Ask
from tidegate.kit.rabbitmqaccess import RabbitmqAccess
from tidegate.kit.scaler import Measured
from tidegate.kit.settings import activation, declared, setting, target
from tidegate.kit.systems import rabbitmq
from tidegate.kit.systems.calls import ROUND, Calls
from tidegate.kit.systems.claims import Source


@declared
class RabbitmqQueue(RabbitmqAccess):
    types: ClassVar[tuple[str, ...]] = ("rabbitmq",)
    identities: ClassVar[tuple[Provider, ...]] = ("azure-workload",)
    measured_with: ClassVar[tuple[Provider, ...]] = ("azure-workload",)
    is_consumed: ClassVar[bool] = True
    cost: ClassVar[str] = (
        "AMQP: one exchange for all queues of a virtual host, on one connection; management API: one listing "
        "of a virtual host's queues, from 2,000 queues on in pages of 500; for a few queues of many one "
        "request each; to listen, one connection more"
    )
    calls: ClassVar[Calls] = ROUND
    tested_against: ClassVar[str] = "RabbitMQ 3.10 (real), with tokens of Keycloak 26.7"

    queue_name: str = setting("queueName", doc="Queue; with `useRegex` a pattern that is found in its name.")
    mode: rabbitmq.Mode | None = setting("mode", doc="What is measured; rates need http.", default=None)
    value: float = target("value", doc="Amount of the mode that one replica should carry.", default=0.0)
    queue_length: float = setting(
        "queueLength", doc="`mode: QueueLength` and `value`, as older manifests write it.", default=0.0
    )
    activation_value: float = activation("activationValue", doc="Active above this amount.")
    use_regex: bool = setting("useRegex", doc="`queueName` is a pattern (http).", default=False)
    page_size: int = setting("pageSize", doc="Most queues that may match; 500 at most.", default=100)
    operation: str = setting("operation", doc="`sum`, `max` or `avg` of those that match.", default="sum")
    exclude_unacknowledged: bool = setting(
        "excludeUnacknowledged", doc="Count ready messages alone (http).", default=False
    )

    def check(self) -> Iterator[Problem]:
        yield from self._target_problems()
        if self.page_size < 1:
            yield Problem("pageSize", "pageSize should be 1 or greater")
        if self.use_regex and self.operation not in rabbitmq.OPERATIONS:
            yield Problem("operation", f"operation must be one of {', '.join(rabbitmq.OPERATIONS)}")
        needs = {
            "useRegex": self.use_regex,
            "excludeUnacknowledged": self.exclude_unacknowledged,
            "mode": self.mode not in (None, "QueueLength"),
            "timeout": self.timeout is not None and bool(self.mode and self.value),
        }
        for name, is_used in needs.items():
            if is_used and not self.is_http():
                yield Problem(name, f"{name} is for protocol http alone")
        yield from RabbitmqAccess.check(self)

    def asks_as(self) -> Identity | None:
        return self.identity if self.workload_identity and self.is_http() else None

    def consumes(self) -> bool:
        return self.mode in (None, "QueueLength")

    def metric_name(self) -> str:
        return normalize(f"rabbitmq-{quote_plus(self.queue_name)}")

    def metric_target(self) -> float:
        return self.value or self.queue_length or 20

    def target_setting(self) -> str:
        return "queueLength" if self.queue_length and not self.value else "value"

    async def measure(self, ask: Ask, now: datetime) -> Measured | float:
        server = self.server()
        if isinstance(server, rabbitmq.AmqpServer):
            depth = rabbitmq.QueueDepth(server, self.queue_name)
            return count(await ask(depth), depth)
        if self.use_regex:
            matching = rabbitmq.MatchingQueues(server, self.vhost(), self.queue_name, self.page_size)
            return self._measured(rabbitmq.merged(await ask(matching), matching, self.operation))
        state = rabbitmq.QueueState(server, self.vhost(), self.queue_name)
        return self._measured(rabbitmq.stats(await ask(state), state))

    def claim_source(self, wishes: Wishes) -> Source | None:
        return self.claimed_from(self.queue_name, wishes)

    def _measured(self, found: rabbitmq.QueueStats) -> Measured:
        messages = found.ready if self.exclude_unacknowledged else found.messages
        value, is_active = rabbitmq.amount(self.mode or "QueueLength", found, messages, self.activation_value)
        return Measured((value,), is_active)

    def _target_problems(self) -> Iterator[Problem]:
        """The target is `mode` with `value`, or `queueLength`, or 20 messages."""
        if self.queue_length and (self.mode or self.value):
            yield Problem("queueLength", "queueLength is deprecated; use mode and value")
        elif self.value and not self.mode:
            yield Problem("mode", "mode must be specified", "FieldValueRequired")
        elif self.mode and not self.value:
            yield Problem("value", "value must be specified", "FieldValueRequired")
