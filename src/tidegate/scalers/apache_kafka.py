"""Lag of a Kafka consumer group over one topic or several: KEDA's other Kafka trigger.

```yaml
triggers:
- type: apache-kafka
  metadata:
    bootstrapServers: kafka.default:9092
    consumerGroup: shippers
    topic: orders, returns
    lagThreshold: "50"
    sasl: scram_sha512
  authenticationRef:
    name: kafka
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: kafka
spec:
  secretTargetRef:
  - parameter: username
    name: kafka
    key: username
  - parameter: password
    name: kafka
    key: password
```

It measures what [kafka](kafka.md) measures, with one connection for both; what is told there holds here.
The differences: `topic` is a list; `sasl` and `tls` stand in the metadata or in the authentication, not in
both; there are no OAuth tokens and no Kerberos; and `ensureEvenDistributionOfPartitions` goes together with
`limitToPartitionsWithLag`, which then has the last word.

Amazon MSK wants `sasl: aws_msk_iam`, `tls: enable` and `awsRegion`; who asks is said as for every AWS trigger
([AWS identities](../authentication/aws.md)).

Without `topic` those topics count that the group's members are assigned or in which it has committed; a
group without members cannot be told apart from a misspelt one and fails the trigger.

Source: https://kafka.apache.org/protocol.html
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar, Literal

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Measured
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, declared, setting
from tidegate.kit.systems.calls import ROUND, Calls
from tidegate.kit.systems.kafka_settings import COST, TESTED_AGAINST, KafkaAccess


@declared
class ApacheKafkaLag(KafkaAccess):
    types: ClassVar[tuple[str, ...]] = ("apache-kafka",)
    mechanisms: ClassVar[tuple[str, ...]] = (
        "plaintext",
        "scram_sha256",
        "scram_sha512",
        "gssapi",
        "aws_msk_iam",
    )
    cost: ClassVar[str] = COST
    calls: ClassVar[Calls] = ROUND
    tested_against: ClassVar[str] = TESTED_AGAINST

    topic_list: tuple[str, ...] = setting(
        "topic", doc="Topics; without them those of the group.", default=(), sources=(METADATA, ENVIRONMENT)
    )
    sasl: str = setting("sasl", doc="How to log in: `plaintext`, `scram_sha256`, `scram_sha512`.", default="")
    own_sasl: str = setting(
        "sasl", doc="The same, in the authentication.", default="", sources=(AUTHENTICATION,)
    )
    tls: Literal["enable", "disable", ""] = setting("tls", doc="Speak TLS.", default="")
    own_tls: Literal["enable", "disable", ""] = setting(
        "tls", doc="The same, in the authentication.", default="", sources=(AUTHENTICATION,)
    )

    def topics(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one for one in self.topic_list if one))

    def written_sasl(self) -> str:
        return self.sasl or self.own_sasl or "none"

    def speaks_tls(self) -> bool:
        return "enable" in (self.tls, self.own_tls)

    def check(self) -> Iterator[Problem]:
        for name, there, here in (("sasl", self.sasl, self.own_sasl), ("tls", self.tls, self.own_tls)):
            if there and here:
                text = f"unable to set `{name}` in both ScaledObject and TriggerAuthentication together"
                yield Problem(name, text)
        yield from self.problems()

    def metric_name(self) -> str:
        return normalize(self.metric_name_of(",".join(self.topic_list)))

    async def measure(self, ask: Ask, now: datetime) -> Measured:
        question = self.question(of_members=not self.topics())
        return self.measured(await ask(question), question)
