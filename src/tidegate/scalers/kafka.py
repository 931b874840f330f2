"""Lag of a Kafka consumer group: how far its commits are behind the ends of a topic's partitions.

```yaml
triggers:
- type: kafka
  metadata:
    bootstrapServers: kafka.default:9092
    consumerGroup: shippers
    topic: orders
    lagThreshold: "500"
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

The number is the sum over the partitions. A partition has one consumer at a time, so the number is capped
at one `lagThreshold` for each partition: there are never more replicas than partitions, unless
`allowIdleConsumers` is set. Without `topic` all topics count in which the group has committed; a group
without any commit has the lag 0 then. `sasl` (in the metadata or the authentication) says how the user logs
in; without it user and password are not used.

A partition in which the group has not committed counts 1 with `offsetResetPolicy: latest`, so that somebody
starts who commits, and all that it holds with `earliest`. Set the policy as your consumers have it.

- A partition that cannot be told (no leader, no right, its broker down) fails the trigger: a partial sum
  looks like little work.
- In compacted topics and behind transactions offsets are no counts: the lag is larger than what consumers
  get to see, and what a transaction has not yet committed counts.
- `excludePersistentLag` compares with what was seen one polling interval before. After a restart nothing
  was, and each partition counts once.
- With `ensureEvenDistributionOfPartitions` the value is never below one threshold; activity looks at the
  lag itself.
- `version` is checked and not needed: each broker is asked what it can. Brokers from 0.11 on work, with
  `sasl` from 1.0.
- Amazon MSK: `sasl: oauthbearer` with `saslTokenProvider: aws_msk_iam`, `tls: enable` and `awsRegion`; who
  asks is said as for every AWS trigger ([AWS identities](../authentication/aws.md)).
- The addresses that the brokers advertise must be reachable; `bootstrapServers` are only asked first.
- Between polls the lag is read as soon as records come into a topic that the annotation `tidegate.dev/listen`
  names, at most once a second. That takes the right to read the topic, and brings some of its records along:
  see [what it costs](../../pushes.md).

Source: https://kafka.apache.org/protocol.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Measured
from tidegate.kit.settings import ENVIRONMENT, METADATA, declared, setting
from tidegate.kit.systems.calls import ROUND, Calls
from tidegate.kit.systems.kafka_login import KafkaLogins
from tidegate.kit.systems.kafka_settings import COST, REQUIRED, TESTED_AGAINST

_VERSION = re.compile(r"0\.\d+\.\d+\.\d+|[1-9]\d*\.\d+\.\d+")


@declared
class KafkaLag(KafkaLogins):
    types: ClassVar[tuple[str, ...]] = ("kafka",)
    cost: ClassVar[str] = COST
    calls: ClassVar[Calls] = ROUND
    tested_against: ClassVar[str] = f"{TESTED_AGAINST}, with tokens of Keycloak 26.7"

    topic: str = setting(
        "topic",
        doc="Topic; without it all in which the group has committed.",
        default="",
        sources=(METADATA, ENVIRONMENT),
    )
    version: str = setting("version", doc="Version of the brokers, as `X.Y.Z`; not needed.", default="1.0.0")
    full_metadata: bool = setting(
        "fullMetadata", doc="Not needed: metadata of the named topics alone is fetched.", default=True
    )

    def topics(self) -> tuple[str, ...]:
        return (self.topic,) if self.topic else ()

    def check(self) -> Iterator[Problem]:
        yield from self.problems()
        if self.limit_to_partitions_with_lag and self.ensure_even_distribution:
            yield Problem(
                "limitToPartitionsWithLag",
                "limitToPartitionsWithLag and ensureEvenDistributionOfPartitions "
                "cannot be set simultaneously",
            )
        if self.ensure_even_distribution and not self.topic:
            text = "topic must be specified when using ensureEvenDistributionOfPartitions"
            yield Problem("topic", text, REQUIRED)
        if not self.full_metadata and not self.topic:
            yield Problem("topic", "topic must be specified when fullMetadata is false", REQUIRED)
        if not _VERSION.fullmatch(self.version):
            yield Problem("version", f'invalid version "{self.version}": write it as 2.8.1')

    def metric_name(self) -> str:
        return normalize(self.metric_name_of(self.topic))

    async def measure(self, ask: Ask, now: datetime) -> Measured:
        question = self.question()
        return self.measured(await ask(question), question)
