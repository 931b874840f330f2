"""Number of documents of a MongoDB collection that match a filter.

```yaml
triggers:
- type: mongodb
  metadata:
    host: mongodb.default
    port: "27017"
    username: tidegate
    dbName: shop
    collection: orders
    query: '{"state": "waiting"}'
    queryValue: "10"
  authenticationRef:
    name: mongodb
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: mongodb
spec:
  secretTargetRef:
  - parameter: password
    name: mongodb
    key: password
```

One replica is wanted for each `queryValue`. The filter is Extended JSON, typed values as in
`{"at": {"$gt": {"$date": "2026-01-01T00:00:00Z"}}}`; `{}` counts every document. A collection or a database
that is not there counts 0, as in MongoDB itself: mind the spelling.

The user is looked for in `dbName`. Instead of host, port, user and password there may be `connectionString`,
a URI, whose `authSource` says where else: `mongodb://tidegate:…@a:27017,b:27017/?authSource=admin`. With
`tls: enable` in the TriggerAuthentication TLS is spoken and verified, with the certificates `ca` (beside the
system's roots), `cert` and `key`. With `authMechanism=MONGODB-AWS` AWS keys log in: the string's, or where it
has none those of `podIdentity` aws ([AWS identities](../authentication/aws.md)).

All triggers with the same server share a few connections and are counted side by side. The server stops a
count after 6 seconds; one that was stopped is asked again after a growing pause. A count without an index
reads the whole collection at each poll.

Source: https://www.mongodb.com/docs/manual/reference/connection-string/
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from datetime import datetime
from typing import ClassVar, Literal

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import count
from tidegate.kit.identity import Identity
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, activation, declared, setting, target
from tidegate.kit.systems import mongodb
from tidegate.kit.tls import Tls

_A = (AUTHENTICATION,)
_AM = (AUTHENTICATION, METADATA)
_AME = (AUTHENTICATION, METADATA, ENVIRONMENT)


@declared
class MongodbDocuments(Polled):
    types: ClassVar[tuple[str, ...]] = ("mongodb",)
    identities = measured_with = ("aws", "aws-eks")
    cost: ClassVar[str] = (
        "each count of a server once, four at a time, on four connections and a watching one"
    )
    tested_against: ClassVar[str] = "FerretDB 1.24.2 (wire-compatible, not MongoDB itself)"

    connection_string: str = setting(
        "connectionString", doc="URI; instead of the parts below.", default="", sources=_AME, secret=True
    )
    scheme: str = setting("scheme", doc="`mongodb` or `mongodb+srv`.", default="mongodb", sources=_AM)
    host: str = setting("host", doc="Host.", default="", sources=_AM)
    port: str = setting("port", doc="Port; not with `mongodb+srv`.", default="", sources=_AM)
    username: str = setting("username", doc="User.", default="", sources=_AM)
    password: str = setting("password", doc="Password.", default="", sources=_AME, secret=True)
    db_name: str = setting("dbName", doc="Database whose collection is counted.", sources=_AM)
    collection: str = setting("collection", doc="Collection.")
    query: str = setting("query", doc="Filter, a JSON object.")
    query_value: float = target("queryValue", doc="Documents that one replica should carry.")
    activation_query_value: float = activation("activationQueryValue")
    tls: Literal["enable", "disable"] = setting("tls", doc="Speak TLS.", default="disable", sources=_A)
    ca: str = setting("ca", doc="CA certificates (PEM).", default="", sources=_A)
    cert: str = setting("cert", doc="Client certificate (PEM).", default="", sources=_A)
    key: str = setting("key", doc="Client key (PEM).", default="", sources=_A, secret=True)
    key_password: str = setting(
        "keyPassword", doc="Password of the client key.", default="", sources=_A, secret=True
    )
    _server: mongodb.MongodbServer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_server", self._made_server())

    def check(self) -> Iterator[Problem]:
        if self.connection_string:
            for wrong in mongodb.uri_problems(self.connection_string, self._server):
                yield Problem("connectionString", f"the connection string {wrong}")
        else:
            yield from self._missing_parts()
        try:
            mongodb.read_filter(self.query)
        except ValueError as error:
            yield Problem("query", f"it {error}")
        if self.tls == "enable":
            if not (self.ca or self.cert or self.key):
                yield Problem("tls", "no cert, key or ca given while tls is enabled", "FieldValueRequired")
            if bool(self.cert) != bool(self.key):
                name = "key" if self.cert else "cert"
                yield Problem(name, "cert and key go together", "FieldValueRequired")

    def _missing_parts(self) -> Iterator[Problem]:
        if self.scheme not in ("mongodb", "mongodb+srv"):
            yield Problem(
                "scheme", f'"{self.scheme}" is not mongodb or mongodb+srv', "FieldValueNotSupported"
            )
        wanted = {"host": self.host, "username": self.username, "password": self.password}
        if self.scheme != "mongodb+srv":
            wanted = {"host": self.host, "port": self.port, **wanted}
        for name, value in wanted.items():
            if not value:
                yield Problem(name, f"no {name} given", "FieldValueRequired")

    def asks_as(self) -> Identity | None:
        return self._server.aws.identity if self._server.aws is not None else None

    def metric_name(self) -> str:
        return normalize(f"mongodb-{self.collection}")

    def _made_server(self) -> mongodb.MongodbServer:
        uri = self.connection_string
        if not uri:
            login = self.username, self.password
            uri = mongodb.uri_of(self.scheme, self.host, self.port, login, self.db_name)
        tls = Tls(self.ca, self.cert, self.key, self.key_password) if self.tls == "enable" else None
        return mongodb.server_of(uri, tls, self.identity)

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = mongodb.MongodbCount(self._server, self.db_name, self.collection, self.query)
        return count(await ask(question), question)
