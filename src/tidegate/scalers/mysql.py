"""A number that a MySQL or MariaDB query gives.

```yaml
triggers:
- type: mysql
  metadata:
    host: mysql.default
    port: "3306"
    username: tidegate
    dbName: shop
    query: SELECT COUNT(*) FROM orders WHERE state = 'waiting'
    queryValue: "10"
  authenticationRef:
    name: mysql
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: mysql
spec:
  secretTargetRef:
  - parameter: password
    name: mysql
    key: password
```

One replica is wanted for each `queryValue`. The query gives one column; its first row counts, and a text that
is a number is one. No row, NULL (write `COALESCE(…, 0)` where nothing means zero) and more than 1,000 rows or
1 MiB are failures of this trigger alone, never a zero.

`connectionString` is that of Go's driver, `user:password@tcp(host:3306)/shop?tls=true`, and wins over the
parts; it is read from the environment or the TriggerAuthentication. TLS is spoken with `tls=true`, without
looking at the certificate with `tls=skip-verify`, where the server offers it with `tls=preferred`; with the
parts it is not. One query is one statement, unless the string says `multiStatements=true`: then the first
rows that come are read. Parameters that the driver does not know are session variables (`sql_mode=…`).

All triggers with the same server share one connection, their queries run one after the other. The session is
read-only: the server refuses a query that writes. It stops one after 6 seconds (MariaDB from 10.1, MySQL from
5.7.8); one that was stopped is asked again after a growing pause, so that it does not hold up the others.

Source: https://github.com/go-sql-driver/mysql#dsn-data-source-name
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field
from datetime import datetime
from typing import ClassVar

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, activation, declared, setting, target
from tidegate.kit.systems.mysql import MysqlServer, parse_address, parse_connection
from tidegate.kit.systems.sql import SqlQuery, query_problems, sql_number

_AE = (AUTHENTICATION, ENVIRONMENT)
_MA = (METADATA, AUTHENTICATION)
_PORT = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)


@declared
class MysqlQuery(Polled):
    types: ClassVar[tuple[str, ...]] = ("mysql",)
    cost: ClassVar[str] = "one connection; each query of a server once, one after the other"
    tested_against: ClassVar[str] = "MariaDB 10.11 (real, the fork)"

    connection_string: str = setting(
        "connectionString", doc="String of Go's driver; wins over the parts.", default="", sources=_AE,
        secret=True,
    )  # fmt: skip
    host: str = setting("host", doc="Host.", default="", sources=_MA)
    port: str = setting("port", doc="Port; 3306 without one.", default="", sources=_MA)
    username: str = setting("username", doc="User.", default="", sources=(*_MA, ENVIRONMENT))
    password: str = setting("password", doc="Password.", default="", sources=_AE, secret=True)
    db_name: str = setting("dbName", doc="Database.", default="", sources=_MA)
    query: str = setting("query", doc="Query with one column; its first row is measured.")
    query_value: float = target("queryValue", doc="Number that one replica should carry.")
    activation_query_value: float = activation("activationQueryValue")
    given_metric_name: str = setting("metricName", doc="Has no effect.", default="")
    _server: MysqlServer = field(init=False, repr=False, compare=False)

    def check(self) -> Iterator[Problem]:
        try:
            self._made()
        except ValueError as error:
            if self.connection_string:
                yield Problem("connectionString", f"the connection string {error}")
            else:
                name = "port" if self.port and not _PORT.fullmatch(self.port) else "host"
                yield Problem(name, f"it {error}" if name == "host" else "it is no port")
        if not self.connection_string and not self.host:
            yield Problem("host", "no host given", "FieldValueRequired")
        yield from query_problems(self.query)

    def __post_init__(self) -> None:
        try:
            server = self._made()
        except ValueError:
            server = MysqlServer()  # `check` says why, and nobody is asked
        object.__setattr__(self, "_server", server)

    def _made(self) -> MysqlServer:
        if self.connection_string:
            return parse_connection(self.connection_string)
        host = f"[{self.host}]" if ":" in self.host and not self.host.startswith("[") else self.host
        host, port = parse_address(f"{host}:{self.port}" if self.port else host)
        return MysqlServer(host, port, "", self.username, self.password, self.db_name)

    def metric_name(self) -> str:
        database = self.connection_string.rpartition("/")[2] if self.connection_string else self.db_name
        return normalize(f"mysql-{database}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = SqlQuery(self._server, self.query)
        return sql_number(await ask(question), question)
