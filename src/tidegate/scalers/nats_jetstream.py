"""Lag of a NATS JetStream consumer: messages it has not been given yet, and those it has not acknowledged.

```yaml
triggers:
- type: nats-jetstream
  metadata:
    natsServerMonitoringEndpoint: nats.default:8222
    account: $G
    stream: orders
    consumer: invoices
    lagThreshold: "10"
```

One replica is wanted for each `lagThreshold` messages. A message counts until it is acknowledged, so a
busy worker keeps its replica. `account` is `$G` where the server has no accounts of its own; in operator
mode `accountID` is the account's public key. A stream or consumer that is not there is an error.

The endpoint is the monitoring port (`host:port`, without a scheme), which has no login. In a cluster
only a consumer's leader knows its lag: the nodes are found through the endpoint and asked on its port.
One page serves all triggers of an account.

Source: https://docs.nats.io/running-a-nats-service/nats_admin/monitoring
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.addresses import is_address, split_address
from tidegate.base.errors import Malformed, TidegateError
from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import of_kind
from tidegate.kit.picking.pick import Pick
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, METADATA, activation, declared, setting, target
from tidegate.kit.systems.calls import ROUND, Calls
from tidegate.kit.systems.http import HttpQuestion, HttpRequest, HttpServer
from tidegate.kit.systems.nats import JSZ, VARZ, Consumer, JetStream, JetStreamPage, Server, ServerPage

_AM = (AUTHENTICATION, METADATA)
_LIMIT_BYTES = 32 << 20


@declared
class JetStreamConsumer(Polled):
    types: ClassVar[tuple[str, ...]] = ("nats-jetstream",)
    is_consumed: ClassVar[bool] = True
    cost: ClassVar[str] = (
        "one request for all consumers of an account; in a cluster one more, and at most two to each node"
    )
    calls: ClassVar[Calls] = ROUND
    tested_against: ClassVar[str] = "NATS 2.15, alone and as a cluster of three (real)"

    endpoint: str = setting(
        "natsServerMonitoringEndpoint", doc="`host:port` of the monitoring port.", sources=_AM
    )
    account: str = setting("account", doc="Account; `$G` is the default one.", default="", sources=_AM)
    account_id: str = setting("accountID", doc="Its id, if it is not its name.", default="", sources=_AM)
    stream: str = setting("stream", doc="Stream.")
    consumer: str = setting("consumer", doc="Consumer of the stream whose lag is measured.")
    lag_threshold: int = target("lagThreshold", doc="Messages that one replica should carry.", default=10)
    activation_lag_threshold: int = activation("activationLagThreshold", doc="Active above this lag.")
    use_https: bool = setting("useHttps", doc="Speak TLS.", default=False)

    def check(self) -> Iterator[Problem]:
        if not is_address(self.endpoint):
            yield Problem("natsServerMonitoringEndpoint", "is not host:port, without a scheme")
        if not self.account and not self.account_id:
            yield Problem("account", "no account name or id given", "FieldValueRequired")

    def metric_name(self) -> str:
        return normalize(f"nats-jetstream-{self.stream}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        page = of_kind(await ask(self._streams(self.endpoint)), JetStream, self._streams(self.endpoint))
        if page.cluster_size > 1:
            return (await self._known_to_its_leader(ask)).lag
        found = self._found(page)
        if found is None:
            raise self._missing(page)
        return found.lag

    async def _known_to_its_leader(self, ask: Ask) -> Consumer:
        """The consumer as the node knows it that says of itself to lead it."""
        question = self._question(self.endpoint, VARZ, ServerPage())
        nodes = of_kind(await ask(question), Server, question)
        port = split_address(self.endpoint)[1]
        places = [(f"{host}:{port}", "") for host in nodes.hosts]
        places += [(f"{name}.{self.endpoint}", name) for name in nodes.node_names]
        failure: TidegateError | None = None
        for address, name in places:
            who, streams = self._question(address, VARZ, ServerPage()), self._streams(address)
            try:
                if not name:
                    name = of_kind(await ask(who), Server, who).name
                found = self._found(of_kind(await ask(streams), JetStream, streams))
            except TidegateError as error:
                failure = failure or error
                continue
            if found is not None and found.leader == name:
                return found
        raise failure or self._error(f"leader node not found for consumer {self.consumer}")

    def _found(self, page: JetStream) -> Consumer | None:
        account = page.account(self.account, self.account_id or self.account)
        return account.streams.get(self.stream, {}).get(self.consumer) if account is not None else None

    def _missing(self, page: JetStream) -> Malformed:
        account = page.account(self.account, self.account_id or self.account)
        if account is None:
            return self._error("account not found")
        if self.stream not in account.streams:
            return self._error(f'stream "{self.stream}" not found')
        return self._error(f'consumer "{self.consumer}" not found in stream "{self.stream}"')

    def _error(self, answer: str) -> Malformed:
        server = self._streams(self.endpoint).server
        return Malformed("read the lag", on=server.label(), answer=answer)

    def _streams(self, address: str) -> HttpQuestion:
        query = (("acc", self.account_id or self.account), ("consumers", "true"))
        return self._question(address, JSZ, JetStreamPage(), query)

    def _question(
        self, address: str, path: str, pick: Pick, query: tuple[tuple[str, str], ...] = ()
    ) -> HttpQuestion:
        server = HttpServer(f"{'https' if self.use_https else 'http'}://{address}", name="NATS")
        attempted = "read the lags" if path == JSZ else "read the nodes"
        request = HttpRequest(server, path, query, limit_bytes=_LIMIT_BYTES, attempted=attempted)
        return HttpQuestion(request, pick)
