"""Number of open shards of an Amazon Kinesis data stream.

```yaml
triggers:
- type: aws-kinesis-stream
  metadata:
    streamName: clicks
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

It follows how much the stream can carry, not how much waits in it: for a lag, scale by the metric
`GetRecords.IteratorAgeMilliseconds` with `aws-cloudwatch`. A stream that exists has shards, so the trigger
is active unless `activationShardCount` is raised. While a stream is resharded, parents and children count.

An account may make 20 such calls a second, whoever makes them: here it is at most 10, one for each stream.
Instead of keys it can ask in a role: see [AWS identities](../authentication/aws.md).

Source: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_DescribeStreamSummary.html
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from tidegate.base.names import normalize
from tidegate.kit.answers import count
from tidegate.kit.question import Ask
from tidegate.kit.settings import activation, declared, setting, target
from tidegate.kit.systems.aws import AwsAccess, KinesisShards, Service


@declared
class AwsKinesisStream(AwsAccess):
    types: ClassVar[tuple[str, ...]] = ("aws-kinesis-stream",)
    service: ClassVar[Service] = "kinesis"
    cost: ClassVar[str] = "one call for each stream, at most 10 a second; woken at most every 30 s"
    tested_against: ClassVar[str] = "moto 5.2.5 (emulator)"

    stream_name: str = setting("streamName", doc="Name of the stream, not its ARN.")
    shard_count: int = target("shardCount", doc="Shards that one replica reads.", default=2)
    activation_shard_count: int = activation("activationShardCount", doc="Active above this number.")

    def summary(self) -> str:
        return self.stream_name

    def metric_name(self) -> str:
        return normalize(f"aws-kinesis-{self.stream_name}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = KinesisShards(self.server(), self.stream_name)
        return count(await ask(question), question)
