"""Number that a query of Cassandra gives.

```yaml
triggers:
- type: cassandra
  metadata:
    clusterIPAddress: cassandra.shop:9042
    username: scaler
    keyspace: shop
    query: SELECT waiting FROM shop.counts WHERE queue = 'orders'
    targetQueryValue: "10"
  authenticationRef:
    name: cassandra
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: cassandra
spec:
  secretTargetRef:
  - parameter: password
    name: cassandra
    key: password
```

The first row counts, of one column with a number; no row is 0, NULL a failure. `keyspace` is for the metric's
name alone: tables are written with theirs. Only a SELECT is run. Counting (`SELECT COUNT(*)`) reads the whole
table: keep a counter instead, or poll seldom.

The node named is asked, and asks its cluster: name a Service that leads to all of them. With `tls: enable`,
of the authentication, a client certificate is wanted; the server's is checked where a `ca` is given.

Source: https://cassandra.apache.org/doc/latest/cassandra/developing/cql/dml.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from datetime import datetime
from typing import ClassVar, Literal

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, activation, declared, setting, target
from tidegate.kit.systems.cassandra import CONSISTENCIES, CassandraServer, CqlQuery, cql_number, is_select
from tidegate.kit.systems.sql import query_problems
from tidegate.kit.tls import Tls

_A = (AUTHENTICATION,)


@declared
class Cassandra(Polled):
    types: ClassVar[tuple[str, ...]] = ("cassandra",)
    cost: ClassVar[str] = "one connection; each query of a server once, 64 at a time"
    tested_against: ClassVar[str] = "Cassandra 5.0.6 (real)"

    address: str = setting("clusterIPAddress", doc="`host` or `host:port` of a node.")
    port: int = setting("port", doc="Port, where the address has none.", default=0)
    username: str = setting("username", doc="User.")
    password: str = setting("password", doc="Password.", sources=_A, secret=True)
    keyspace: str = setting("keyspace", doc="For the metric's name.")
    query: str = setting("query", doc="SELECT with one column.")
    target_value: int = target("targetQueryValue", doc="Number that one replica should carry.")
    activation_value: int = activation("activationTargetQueryValue")
    consistency: str = setting("consistency", doc="`ONE`, `LOCAL_QUORUM`, …; in any case.", default="one")
    protocol_version: int = setting("protocolVersion", doc="3; any other is 4.", default=4)
    tls: Literal["enable", "disable"] = setting("tls", doc="Speak TLS.", default="disable", sources=_A)
    cert: str = setting("cert", doc="Client certificate (PEM).", default="", sources=_A)
    key: str = setting("key", doc="Client key (PEM).", default="", sources=_A, secret=True)
    ca: str = setting("ca", doc="CA certificates (PEM).", default="", sources=_A)
    _server: CassandraServer = field(init=False, repr=False, compare=False)

    def check(self) -> Iterator[Problem]:
        host, port = self._place()
        if not port:
            yield Problem("port", "no port given", "FieldValueRequired")
        elif not 0 < port < 65536:
            yield Problem("port", "it is no port")
        if not host or any(sign in host for sign in "/@, "):
            yield Problem("clusterIPAddress", "it is no host")
        if self.consistency.upper() not in CONSISTENCIES:
            text = f'"{self.consistency}" is not one of {", ".join(CONSISTENCIES)}'
            yield Problem("consistency", text, "FieldValueNotSupported")
        if self.tls == "enable" and not (self.cert and self.key):
            text = "both cert and key are required when TLS is enabled"
            yield Problem("key" if self.cert else "cert", text, "FieldValueRequired")
        if not is_select(self.query):
            yield Problem("query", "it is no SELECT, and only such are run")
        yield from query_problems(self.query)

    def __post_init__(self) -> None:
        tls = Tls(self.ca, self.cert, self.key, "", bool(self.ca)) if self.tls == "enable" else None
        version = 3 if self.protocol_version == 3 else 4
        server = CassandraServer(*self._place(), self.username, self.password, tls, version)
        object.__setattr__(self, "_server", server)

    def _place(self) -> tuple[str, int]:
        """A port in the address wins; an address with more colons is one of IPv6."""
        host, colon, port = self.address.partition(":")
        if colon and port.isascii() and port.isdigit():
            return host, int(port[:6])
        return self.address.strip("[]"), self.port

    def metric_name(self) -> str:
        return normalize(f"cassandra-{self.keyspace}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = CqlQuery(self._server, self.query, CONSISTENCIES[self.consistency.upper()])
        return cql_number(await ask(question), question)
