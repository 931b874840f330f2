"""Documents that a Mango query of CouchDB finds.

```yaml
triggers:
- type: couchdb
  metadata:
    connectionString: http://couchdb.shop:5984
    dbName: orders
    query: '{"selector": {"state": "waiting"}, "limit": 1000}'
    queryValue: "10"
    username: scaler
  authenticationRef:
    name: couchdb
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: couchdb
spec:
  secretTargetRef:
  - parameter: password
    name: couchdb
    key: password
```

Documents are counted; what stands in them is not looked at, and `fields` has no effect. CouchDB finds 25 at
most unless the query has a `limit`: the number ends there. Of the query `selector`, `limit`, `skip` and
`use_index` are sent. Give the selector an index: without one CouchDB reads the whole database for each poll.

In the place of `connectionString` stand `host` and `port`, too. Without a `username` the user is the one in
the URL, or `admin`.

Source: https://docs.couchdb.org/en/stable/api/database/find.html
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import count
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, activation, declared, setting, target
from tidegate.kit.systems.couchdb import couchdb_server, found, read_query
from tidegate.kit.systems.http import Url, read_url

_AM = (AUTHENTICATION, METADATA)
_AME = (AUTHENTICATION, METADATA, ENVIRONMENT)


@declared
class Couchdb(Polled):
    types: ClassVar[tuple[str, ...]] = ("couchdb",)
    cost: ClassVar[str] = "one request for each different query of a server, 16 at a time"
    tested_against: ClassVar[str] = "a fake of ours, written from CouchDB's documentation of `_find`"

    connection_string: str = setting(
        "connectionString", doc="URL; wins over the parts.", default="", sources=_AME, hidden=True
    )
    host: str = setting("host", doc="Host.", default="", sources=_AM)
    port: str = setting("port", doc="Port.", default="", sources=_AM)
    username: str = setting("username", doc="User.", default="", sources=_AM)
    password: str = setting("password", doc="Password.", default="", sources=_AME, secret=True)
    db_name: str = setting("dbName", doc="Database.", default="", sources=_AM)
    query: str = setting("query", doc="Mango query, a JSON object.")
    query_value: int = target("queryValue", doc="Documents that one replica should carry.", default=0)
    activation_query_value: int = activation("activationQueryValue")

    def check(self) -> Iterator[Problem]:
        parts = {"host": self.host, "port": self.port, "username": self.username, "password": self.password}
        missing = [] if self.connection_string else [name for name, text in parts.items() if not text]
        for name in missing if self.db_name else [*missing, "dbName"]:
            yield Problem(name, f"no {name} given", "FieldValueRequired")
        try:
            self._url()
        except ValueError as error:
            if self.connection_string:
                yield Problem("connectionString", f"its value {error}")
            elif self.host and self.port:
                yield Problem("host", f"with the port it {error}")
        try:
            read_query(self.query)
        except ValueError as error:
            yield Problem("query", f"it {error}")
        if not self.query_value and not self.scope.is_metric_source:
            yield Problem("queryValue", "no queryValue given", "FieldValueRequired")

    def metric_name(self) -> str:
        # Without its h: so it is called in KEDA, and in HPAs that name it.
        return normalize(f"coucdb-{self.db_name}")

    def _url(self) -> Url:
        if self.connection_string:
            is_whole = "://" in self.connection_string
            return read_url(self.connection_string if is_whole else f"http://{self.connection_string}")
        host = f"[{self.host}]" if ":" in self.host and not self.host.startswith("[") else self.host
        return read_url(f"http://{host}:{self.port}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        url = self._url()
        server = couchdb_server(url, self.username, self.password)
        question = found(server, url.path, self.db_name, read_query(self.query))
        return count(await ask(question), question)
