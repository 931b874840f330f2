"""A number that a SQL Server query gives.

```yaml
triggers:
- type: mssql
  metadata:
    host: mssql.default
    port: "1433"
    database: shop
    username: tidegate
    query: SELECT COUNT(*) FROM orders WHERE state = 'waiting'
    targetValue: "10"
  authenticationRef:
    name: mssql
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: mssql
spec:
  secretTargetRef:
  - parameter: password
    name: mssql
    key: password
```

One replica is wanted for each `targetValue`. The query is a batch (DECLARE and SET may come before the
SELECT) or the name of a procedure, and gives one column; its first row counts, and a text that is a
number is one. **No row is 0**, unlike with other databases. NULL, a bit, a date and more than 1,000 rows
or 1 MiB are failures of this trigger alone.

Instead of the parts, `connectionString` takes the forms of Go's driver:
`sqlserver://user:password@host?database=…`, `Server=host;Port=1433;User Id=…;Password=…;Database=…`, or
the latter after `odbc:`. Without `encrypt` only the login is encrypted, by whatever certificate the
server has; `encrypt=true` encrypts everything and checks the certificate against the system's roots
(`TrustServerCertificate=true` does not, `hostNameInCertificate` names another host). A named instance
needs its port; `certificate`, a path, is not offered.

All triggers with the same server share one connection, their batches run one after the other, each in a
session as it was at first. A query is stopped after 6 seconds and asked again after a growing pause. SQL
Server has no read-only sessions: a query that writes does so at each poll. Give the user the right to
read, and no other.

At Azure SQL an identity can ask instead of a user: see [Azure identities](../authentication/azure.md). User
and password are left out then, and everything is encrypted for a host whose certificate is verified.

Source: https://learn.microsoft.com/openspecs/windows_protocols/ms-tds/
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field, replace
from datetime import datetime
from typing import ClassVar

from tidegate.base.problems import Problem
from tidegate.kit.identity import IdentityToken, Provider
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, activation, declared, setting, target
from tidegate.kit.systems.azure_clouds import SQL_SERVER, database_audience
from tidegate.kit.systems.mssql import MssqlServer, parse_connection
from tidegate.kit.systems.sql import NO_ROW, SqlQuery, query_problems, sql_number

_AE = (AUTHENTICATION, ENVIRONMENT)
_AM = (AUTHENTICATION, METADATA)


@declared
class MssqlQuery(Polled):
    types: ClassVar[tuple[str, ...]] = ("mssql",)
    identities: ClassVar[tuple[Provider, ...]] = ("azure-workload",)
    measured_with: ClassVar[tuple[Provider, ...]] = ("azure-workload",)
    cost: ClassVar[str] = "one connection; each query of a server once, one after the other"
    tested_against: ClassVar[str] = (
        "a responder of the tests that speaks TDS 7.4, written from [MS-TDS] (fake)"
    )

    connection_string: str = setting(
        "connectionString", doc="In a form of Go's driver.", default="", sources=_AE, secret=True
    )
    host: str = setting("host", doc="Host; instead of `connectionString`.", default="", sources=_AM)
    port: int = setting("port", doc="Port; 1433 where it is 0.", default=0, sources=_AM)
    database: str = setting("database", doc="Database; else that of the login.", default="", sources=_AM)
    username: str = setting("username", doc="User.", default="", sources=_AM)
    password: str = setting("password", doc="Password.", default="", sources=_AE, secret=True)
    query: str = setting("query", doc="Batch or procedure with one column; its first row is measured.")
    target_value: float = target("targetValue", doc="Number that one replica should carry.")
    activation_target_value: float = activation("activationTargetValue")
    _server: MssqlServer = field(init=False, repr=False, compare=False)

    def check(self) -> Iterator[Problem]:
        if self.connection_string:
            try:
                parse_connection(self.connection_string)
            except ValueError as error:
                yield Problem("connectionString", f"the connection string {error}")
        elif not self.host:
            yield Problem("host", "must provide either connectionstring or host", "FieldValueRequired")
        elif not 0 <= self.port < 65536:
            yield Problem("port", "it is not a number from 1 to 65535")
        if self._server.host and self._server.token is not None and not self._server.token.audience:
            yield Problem("host", "an identity logs in at Azure SQL alone")
        yield from query_problems(self.query)
        if not self.target_value and not self.scope.is_metric_source:
            yield Problem("targetValue", "no targetValue given", "FieldValueRequired")

    def __post_init__(self) -> None:
        try:
            server = self._made_server()
        except ValueError:
            server = MssqlServer()  # `check` says why, and nobody is asked
        if self.identity is not None:
            token = IdentityToken(self.identity, database_audience(server.host, SQL_SERVER))
            server = replace(server, user="", password="", certificate_host="", token=token)
            server = replace(server, encryption="on", is_verified=True)
        object.__setattr__(self, "_server", server)

    def _made_server(self) -> MssqlServer:
        if self.connection_string:
            return parse_connection(self.connection_string)
        return MssqlServer(self.host, self.port or 1433, self.username, self.password, self.database)

    def metric_name(self) -> str:
        return "mssql"

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = SqlQuery(self._server, self.query)
        answer = await ask(question)
        return 0.0 if answer is NO_ROW else sql_number(answer, question)
