"""Messages of an ActiveMQ Classic queue, read through its web console's Jolokia.

```yaml
triggers:
- type: activemq
  metadata:
    managementEndpoint: activemq.default:8161
    brokerName: localhost
    destinationName: jobs
    targetQueueSize: "20"
  authenticationRef:
    name: activemq
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: activemq
spec:
  secretTargetRef:
  - parameter: username
    name: activemq
    key: username
  - parameter: password
    name: activemq
    key: password
```

One replica is wanted for each `targetQueueSize` messages, those included that a consumer has and has not
acknowledged. A missing queue or broker name is an error, never 0. All queues of one console are read in
one request. `restAPITemplate` is a whole URL of an attribute, for https or another path; it is requested
as it is, by itself.

Source: https://activemq.apache.org/components/classic/documentation/rest
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import count
from tidegate.kit.jolokiaaccess import JolokiaAccess
from tidegate.kit.question import Ask
from tidegate.kit.settings import activation, declared, setting, target
from tidegate.kit.systems.calls import ROUND, Calls
from tidegate.kit.systems.jolokia import BeanAttribute, BeanUrl, bean


@declared
class ActivemqQueue(JolokiaAccess):
    types: ClassVar[tuple[str, ...]] = ("activemq",)
    is_consumed: ClassVar[bool] = True
    cost: ClassVar[str] = "one request for all queues of a console; one for each `restAPITemplate`"
    calls: ClassVar[Calls] = ROUND
    tested_against: ClassVar[str] = "ActiveMQ Classic 6.3.1 with Jolokia 2.1.2 (real)"
    template_name: ClassVar[str] = "restAPITemplate"
    product: ClassVar[str] = "ActiveMQ"
    path: ClassVar[str] = "/api/jolokia"

    destination_name: str = setting("destinationName", doc="Queue.", default="")
    broker_name: str = setting("brokerName", doc="The broker's name in JMX.", default="")
    target_queue_size: int = target(
        "targetQueueSize", doc="Messages that one replica should carry.", default=10
    )
    activation_size: int = activation("activationTargetQueueSize", doc="Active above this many.")

    def check(self) -> Iterator[Problem]:
        needed = (
            ("destinationName", "destination name", self.destination_name),
            ("brokerName", "broker name", self.broker_name),
        )
        yield from self.address_problems(needed, ("destinationName", "brokerName"))

    def metric_name(self) -> str:
        name = self.named().get("destinationName", "") if self.template else self.destination_name
        return normalize(f"activemq-{name}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        server = self.server()
        if self.template:
            url = BeanUrl(server, self.target(), "the size of the queue")
            return count(await ask(url), url)
        pairs = {
            "type": "Broker",
            "brokerName": self.broker_name,
            "destinationType": "Queue",
            "destinationName": self.destination_name,
        }
        name = bean("org.apache.activemq", pairs.items())
        question = BeanAttribute(server, name, "QueueSize", f"the size of queue {self.destination_name}")
        return count(await ask(question), question)
