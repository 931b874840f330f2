"""Depth of an NSQ channel: the messages that wait for it, in memory and on disk, on all nsqds of its topic.

```yaml
triggers:
- type: nsq
  metadata:
    nsqLookupdHTTPAddresses: nsqlookupd-0.nsq:4161, nsqlookupd-1.nsq:4161
    topic: orders
    channel: invoices
    depthThreshold: "10"
```

One replica is wanted for each `depthThreshold` messages. Messages that are being worked on or were
deferred do not count. Where the channel does not exist yet, the topic's own depth counts, so that a
consumer at zero replicas can come and make it; a paused channel counts nothing. A topic that nobody
has published to is empty.

Every nsqlookupd of the list and every nsqd with the topic must answer: a number without one of them
would be too low. Each is asked once a round for all its topics, however many triggers there are.

Source: https://nsq.io/components/nsqd.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.addresses import is_address
from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import of_kind
from tidegate.kit.picking.pick import Pick
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import ENVIRONMENT, METADATA, activation, declared, setting, target
from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.http import HttpQuestion, HttpRequest, HttpServer
from tidegate.kit.systems.nsq import NODES, STATS, Depths, DepthsByTopic, Nodes, NodesByTopic
from tidegate.kit.tls import Tls

_ME = (METADATA, ENVIRONMENT)
_LIMIT_BYTES = 32 << 20
_NAME = re.compile(r"(?=.{1,64}\Z)[.a-zA-Z0-9_-]+(#ephemeral)?", re.ASCII)
_NO_NAME = "it is no name that NSQ takes: at most 64 letters, digits and ._-, perhaps with #ephemeral"


@declared
class NsqChannel(Polled):
    types: ClassVar[tuple[str, ...]] = ("nsq",)
    is_consumed: ClassVar[bool] = True
    cost: ClassVar[str] = "one request to each nsqlookupd and to each nsqd, for all topics together"
    calls: ClassVar[Calls] = Calls(together=1_000, more="one to each nsqlookupd, and to each nsqd")
    tested_against: ClassVar[str] = "nsqlookupd and nsqd 1.3.0 (real)"

    addresses: tuple[str, ...] = setting(
        "nsqLookupdHTTPAddresses", doc="`host:port` of the nsqlookupds' HTTP ports.", sources=_ME
    )
    topic: str = setting("topic", doc="Topic that is published to.", sources=_ME)
    channel: str = setting("channel", doc="Channel whose depth is measured.", sources=_ME)
    depth_threshold: int = target(
        "depthThreshold", doc="Messages that one replica should carry.", default=10, sources=_ME
    )
    activation_depth_threshold: int = activation(
        "activationDepthThreshold", doc="Active above this depth.", sources=_ME
    )
    use_https: bool = setting("useHttps", doc="Speak TLS, to nsqd as well.", default=False, sources=_ME)
    unsafe_ssl: bool = setting("unsafeSsl", doc="Accept any certificate.", default=False, sources=_ME)

    def check(self) -> Iterator[Problem]:
        for number, address in enumerate(self.addresses, 1):
            if not is_address(address):
                shown = f"address {number}" if "@" in address else f'"{address}"'
                yield Problem("nsqLookupdHTTPAddresses", f"{shown} is not host:port")
        for name, given in (("topic", self.topic), ("channel", self.channel)):
            if _NAME.fullmatch(given) is None:
                yield Problem(name, _NO_NAME)
        if self.depth_threshold <= 0:
            yield Problem("depthThreshold", "depthThreshold must be a positive integer")
        if self.activation_depth_threshold < 0:
            yield Problem(
                "activationDepthThreshold", "activationDepthThreshold must be greater than or equal to 0"
            )

    def metric_name(self) -> str:
        return normalize(f"nsq-{self.topic}-{self.channel}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        lookups = [self._question("nsqlookupd", one, NODES, NodesByTopic()) for one in self.addresses]
        known = [
            of_kind(answer, Nodes, one) for answer, one in zip(await ask.all(*lookups), lookups, strict=True)
        ]
        nodes = dict.fromkeys(node for one in known for node in one.by_topic.get(self.topic, ()))
        stats = [self._question("nsqd", node, STATS, DepthsByTopic()) for node in nodes]
        answers = await ask.all(*stats) if stats else ()
        depths = [of_kind(answer, Depths, one) for answer, one in zip(answers, stats, strict=True)]
        topics = [one.by_topic[self.topic] for one in depths if self.topic in one.by_topic]
        return sum(topic.of(self.channel) for topic in topics)

    def _question(self, product: str, address: str, path: str, pick: Pick) -> HttpQuestion:
        scheme, tls = ("https", Tls(is_verified=not self.unsafe_ssl)) if self.use_https else ("http", None)
        server = HttpServer(f"{scheme}://{address}", tls=tls, name=product)
        attempted = "find the nsqds" if path == NODES else "read the depths"
        headers = (("Accept", "application/json; charset=utf-8"),)
        return HttpQuestion(
            HttpRequest(server, path, headers=headers, limit_bytes=_LIMIT_BYTES, attempted=attempted), pick
        )
