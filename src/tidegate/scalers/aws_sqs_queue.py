"""Messages of an Amazon SQS queue: those that wait and those that are being worked on.

```yaml
triggers:
- type: aws-sqs-queue
  metadata:
    queueURL: https://sqs.eu-west-1.amazonaws.com/123456789012/orders
    queueLength: "5"
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

Messages in flight count (`scaleOnInFlight`), so that a slow worker is not scaled in while it works; delayed
ones count with `scaleOnDelayed`. All counts of SQS are approximate: an empty queue sometimes shows one or
two, and a change takes up to a minute to show; `activationQueueLength` keeps that from waking a workload.
`queueURL` may be a name; a queue of another account needs the whole URL. The region is never taken from it.

SQS has no call that tells of several queues, and each call is billed: triggers of one queue share theirs.
A ScaledJob can claim from it, one Job for one message: see [claimed work](../../claims.md).
Instead of keys the trigger can ask in a role or as the autoscaler (`podIdentity`): see
[AWS identities](../authentication/aws.md).

Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

from tidegate.base.errors import Malformed
from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.core.claims.wishes import Wishes
from tidegate.kit.question import Ask
from tidegate.kit.settings import ENVIRONMENT, METADATA, activation, declared, setting, target
from tidegate.kit.systems.aws import AwsAccess, Service, SqsCounts, SqsQueue
from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.claims import Source
from tidegate.kit.systems.sqs_claims import SqsSource, aside_problem


@declared
class AwsSqsQueue(AwsAccess):
    types: ClassVar[tuple[str, ...]] = ("aws-sqs-queue",)
    service: ClassVar[Service] = "sqs"
    is_consumed: ClassVar[bool] = True
    is_claimable: ClassVar[bool] = True
    cost: ClassVar[str] = "one billed call for each queue, 16 at a time; woken at most every 5 s"
    calls: ClassVar[Calls] = SqsQueue.calls
    tested_against: ClassVar[str] = "moto 5.2.5 and ElasticMQ 1.6.12 (emulators)"

    queue_url: str = setting("queueURL", doc="URL or name of the queue.", sources=(METADATA, ENVIRONMENT))
    queue_length: int = target("queueLength", doc="Messages that one replica should carry.", default=5)
    activation_queue_length: int = activation("activationQueueLength", doc="Active above this number.")
    scale_on_in_flight: bool = setting("scaleOnInFlight", doc="Count messages in flight.", default=True)
    scale_on_delayed: bool = setting("scaleOnDelayed", doc="Count delayed messages.", default=False)

    def check(self) -> Iterator[Problem]:
        if queue_name(self.queue_url) is None:
            yield Problem("queueURL", f'cannot get queueName from queueURL "{self.queue_url}"')
        yield from AwsAccess.check(self)

    def summary(self) -> str:
        return self.queue_url

    def metric_name(self) -> str:
        return normalize(f"aws-sqs-{queue_name(self.queue_url)}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = SqsQueue(self.server(), self.queue_url)
        counts: Any = await ask(question)
        if not isinstance(counts, SqsCounts):
            answer = f"a {type(counts).__name__}"
            raise Malformed("count the messages", on=question.server.label(), answer=answer)
        total = counts.visible
        total += counts.in_flight if self.scale_on_in_flight else 0
        total += counts.delayed if self.scale_on_delayed else 0
        return float(total)

    def claim_source(self, wishes: Wishes) -> Source | None:
        return SqsSource(self.server(), self.queue_url, wishes.dead_letter, wishes.attempts)

    def claim_problem(self, wishes: Wishes) -> str:
        return aside_problem(self.queue_url, wishes.dead_letter)


def queue_name(url: str) -> str | None:
    """The last of a URL's two path segments, or the whole of what is no URL. None for other URLs."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if not parts.scheme and not url.startswith("/"):
        return url
    segments = parts.path.split("/")
    return segments[2] if len(segments) == 3 and segments[2] else None
