"""Length of a Redis list, or the number of members of a set, sorted set or hash.

```yaml
triggers:
- type: redis
  metadata:
    address: redis.default:6379
    listName: jobs
    listLength: "5"
```

One replica is wanted for each `listLength` items. A missing key has the length 0; a key of another
kind (a string, a stream) is an error of this trigger alone. All triggers with the same server share
one connection, and their keys are asked for together.

The addresses of a cluster are seeds; each key is asked for at the node that owns it:

```yaml
triggers:
- type: redis-cluster
  metadata:
    addresses: redis-0.redis:6379, redis-1.redis:6379, redis-2.redis:6379
    listName: jobs
```

With sentinels the addresses are theirs, and the master that they name is asked. The sentinels have
a login of their own; the TLS settings serve both:

```yaml
triggers:
- type: redis-sentinel
  metadata:
    addresses: sentinel-0:26379, sentinel-1:26379, sentinel-2:26379
    sentinelMaster: mymaster
    listName: jobs
  authenticationRef:
    name: redis
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: redis
spec:
  secretTargetRef:
  - parameter: password
    name: redis
    key: password
```

A key is read as soon as it changes, not only at the next poll: Redis 6 and newer tell of it (`CLIENT
TRACKING`), on one more connection for all triggers of a server, or of each node of a cluster. They say no
more of a key until it was looked at again, which is at most once a second, however busy it is. Nothing has
to be switched on. A trigger is only polled where the user may not do that (an ACL without
`+client|tracking` and `+hello`), and where a proxy does not know it or Redis is older; `tidegate explain`
says why. When a slot goes to another node, its keys are told of there from the next poll on.

Source: https://redis.io/docs/latest/commands/llen/
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from tidegate.base.names import normalize
from tidegate.core.claims.wishes import Wishes
from tidegate.kit.answers import count
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Pushed
from tidegate.kit.settings import activation, declared, setting, target
from tidegate.kit.systems.claims import Source
from tidegate.kit.systems.redis import Mode, RedisAccess, RedisChanges, RedisLength
from tidegate.kit.systems.redis_claims import RedisListSource, key_problem


@declared
class RedisList(RedisAccess, Pushed):
    types: ClassVar[tuple[str, ...]] = ("redis",)
    is_consumed: ClassVar[bool] = True
    is_claimable: ClassVar[bool] = True
    cost: ClassVar[str] = (
        "one round trip for all keys of a server (of each node of a cluster), one connection; "
        "one more over which the server (each node) tells of changes"
    )
    tested_against: ClassVar[str] = "Redis 6.2 and 7.0 (real)"

    list_name: str = setting("listName", doc="Key whose length is measured.")
    list_length: int = target("listLength", doc="Items that one replica should carry.", default=5)
    activation_list_length: int = activation("activationListLength", doc="Active above this length.")

    def metric_name(self) -> str:
        return normalize(f"redis-{self.list_name}")

    def watch(self) -> RedisChanges:
        return RedisChanges(self.server(), self.list_name)

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = RedisLength(self.server(), self.list_name)
        return count(await ask(question), question)

    def claim_source(self, wishes: Wishes) -> Source | None:
        return RedisListSource(self.server(), self.list_name, wishes.end, wishes.dead_letter)

    def claim_problem(self, wishes: Wishes) -> str:
        return key_problem(self.mode, self.list_name, wishes.dead_letter)


@declared
class RedisClusterList(RedisList):
    types: ClassVar[tuple[str, ...]] = ("redis-cluster",)
    mode: ClassVar[Mode] = "cluster"


@declared
class RedisSentinelList(RedisList):
    types: ClassVar[tuple[str, ...]] = ("redis-sentinel",)
    mode: ClassVar[Mode] = "sentinel"
