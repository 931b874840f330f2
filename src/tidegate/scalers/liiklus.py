"""What a group has still to read of a topic in Liiklus.

```yaml
triggers:
- type: liiklus
  metadata:
    address: liiklus.shop:6565
    topic: orders
    group: billing
    groupVersion: "1"
    lagThreshold: "50"
```

The lag of all partitions together, but no more than one replica for each partition could be given: at a
threshold of 10 and two partitions, 20. A group that has acknowledged nothing is behind by the whole topic.

Liiklus is no longer maintained, and KEDA wants to drop this type. It is asked without TLS.

Source: https://github.com/bsideup/liiklus/blob/master/protocol/src/main/proto/LiiklusService.proto
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.addresses import split_address
from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import activation, declared, setting, target
from tidegate.kit.systems.liiklus import GroupOffsets, LiiklusServer, group_lag


@declared
class Liiklus(Polled):
    types: ClassVar[tuple[str, ...]] = ("liiklus",)
    cost: ClassVar[str] = "one call for each topic and one for each group of a server, 50 at a time"
    tested_against: ClassVar[str] = "a fake of ours, with Liiklus' own protocol"

    address: str = setting("address", doc="`host:port` of its gRPC.")
    topic: str = setting("topic", doc="Topic.")
    group: str = setting("group", doc="Group of consumers.")
    version: int = setting("groupVersion", doc="Version of the group.", default=0)
    threshold: int = target("lagThreshold", doc="Lag that one replica should carry.", default=10)
    activation_threshold: int = activation("activationLagThreshold")

    def check(self) -> Iterator[Problem]:
        try:
            split_address(self.address)
        except ValueError as error:
            yield Problem("address", f'"{self.address}" {error}')
        if not 0 <= self.version < 1 << 32:
            yield Problem("groupVersion", "it must be from 0 to 4294967295")

    def metric_name(self) -> str:
        return normalize(f"liiklus-{self.topic}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = GroupOffsets(LiiklusServer(self.address), self.topic, self.group, self.version)
        return group_lag(await ask(question), max(self.threshold, 1), question)
