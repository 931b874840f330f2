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

The endpoint is the monitoring port (`host:port`, without a scheme), which has no login. In a cluster only a
consumer's leader knows its lag: the nodes are found through the endpoint and asked on its port. One page
serves all triggers of an account.

With `clientUrl` a message is noticed as it comes, not only at the next poll ([how](../../pushes.md)), and
ScaledJobs can claim messages, one Job for each ([how](../../claims.md)). Both go through the clients' port,
with a login of the stream's account; these are settings of ours, which KEDA takes no notice of:

```yaml
triggers:
- type: nats-jetstream
  metadata:
    natsServerMonitoringEndpoint: nats.default:8222
    clientUrl: nats://nats.default:4222
    account: SHOP
    stream: orders
    consumer: invoices
  authenticationRef:
    name: nats
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: nats
spec:
  secretTargetRef:
  - parameter: natsCreds
    name: nats
    key: user.creds
```

Source: https://docs.nats.io/running-a-nats-service/nats_admin/monitoring
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from tidegate.base.addresses import split_address
from tidegate.base.errors import Malformed, TidegateError
from tidegate.base.names import normalize
from tidegate.core.claims.wishes import Wishes
from tidegate.kit.answers import of_kind
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Pushed
from tidegate.kit.settings import activation, declared, setting, target
from tidegate.kit.systems.calls import ROUND, Calls
from tidegate.kit.systems.claims import Source
from tidegate.kit.systems.nats import VARZ, Consumer, JetStream, Server, ServerPage
from tidegate.kit.systems.nats_access import NatsAccess
from tidegate.kit.systems.nats_claims import NatsConsumerSource, place_problem
from tidegate.kit.systems.nats_client import ConsumerNews


@declared
class JetStreamConsumer(NatsAccess, Pushed):
    types: ClassVar[tuple[str, ...]] = ("nats-jetstream",)
    is_consumed: ClassVar[bool] = True
    is_claimable: ClassVar[bool] = True
    cost: ClassVar[str] = (
        "one request for all consumers of an account; in a cluster one more, at most two to each node; "
        "with `clientUrl` one connection and a message a second of a busy subject"
    )
    calls: ClassVar[Calls] = ROUND
    tested_against: ClassVar[str] = "NATS 2.15, alone and as a cluster of three (real)"

    stream: str = setting("stream", doc="Stream.")
    consumer: str = setting("consumer", doc="Consumer of the stream whose lag is measured.")
    lag_threshold: int = target("lagThreshold", doc="Messages that one replica should carry.", default=10)
    activation_lag_threshold: int = activation("activationLagThreshold", doc="Active above this lag.")

    def metric_name(self) -> str:
        return normalize(f"nats-jetstream-{self.stream}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        page = of_kind(await ask(self.streams(self.endpoint)), JetStream, self.streams(self.endpoint))
        if page.cluster_size > 1:
            return (await self._known_to_its_leader(ask)).lag
        found = self._found(page)
        if found is None:
            raise self._missing(page)
        return found.lag

    def watch(self) -> ConsumerNews | None:
        server = self.client_server()
        return ConsumerNews(server, self.stream, self.consumer) if server is not None else None

    def claim_source(self, wishes: Wishes) -> Source | None:
        if (server := self.client_server()) is None:
            return None
        accounts = tuple(one for one in (self.account, self.account_id) if one)
        return NatsConsumerSource(server, self.stream, self.consumer, wishes.dead_letter, accounts)

    def claim_problem(self, wishes: Wishes) -> str:
        return place_problem(self.client_url, self.stream, self.consumer, wishes.dead_letter)

    async def _known_to_its_leader(self, ask: Ask) -> Consumer:
        """The consumer as the node knows it that says of itself to lead it."""
        question = self.page(self.endpoint, VARZ, ServerPage())
        nodes = of_kind(await ask(question), Server, question)
        port = split_address(self.endpoint)[1]
        places = [(f"{host}:{port}", "") for host in nodes.hosts]
        places += [(f"{name}.{self.endpoint}", name) for name in nodes.node_names]
        failure: TidegateError | None = None
        for address, name in places:
            who, streams = self.page(address, VARZ, ServerPage()), self.streams(address)
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
        server = self.streams(self.endpoint).server
        return Malformed("read the lag", on=server.label(), answer=answer)
