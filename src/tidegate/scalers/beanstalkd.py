"""Number of jobs in a beanstalkd tube: those that are ready and those that a worker has reserved.

```yaml
triggers:
- type: beanstalkd
  metadata:
    server: beanstalkd.default:11300
    tube: emails
    value: "5"
```

One replica is wanted for each `value` jobs. Reserved jobs count until they are deleted, so a worker
that is busy keeps its replica; delayed ones count with `includeDelayed`; buried ones never do. A tube
exists only while it holds jobs or somebody uses it, so a tube that is not there holds no jobs.
All triggers with the same server share one connection, and their tubes are asked for together.

A ScaledJob can claim the jobs of a tube, one Job for each: see [claimed work](../../claims.md).

A bare number in `timeout` means milliseconds, as in KEDA; connecting may always take as long as any
other question, and `timeout` can only lengthen that (`timeout: 10s`).

Source: https://github.com/beanstalkd/beanstalkd/blob/master/doc/protocol.txt
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar
from urllib.parse import quote_plus

from tidegate.base.addresses import is_address, with_port
from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.core.claims.wishes import Wishes
from tidegate.kit.answers import of_kind
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import Duration, activation, declared, setting, target
from tidegate.kit.systems.beanstalkd import PORT, BeanstalkdServer, JobCounts, TubeJobs, is_tube
from tidegate.kit.systems.beanstalkd_claims import TubeSource
from tidegate.kit.systems.calls import ROUND, Calls
from tidegate.kit.systems.claims import Source

_USUAL_S = 3.0


@declared
class BeanstalkdTube(Polled):
    types: ClassVar[tuple[str, ...]] = ("beanstalkd",)
    is_consumed: ClassVar[bool] = True
    is_claimable: ClassVar[bool] = True
    cost: ClassVar[str] = "one round trip for all tubes of a server, one connection"
    calls: ClassVar[Calls] = ROUND
    tested_against: ClassVar[str] = "beanstalkd 1.12 (real)"

    address: str = setting("server", doc="`host:port`; the port is 11300 where none is given.")
    tube: str = setting("tube", doc="Tube whose jobs are counted.")
    value: float = target("value", doc="Jobs that one replica should carry.")
    activation_value: float = activation("activationValue", doc="Active above this number of jobs.")
    include_delayed: bool = setting("includeDelayed", doc="Count delayed jobs too.", default=False)
    timeout: Duration = setting("timeout", doc="How long connecting may take, if longer.", default=0.03)

    def check(self) -> Iterator[Problem]:
        if not is_address(with_port(self.address, PORT)):
            yield Problem("server", f'"{self.address}" is not host:port')
        if not is_tube(self.tube):
            signs = "at most 200 letters, digits and -+/;.$_(), not beginning with -"
            yield Problem("tube", f"is no name that beanstalkd takes: {signs}")

    def metric_name(self) -> str:
        return normalize(f"beanstalkd-{quote_plus(self.tube)}")

    def server(self) -> BeanstalkdServer:
        dial_s = self.timeout if self.timeout > _USUAL_S else 0.0
        return BeanstalkdServer(with_port(self.address, PORT), dial_s)

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = TubeJobs(self.server(), self.tube)
        counts = of_kind(await ask(question), JobCounts, question)
        return counts.ready + counts.reserved + (counts.delayed if self.include_delayed else 0)

    def claim_source(self, wishes: Wishes) -> Source | None:
        return TubeSource(self.server(), self.tube)
