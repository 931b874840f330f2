"""Number of shards in the newest stream of an Amazon DynamoDB table.

```yaml
triggers:
- type: aws-dynamodb-streams
  metadata:
    tableName: orders
    shardCount: "2"
    awsRegion: eu-west-1
  authenticationRef:
    name: aws
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: aws
spec:
  secretTargetRef:
  - parameter: awsAccessKeyID
    name: aws
    key: id
  - parameter: awsSecretAccessKey
    name: aws
    key: secret
```

It follows how many consumers can read side by side, not how much waits: an idle stream has shards too.
Closed shards stay in the list for about a day and count. A table without a stream is an error of this
trigger; a stream that was switched off and on again is found within five minutes.

An account may make 10 such calls a second, and a large table needs several: here it is at most 5.
Instead of keys it can ask in a role: see [AWS identities](../authentication/aws.md).

Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_DescribeStream.html
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from tidegate.base.names import normalize
from tidegate.kit.answers import count
from tidegate.kit.question import Ask
from tidegate.kit.settings import activation, declared, setting, target
from tidegate.kit.systems.aws import AwsAccess, DynamodbStreamShards, Service
from tidegate.kit.systems.calls import Calls


@declared
class AwsDynamodbStreams(AwsAccess):
    types: ClassVar[tuple[str, ...]] = ("aws-dynamodb-streams",)
    service: ClassVar[Service] = "streams.dynamodb"
    cost: ClassVar[str] = (
        "one call for each hundred shards of a table, at most 5 a second; woken at most every 30 s"
    )
    calls: ClassVar[Calls] = DynamodbStreamShards.calls
    tested_against: ClassVar[str] = "moto 5.2.5 (emulator)"

    table_name: str = setting("tableName", doc="Table whose stream is looked at.")
    shard_count: int = target("shardCount", doc="Shards that one replica reads.", default=2)
    activation_shard_count: int = activation("activationShardCount", doc="Active above this number.")

    def summary(self) -> str:
        return self.table_name

    def metric_name(self) -> str:
        return normalize(f"aws-dynamodb-streams-{self.table_name}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = DynamodbStreamShards(self.server(), self.table_name)
        return count(await ask(question), question)
