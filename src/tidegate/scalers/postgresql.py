"""A number that a PostgreSQL query gives.

```yaml
triggers:
- type: postgresql
  metadata:
    host: postgresql.default
    port: "5432"
    userName: tidegate
    dbName: shop
    sslmode: prefer
    query: SELECT count(*) FROM orders WHERE state = 'waiting'
    targetQueryValue: "10"
  authenticationRef:
    name: postgresql
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: postgresql
spec:
  secretTargetRef:
  - parameter: password
    name: postgresql
    key: password
```

One replica is wanted for each `targetQueryValue`. The query gives one column; its first row counts, and
a text that is a number is one. No row, NULL (write `COALESCE(…, 0)` where nothing means zero), a truth
value, NaN and more than 1,000 rows or 1 MiB are failures of this trigger alone, never a zero.

Instead of the five parts, `connection` takes a connection string as `psql` does, a URI or `key=value …`,
with several hosts and `target_session_attrs`; it is read from the environment or the TriggerAuthentication,
never from plain metadata. Options of KEDA's driver that others do not know (`default_query_exec_mode` and
its like) may stand in it and do nothing: no statement is ever prepared, so PgBouncer in transaction mode
works. Other names are settings of the session (`search_path=shop`). `sslcert`, `sslkey` and `sslrootcert`
are paths in the autoscaler's own file system.

All triggers with the same server share one connection. Each query runs in a read-only transaction of its own
that is rolled back: one that writes is refused by the server, and settings that it changes are gone
afterwards. The server stops a query after 6 seconds; one that was stopped is asked again after a growing
pause, so that it does not hold up the others.

A ScaledJob can claim rows, one Job for each: see [claimed work](../../claims.md).
At an Azure Database for PostgreSQL an identity can ask ([Azure identities](../authentication/azure.md)). The
five parts name the server then, `userName` its role there, and the certificate is always verified.

Between polls the query runs as soon as somebody does `NOTIFY` on a channel that an annotation of the object
names (`tidegate.dev/listen: orders`; of several triggers `waiting=orders, mail=mails`), at most once a
second. All channels of a server share one more connection. PgBouncer in transaction mode hands no
notifications on, and a standby has none: then it is only polled, and `tidegate explain` says why.

Source: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.problems import Problem
from tidegate.kit.identity import IdentityToken, Provider
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Pushed
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, activation, declared, setting, target
from tidegate.kit.systems.azure_clouds import POSTGRESQL, database_audience
from tidegate.kit.systems.calls import ROUND, Calls
from tidegate.kit.systems.postgresql import (
    SSL_MODES,
    PostgresqlChannel,
    parse_connection,
    server_of,
)
from tidegate.kit.systems.sql import SqlQuery, query_problems, sql_number
from tidegate.kit.systems.sql_claims import ClaimedRows

_AE = (AUTHENTICATION, ENVIRONMENT)
_AM = (AUTHENTICATION, METADATA)


@declared
class PostgresqlQuery(ClaimedRows, Pushed):
    types: ClassVar[tuple[str, ...]] = ("postgresql",)
    identities: ClassVar[tuple[Provider, ...]] = ("azure-workload",)
    measured_with: ClassVar[tuple[Provider, ...]] = ("azure-workload",)
    has_channels: ClassVar[bool] = True
    cost: ClassVar[str] = "one connection, one more to listen; the queries of a server travel in one flight"
    calls: ClassVar[Calls] = ROUND
    tested_against: ClassVar[str] = "PostgreSQL 15, and PgBouncer 1.18 before it (real)"

    connection: str = setting(
        "connection",
        doc="Connection string; instead of the five below.",
        default="",
        sources=_AE,
        secret=True,
    )
    host: str = setting("host", doc="Host, or several (`h1,h2`).", default="", sources=_AM)
    port: str = setting("port", doc="Port, or one for each host.", default="", sources=_AM)
    user_name: str = setting("userName", doc="User.", default="", sources=_AM)
    db_name: str = setting("dbName", doc="Database.", default="", sources=_AM)
    sslmode: str = setting("sslmode", doc=f"One of `{'`, `'.join(SSL_MODES)}`.", default="", sources=_AM)
    password: str = setting("password", doc="Password.", default="", sources=_AE, secret=True)
    query: str = setting("query", doc="Query with one column; its first row is measured.")
    target_value: float = target("targetQueryValue", doc="Number that one replica should carry.", default=0.0)
    activation_value: float = activation("activationTargetQueryValue")

    def check(self) -> Iterator[Problem]:
        if self.identity is not None and not database_audience(self.host, POSTGRESQL):
            yield Problem("host", "an identity logs in at an Azure Database for PostgreSQL alone")
        if self.connection and self.identity is None:
            try:
                parse_connection(self.connection)
            except ValueError as error:
                yield Problem("connection", f"the connection string {error}")
        else:
            parts = {"host": self.host, "port": self.port, "userName": self.user_name}
            parts |= {"dbName": self.db_name, "sslmode": self.sslmode}
            for name, value in parts.items():
                if not value:
                    yield Problem(name, f"no {name} given", "FieldValueRequired")
            if self.port and not all(re.fullmatch("[0-9]*", one, re.ASCII) for one in self.port.split(",")):
                yield Problem("port", "it is no port, nor one for each host (`5432,5433`)")
            if self.sslmode and self.sslmode not in SSL_MODES:
                message = f'"{self.sslmode}" is not one of {", ".join(SSL_MODES)}'
                yield Problem("sslmode", message, "FieldValueNotSupported")
        yield from query_problems(self.query)
        if not self.target_value and not self.scope.is_metric_source:
            yield Problem("targetQueryValue", "no targetQueryValue given", "FieldValueRequired")

    def __post_init__(self) -> None:
        token = None
        if self.identity is not None:
            token = IdentityToken(self.identity, database_audience(self.host, POSTGRESQL))
        parts = {"host": self.host, "port": self.port, "user": self.user_name, "dbname": self.db_name}
        parts |= {"sslmode": self.sslmode, "password": self.password}
        object.__setattr__(self, "_server", server_of(self.connection, parts, token))

    def metric_name(self) -> str:
        return "postgresql"

    def watch(self) -> PostgresqlChannel | None:
        return PostgresqlChannel(self._server, self.scope.channel) if self.scope.channel else None

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = SqlQuery(self._server, self.query)
        return sql_number(await ask(question), question)
