"""Messages on queues of IBM MQ.

```yaml
triggers:
- type: ibmmq
  metadata:
    host: https://mq.shop:9443/ibmmq/rest/v2/admin/action/qmgr/QM1/mqsc
    queueName: ORDERS.WAITING
    queueDepth: "10"
  authenticationRef:
    name: ibmmq
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: ibmmq
spec:
  secretTargetRef:
  - parameter: username
    name: ibmmq
    key: user
  - parameter: password
    name: ibmmq
    key: password
```

`host` is the whole URL of the administrative REST API for a queue manager. Only local queues have a depth:
name the local queue behind an alias or a cluster queue. Several queues (`queueName: A,B`) become one number
by `operation`; when one of them fails, the trigger does.

From the eighth queue of a queue manager on, one listing answers all, where the user may see them.

Source: https://www.ibm.com/docs/en/ibm-mq/9.4?topic=adminactionqmgrqmgrnamemqsc-post
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar, Literal

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import count
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, activation, declared, setting, target
from tidegate.kit.systems.http import read_url
from tidegate.kit.systems.ibmmq import MqServer, QueueDepth, combined
from tidegate.kit.tls import Tls

_A = (AUTHENTICATION,)
_AEM = (AUTHENTICATION, ENVIRONMENT, METADATA)


@declared
class Ibmmq(Polled):
    types: ClassVar[tuple[str, ...]] = ("ibmmq",)
    is_consumed: ClassVar[bool] = True
    cost: ClassVar[str] = (
        "one request for each different queue of a queue manager, 16 at a time; from eight queues on "
        "one for all"
    )
    tested_against: ClassVar[str] = "a fake of ours, written from IBM's documentation of the REST API"

    host: str = setting("host", doc="URL of the MQSC endpoint.", hidden=True)
    queues: tuple[str, ...] = setting("queueName", "queueNames", doc="Local queues.")
    queue_depth: int = target("queueDepth", doc="Messages that one replica should carry.", default=20)
    activation_depth: int = activation("activationQueueDepth")
    operation: Literal["max", "avg", "sum"] = setting(
        "operation", doc="What becomes of several depths; an average is a whole number.", default="max"
    )
    username: str = setting("username", doc="User.", sources=_AEM, hidden=True)
    password: str = setting("password", doc="Password.", sources=_AEM, secret=True)
    unsafe_ssl: bool = setting("unsafeSsl", doc="Accept any certificate.", default=False)
    ca: str = setting("ca", doc="CA certificates (PEM).", default="", sources=_A)
    cert: str = setting("cert", doc="Client certificate (PEM).", default="", sources=_A)
    key: str = setting("key", doc="Client key (PEM).", default="", sources=_A, secret=True)
    key_password: str = setting("keyPassword", doc="Its password.", default="", sources=_A, secret=True)

    def check(self) -> Iterator[Problem]:
        try:
            read_url(self.host)
        except ValueError as error:
            yield Problem("host", f"invalid URL: it {error}")
        if not all(self.queues):
            yield Problem("queueName", "one of its names is empty")
        if bool(self.cert) != bool(self.key):
            text = "both cert and key must be provided when using TLS"
            yield Problem("key" if self.cert else "cert", text, "FieldValueRequired")

    def metric_name(self) -> str:
        return normalize(f"ibmmq-{self.queues[0]}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        url = read_url(self.host)
        pem = Tls(self.ca, self.cert, self.key, self.key_password, not self.unsafe_ssl)
        tls = pem if url.origin.startswith("https:") else None
        server = MqServer(url.origin, url.target(), self.username, self.password, tls)
        questions = [QueueDepth(server, one) for one in self.queues]
        answers = await ask.all(*questions)
        depths = tuple(count(answer, one) for answer, one in zip(answers, questions, strict=True))
        return combined(depths, self.operation)
