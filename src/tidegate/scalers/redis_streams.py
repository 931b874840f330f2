"""Entries of a Redis stream: those that a consumer group has to read, those not acknowledged, or all.

```yaml
triggers:
- type: redis-streams
  metadata:
    address: redis.default:6379
    stream: orders
    consumerGroup: workers
    lagCount: "5"
```

With `lagCount` the entries count that the group has not read yet, for which the server must be Redis 7 or
newer. To a group that does not exist yet every entry is unread: so work wakes a workload from zero.

Without `lagCount` the entries count that consumers of the group have read and not acknowledged
(`pendingEntriesCount`). None of those are new: such a trigger cannot wake a workload from zero, and a
stream or group that is not there is an error:

```yaml
triggers:
- type: redis-cluster-streams
  metadata:
    addresses: redis-0.redis:6379, redis-1.redis:6379
    stream: orders
    consumerGroup: workers
    pendingEntriesCount: "10"
```

Without a group all entries of the stream count (`streamLength`), also those that were worked on long
ago: somebody must trim or delete them. A missing stream has the length 0:

```yaml
triggers:
- type: redis-sentinel-streams
  metadata:
    addresses: sentinel-0:26379, sentinel-1:26379
    sentinelMaster: mymaster
    stream: orders
    streamLength: "100"
```

Where Redis cannot tell a lag (unread entries were deleted, or the group began in the middle), the entries
are counted, up to 10,000. `activationLagCount` is the activation of all three.

A stream is read as soon as entries are added, as lists are (see `redis`). What consumers read and
acknowledge is seen at the next poll.

Source: https://redis.io/docs/latest/commands/xinfo-groups/
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.core.claims.wishes import Wishes
from tidegate.kit.answers import count
from tidegate.kit.question import Ask, Question
from tidegate.kit.scaler import Pushed
from tidegate.kit.settings import activation, declared, setting
from tidegate.kit.systems.claims import Source
from tidegate.kit.systems.redis import (
    Mode,
    RedisAccess,
    RedisChanges,
    RedisStreamLag,
    RedisStreamLength,
    RedisStreamPending,
)
from tidegate.kit.systems.redis_claims import RedisStreamSource, key_problem


@declared
class RedisStreams(RedisAccess, Pushed):
    types: ClassVar[tuple[str, ...]] = ("redis-streams",)
    is_claimable: ClassVar[bool] = True
    cost: ClassVar[str] = (
        "one round trip for all streams of a server (or node of a cluster), one connection; "
        "one more over which the server (each node) tells of changes"
    )
    tested_against: ClassVar[str] = "Redis 7.0 and 6.2 (real)"

    stream: str = setting("stream", doc="Key of the stream.")
    consumer_group: str = setting("consumerGroup", doc="Group whose entries count.", default="")
    lag_count: int = setting("lagCount", doc="Unread entries that one replica should carry.", default=0)
    pending_entries_count: int = setting(
        "pendingEntriesCount", doc="Unacknowledged entries for each replica, without `lagCount`.", default=5
    )
    stream_length: int = setting(
        "streamLength", doc="Entries for each replica, without `consumerGroup`.", default=5
    )
    activation_lag_count: int = activation("activationLagCount", doc="Active above this number.")

    def notices(self) -> Iterator[Problem]:
        yield from RedisAccess.notices(self)
        if self.lag_count and not self.consumer_group:
            yield Problem("lagCount", "does nothing without consumerGroup: all entries of the stream count")

    def metric_name(self) -> str:
        return normalize(f"redis-streams-{self.stream}")

    def metric_target(self) -> float:
        if not self.consumer_group:
            return float(self.stream_length)
        return float(self.lag_count or self.pending_entries_count)

    def target_setting(self) -> str:
        if not self.consumer_group:
            return "streamLength"
        return "lagCount" if self.lag_count else "pendingEntriesCount"

    def watch(self) -> RedisChanges:
        return RedisChanges(self.server(), self.stream)

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = self.question()
        return count(await ask(question), question)

    def question(self) -> Question:
        if not self.consumer_group:
            return RedisStreamLength(self.server(), self.stream)
        kind = RedisStreamLag if self.lag_count else RedisStreamPending
        return kind(self.server(), self.stream, self.consumer_group)

    def claim_source(self, wishes: Wishes) -> Source | None:
        group, dead_letter = self.consumer_group, wishes.dead_letter
        return RedisStreamSource(self.server(), self.stream, group, wishes.field, dead_letter)

    def claim_problem(self, wishes: Wishes) -> str:
        if not self.consumer_group:
            return "entries are claimed for a group, and none is named; give consumerGroup and lagCount"
        if not self.lag_count:
            return "without lagCount entries count that were read before, and none that is new; give lagCount"
        return key_problem(self.mode, self.stream, wishes.dead_letter)


@declared
class RedisClusterStreams(RedisStreams):
    types: ClassVar[tuple[str, ...]] = ("redis-cluster-streams",)
    mode: ClassVar[Mode] = "cluster"


@declared
class RedisSentinelStreams(RedisStreams):
    types: ClassVar[tuple[str, ...]] = ("redis-sentinel-streams",)
    mode: ClassVar[Mode] = "sentinel"
