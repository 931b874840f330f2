"""Rates at which a Solace broker sends to clients of direct messaging, and what waits for them.

```yaml
triggers:
- type: solace-direct-messaging
  metadata:
    solaceSempBaseURL: https://broker.shop:943
    messageVpn: shop
    clientNamePattern: orders-worker
    aggregatedClientTxMsgRateTarget: "600"
    queuedMessagesFactor: "3"
  authenticationRef:
    name: solace
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: solace
spec:
  secretTargetRef:
  - parameter: username
    name: solace
    key: user
  - parameter: password
    name: solace
    key: password
```

All clients count whose names hold `clientNamePattern`. Each target above 0 is a metric of its own: messages
or bytes in a second, in this one or on average in the last minute. What waits for the clients (in their
queues D-1) is added, `queuedMessagesFactor` times: in bytes 2,048 for each piece of work.

The trigger is always active while it can be read, with no client, too: it never scales to zero by itself. Of
several brokers the first that can be reached is asked.

Source: https://docs.solace.com/Admin/SEMP/SEMP-v1-Guide.htm
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.errors import Malformed
from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.alternates import first_answer
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Measured, Several
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, declared, setting
from tidegate.kit.systems.solace import Sums, broker_problems, brokers, client_sums
from tidegate.kit.tls import Tls

_AE = (AUTHENTICATION, ENVIRONMENT)


@declared
class SolaceDirectMessaging(Several):
    types: ClassVar[tuple[str, ...]] = ("solace-direct-messaging",)
    cost: ClassVar[str] = "one request for each different pattern of a broker, 16 at a time"
    tested_against: ClassVar[str] = "a fake of ours, written from Solace's documentation of SEMP v1"

    base_urls: tuple[str, ...] = setting("solaceSempBaseURL", doc="URLs of brokers.", hidden=True)
    vpn: str = setting("messageVpn", doc="Message VPN.")
    pattern: str = setting("clientNamePattern", doc="Part of the clients' names.")
    username: str = setting("username", doc="User of SEMP.", sources=_AE, hidden=True)
    password: str = setting("password", doc="Password.", sources=_AE, secret=True)
    unsafe_ssl: bool = setting("unsafeSSL", doc="Accept any certificate.", default=False)
    factor: int = setting("queuedMessagesFactor", doc="How much what waits counts, 1 to 100.", default=3)
    messages: int = setting("aggregatedClientTxMsgRateTarget", doc="Messages in a second.", default=0)
    volume: int = setting("aggregatedClientTxByteRateTarget", doc="Bytes in a second.", default=0)
    average_messages: int = setting(
        "aggregatedClientAverageTxMsgRateTarget", doc="Messages, on average.", default=0
    )
    average_volume: int = setting(
        "aggregatedClientAverageTxByteRateTarget", doc="Bytes, on average.", default=0
    )
    no_messages: int = setting("activationAggregatedClientTxMsgRateTarget", doc="Has no effect.", default=0)
    no_volume: int = setting("activationAggregatedClientTxByteRateTarget", doc="Has no effect.", default=0)
    no_average_messages: int = setting(
        "activationAggregatedClientAverageTxMsgRateTarget", doc="Has no effect.", default=0
    )
    no_average_volume: int = setting(
        "activationAggregatedClientAverageTxByteRateTarget", doc="Has no effect.", default=0
    )

    def check(self) -> Iterator[Problem]:
        yield from broker_problems(self.base_urls)
        if "*" in self.pattern:
            yield Problem("clientNamePattern", "it may hold no *: it is looked for anywhere in a name")
        if not 1 <= self.factor <= 100:
            yield Problem("queuedMessagesFactor", "it must be from 1 to 100")
        if max(self.messages, self.volume, self.average_messages, self.average_volume) < 1:
            text = "no target value found in the scaler configuration"
            yield Problem("aggregatedClientTxMsgRateTarget", text, "FieldValueRequired")

    def metric_targets(self) -> tuple[tuple[str, float], ...]:
        targets = (
            ("aggregatedClientTxByteRateTarget", self.volume),
            ("aggregatedClientAverageTxByteRateTarget", self.average_volume),
            ("aggregatedClientTxMsgRateTarget", self.messages),
            ("aggregatedClientAverageTxMsgRateTarget", self.average_messages),
        )
        return tuple(
            (normalize(f"solace-dm-{self.pattern}-{name}"), float(target)) for name, target in targets
        )

    def target_setting(self) -> str:
        return "aggregatedClientTxMsgRateTarget"

    async def measure(self, ask: Ask, now: datetime) -> Measured:
        places = brokers(self.base_urls, self.username, self.password, Tls(is_verified=not self.unsafe_ssl))
        questions = [client_sums(server, prefix, self.vpn, self.pattern) for server, prefix in places]
        sums, question = await first_answer(ask, questions)
        if not isinstance(sums, Sums):
            answer = f"a {type(sums).__name__} where sums were expected"
            raise Malformed("show the clients", on=question.server.label(), answer=answer)
        return Measured(self.counted(sums.rates(self.factor)), active=True)
