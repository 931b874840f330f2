"""Number that a query of ClickHouse gives.

```yaml
triggers:
- type: clickhouse
  metadata:
    host: clickhouse.shop
    username: scaler
    database: shop
    query: SELECT count() FROM orders WHERE state = 'waiting'
    targetQueryValue: "100"
  authenticationRef:
    name: clickhouse
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: clickhouse
spec:
  secretTargetRef:
  - parameter: password
    name: clickhouse
    key: password
```

The first row counts, of one column: integers, floats, decimals, and texts that are numbers. No row at all is
0, so that `… GROUP BY state` may find nothing. NULL, NaN and infinities are failures; an average of nothing
is NaN, so write `ifNotFinite(avg(x), 0)`.

The port is that of the native protocol: 9000, with TLS 9440, which is written out. With `tls: "true"` (a
parameter of the authentication) `ca`, `cert` and `key` are texts in PEM form.

In the place of host, user and database stands a `connectionString` of the Go driver, as parameter of the
authentication: `clickhouse://user:password@one:9000,two:9000/shop?secure=true`. Further names in it are
settings of each query (`max_threads=1`). With `http://` or `https://` it is asked over HTTP.

Queries run read-only and are stopped by the server after six seconds; a user who may change no settings has
limits of its own for that.

Source: https://github.com/ClickHouse/clickhouse-go#dsn
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from datetime import datetime
from typing import Any, ClassVar

from tidegate.base.problems import Problem
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import (  # fmt: skip
    AUTHENTICATION,
    ENVIRONMENT,
    METADATA,
    Duration,
    activation,
    declared,
    setting,
    target,
)
from tidegate.kit.systems.clickhouse import ClickhouseServer, FirstCell, read_dsn, web_request
from tidegate.kit.systems.http import HttpQuestion, header_problem
from tidegate.kit.systems.sql import NO_ROW, SqlQuery, query_problems, sql_number
from tidegate.kit.tls import Tls

_A = (AUTHENTICATION,)
_AE = (AUTHENTICATION, ENVIRONMENT)
_MA = (METADATA, AUTHENTICATION)
_DSN = ("connectionString", "the connection string")


@declared
class Clickhouse(Polled):
    types: ClassVar[tuple[str, ...]] = ("clickhouse",)
    cost: ClassVar[str] = "one connection; each query of a server once, one after the other"
    tested_against: ClassVar[str] = "ClickHouse 18.16 (real, old)"

    connection_string: str = setting(
        "connectionString", doc="String of Go's driver; wins.", default="", sources=_AE, secret=True
    )
    host: str = setting("host", doc="Host.", default="", sources=_MA)
    port: str = setting("port", doc="Port.", default="9000", sources=_MA)
    username: str = setting("username", doc="User.", default="default", sources=(*_MA, ENVIRONMENT))
    password: str = setting("password", doc="Password.", default="", sources=_AE, secret=True)
    database: str = setting("database", doc="Database.", default="default", sources=_MA)
    query: str = setting("query", doc="Query with one column.")
    target_query_value: float = target("targetQueryValue", doc="Number that one replica should carry.")
    activation_value: float = activation("activationTargetQueryValue")
    is_encrypted: bool = setting("tls", doc="Speak TLS.", default=False, sources=_A)
    cert: str = setting("cert", doc="Client certificate (PEM).", default="", sources=_A)
    key: str = setting("key", doc="Client key (PEM).", default="", sources=_A, secret=True)
    key_password: str = setting("keyPassword", doc="Its password.", default="", sources=_A, secret=True)
    ca: str = setting("ca", doc="CA certificates (PEM).", default="", sources=_A)
    unsafe_ssl: bool = setting("unsafeSsl", doc="Accept any certificate.", default=False, sources=_A)
    max_idle: int = setting("maxIdleConns", doc="Has no effect.", default=0, sources=_MA)
    max_open: int = setting("maxOpenConns", doc="Has no effect.", default=0, sources=_MA)
    max_life: Duration = setting("connMaxLifetime", doc="Has no effect.", default=0.0, sources=_MA)
    _server: ClickhouseServer = field(init=False, repr=False, compare=False)

    def check(self) -> Iterator[Problem]:
        if not self.connection_string and not self.host:
            yield Problem("host", "either connectionString or host must be set", "FieldValueRequired")
        else:
            try:
                self._made()
            except ValueError as error:
                name, whose = _DSN if self.connection_string else ("host", "it")
                yield Problem(name, f"{whose} {error}")
        if self.is_encrypted and bool(self.cert) != bool(self.key):
            name = "key" if self.cert else "cert"
            yield Problem(name, "both cert and key must be provided", "FieldValueRequired")
        for name, text in (("username", self._server.user), ("password", self._server.password)):
            if self._server.web and (problem := header_problem("X-ClickHouse-User", text)):
                yield Problem(name, problem)
        if not self.target_query_value and not self.scope.is_metric_source:
            text = "targetQueryValue is required when not using scaler as metric source"
            yield Problem("targetQueryValue", text, "FieldValueRequired")
        yield from query_problems(self.query)

    def __post_init__(self) -> None:
        try:
            server = self._made()
        except ValueError:
            server = ClickhouseServer()  # `check` says why, and nobody is asked
        object.__setattr__(self, "_server", server)

    def _made(self) -> ClickhouseServer:
        pem = Tls(self.ca, self.cert, self.key, self.key_password, not self.unsafe_ssl)
        tls = pem if self.is_encrypted else None
        if self.connection_string:
            return read_dsn(self.connection_string, tls)
        if not self.port.isdecimal() or not 0 < int(self.port[:6]) < 65536:
            raise ValueError("has a port that is none")
        host = self.host.strip("[]")
        if not host or any(sign in host for sign in "/@,? "):
            raise ValueError("is no host")
        return ClickhouseServer(((host, int(self.port)),), self.username, self.password, self.database, tls)

    def metric_name(self) -> str:
        return "clickhouse"

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = SqlQuery(self._server, self.query)
        asked: Any = question
        if self._server.web:
            asked = HttpQuestion(web_request(self._server, self.query), FirstCell())
        answer = await ask(asked)
        return 0.0 if answer is NO_ROW else sql_number(answer, question)
