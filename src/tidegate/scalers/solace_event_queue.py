"""Messages, their volume and their rate on a queue of a Solace broker.

```yaml
triggers:
- type: solace-event-queue
  metadata:
    solaceSempBaseURL: https://broker.shop:943
    messageVpn: shop
    queueName: orders
    messageCountTarget: "20"
    username: scaler
  authenticationRef:
    name: solace
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: solace
spec:
  secretTargetRef:
  - parameter: password
    name: solace
    key: password
```

Each target above 0 is a metric of its own: `messageCountTarget` messages, `messageSpoolUsageTarget`
megabytes, `messageReceiveRateTarget` messages in a second (of the last minute). Most replicas win. The
trigger is active as soon as one of the three is above its activation, targets or not: messages that come
and are taken at once keep it active by their rate.

Of several brokers (`solaceSempBaseURL: https://one:943,https://two:943`) the first counts that can be
reached and on which the message VPN is up.

Source:
https://docs.solace.com/API-Developer-Online-Ref-Documentation/swagger-ui/software-broker/monitor/index.html
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Measured, Several
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, declared, setting
from tidegate.kit.systems.solace import active_broker, broker_problems, brokers, queue_counts
from tidegate.kit.tls import Tls

_AME = (AUTHENTICATION, METADATA, ENVIRONMENT)
_MEGABYTE = 1 << 20


@declared
class SolaceEventQueue(Several):
    types: ClassVar[tuple[str, ...]] = ("solace-event-queue",)
    is_consumed: ClassVar[bool] = True
    cost: ClassVar[str] = "one request for each queue and one for each message VPN of a broker, 16 at a time"
    tested_against: ClassVar[str] = "a fake of ours, written from Solace's documentation of SEMP v2"

    base_urls: tuple[str, ...] = setting("solaceSempBaseURL", doc="URLs of brokers.", hidden=True)
    vpn: str = setting("messageVpn", doc="Message VPN.")
    queue: str = setting("queueName", doc="Queue.")
    username: str = setting("username", doc="User of SEMP.", sources=_AME)
    password: str = setting("password", doc="Password.", sources=_AME, secret=True)
    count: int = setting("messageCountTarget", doc="Messages for one replica.", default=0)
    spool: int = setting("messageSpoolUsageTarget", doc="Megabytes for one replica.", default=0)
    rate: int = setting("messageReceiveRateTarget", doc="Messages in a second for one replica.", default=0)
    activation_count: int = setting("activationMessageCountTarget", doc="Active above it.", default=0)
    activation_spool: int = setting("activationMessageSpoolUsageTarget", doc="Active above it.", default=0)
    activation_rate: int = setting("activationMessageReceiveRateTarget", doc="Active above it.", default=0)

    def check(self) -> Iterator[Problem]:
        yield from broker_problems(self.base_urls)
        if max(self.count, self.spool, self.rate) < 1:
            text = "no target value found in the scaler configuration"
            yield Problem("messageCountTarget", text, "FieldValueRequired")

    def metric_targets(self) -> tuple[tuple[str, float], ...]:
        targets = (
            ("msgcount", self.count),
            ("msgspoolusage", self.spool * _MEGABYTE),
            ("msgrcvrate", self.rate),
        )
        return tuple((normalize(f"solace-{self.queue}-{name}"), float(target)) for name, target in targets)

    def target_setting(self) -> str:
        return "messageCountTarget"

    async def measure(self, ask: Ask, now: datetime) -> Measured:
        places = brokers(self.base_urls, self.username, self.password, Tls())
        server, prefix = await active_broker(ask, places, self.vpn)
        found = await queue_counts(ask, server, prefix, self.vpn, self.queue)
        limits = (self.activation_count, self.activation_spool * _MEGABYTE, self.activation_rate)
        is_active = any(value > limit for value, limit in zip(found, limits, strict=True))
        return Measured(self.counted(found), is_active)
