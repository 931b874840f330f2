"""Messages of an ActiveMQ Artemis queue, read through its console's Jolokia.

```yaml
triggers:
- type: artemis-queue
  metadata:
    managementEndpoint: artemis.default:8161
    brokerName: artemis
    brokerAddress: jobs
    queueName: jobs
    queueLength: "20"
    activationQueueLength: "0"
  authenticationRef:
    name: artemis
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: artemis
spec:
  secretTargetRef:
  - parameter: username
    name: artemis
    key: username
  - parameter: password
    name: artemis
    key: password
```

One replica is wanted for each `queueLength` messages, those included that are being delivered or are
scheduled for later. **Without `activationQueueLength` nothing starts before there are more than 10
messages.** A missing queue, address or broker name is an error, never 0. All queues of one console are
read in one request. `restApiTemplate` is a whole URL of an attribute, for https or another path or
routing type; it is requested as it is, by itself. In a cluster each node counts its own messages.

Source: https://activemq.apache.org/components/artemis/documentation/latest/management.html
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
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, activation, declared, setting, target
from tidegate.kit.systems.calls import ROUND, Calls
from tidegate.kit.systems.jolokia import BeanAttribute, BeanUrl, bean
from tidegate.kit.tls import Tls

_AME = (AUTHENTICATION, METADATA, ENVIRONMENT)
_A = (AUTHENTICATION,)


@declared
class ArtemisQueue(JolokiaAccess):
    types: ClassVar[tuple[str, ...]] = ("artemis-queue",)
    is_consumed: ClassVar[bool] = True
    cost: ClassVar[str] = "one request for all queues of a console; one for each `restApiTemplate`"
    calls: ClassVar[Calls] = ROUND
    tested_against: ClassVar[str] = "ActiveMQ Artemis 2.40.0 with Jolokia 2.1.2 (real)"
    template_name: ClassVar[str] = "restApiTemplate"
    product: ClassVar[str] = "Artemis"
    path: ClassVar[str] = "/console/jolokia"

    queue_name: str = setting("queueName", doc="Queue.", default="")
    broker_name: str = setting("brokerName", doc="The broker's name in JMX.", default="")
    broker_address: str = setting("brokerAddress", doc="Address that holds the queue.", default="")
    queue_length: int = target("queueLength", doc="Messages that one replica should carry.", default=10)
    activation_length: int = activation("activationQueueLength", doc="Active above this many.", default=10)
    username: str = setting("username", doc="User.", sources=_AME, hidden=True)
    password: str = setting("password", doc="Password.", sources=_AME, secret=True)
    template: str = setting("restApiTemplate", doc="Whole URL to read instead.", default="", hidden=True)
    unsafe_ssl: bool = setting("unsafeSsl", doc="Accept any certificate and name.", default=False)
    ca: str = setting("ca", doc="CA certificates (PEM).", default="", sources=_A)
    cert: str = setting("cert", doc="Client certificate (PEM).", default="", sources=_A)
    key: str = setting("key", doc="Client key (PEM).", default="", sources=_A, secret=True)
    key_password: str = setting(
        "keyPassword", doc="Password of the key.", default="", sources=_A, secret=True
    )

    def check(self) -> Iterator[Problem]:
        if bool(self.cert) != bool(self.key):
            yield Problem("cert", "both cert and key must be provided", "FieldValueRequired")
        needed = (
            ("queueName", "queue name", self.queue_name),
            ("brokerName", "broker name", self.broker_name),
            ("brokerAddress", "broker address", self.broker_address),
        )
        yield from self.address_problems(needed, ("address", "queue", "broker"))

    def tls(self) -> Tls:
        return Tls(self.ca, self.cert, self.key, self.key_password, not self.unsafe_ssl)

    def metric_name(self) -> str:
        name = self.named().get("queue", "") if self.template else self.queue_name
        return normalize(f"artemis-{name}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        server = self.server()
        if self.template:
            url = BeanUrl(server, self.target(), "the messages of the queue")
            return count(await ask(url), url)
        pairs = {
            "broker": f'"{self.broker_name}"',
            "component": "addresses",
            "address": f'"{self.broker_address}"',
            "subcomponent": "queues",
            "routing-type": '"anycast"',
            "queue": f'"{self.queue_name}"',
        }
        name = bean("org.apache.activemq.artemis", pairs.items())
        question = BeanAttribute(server, name, "MessageCount", f"the messages of queue {self.queue_name}")
        return count(await ask(question), question)
