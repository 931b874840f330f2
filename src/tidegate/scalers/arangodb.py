"""Number that a query of ArangoDB gives.

```yaml
triggers:
- type: arangodb
  metadata:
    endpoints: http://arangodb.shop:8529
    dbName: shop
    collection: orders
    query: |
      FOR one IN orders FILTER one.state == "waiting"
        COLLECT WITH COUNT INTO waiting RETURN {"value": waiting}
    queryValue: "10"
```

The query must give one object with a number as its `value`. None, several, a plain number, `null` and texts
are failures. `collection` must exist, whatever the query reads.

Of several `endpoints` (coordinators, separated by commas) the first that can be reached is asked. With a
login:

```yaml
triggers:
- type: arangodb
  metadata:
    endpoints: https://one.arangodb.shop:8529,https://two.arangodb.shop:8529
    dbName: shop
    collection: orders
    query: 'RETURN {"value": LENGTH(orders)}'
    queryValue: "10"
    authModes: basic
  authenticationRef:
    name: arangodb
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: arangodb
spec:
  secretTargetRef:
  - parameter: username
    name: arangodb
    key: user
  - parameter: password
    name: arangodb
    key: password
```

With `authModes: bearer` the `bearerToken` is the JWT secret of the server, of which a token is made with
`serverID` in it. What is a token already is sent as it is.

Source: https://docs.arangodb.com/stable/develop/http-api/queries/aql-queries/
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from tidegate.base.problems import Problem
from tidegate.kit.alternates import first_answer
from tidegate.kit.answers import number
from tidegate.kit.httpaccess import HttpAccess
from tidegate.kit.question import Ask
from tidegate.kit.settings import AUTHENTICATION, METADATA, activation, declared, setting, target
from tidegate.kit.systems.arangodb import aql, arango_token, collection
from tidegate.kit.systems.http import HttpLogin, HttpServer, bearer, read_url
from tidegate.kit.tls import Tls


@declared
class Arangodb(HttpAccess):
    types: ClassVar[tuple[str, ...]] = ("arangodb",)
    product: ClassVar[str] = "ArangoDB"
    cost: ClassVar[str] = (
        "one request for each different query, and one for each collection, of a server, 16 at a time"
    )
    tested_against: ClassVar[str] = "a fake of ours, written from ArangoDB's documentation of its HTTP API"

    endpoints: tuple[str, ...] = setting(
        "endpoints", doc="URLs of coordinators.", sources=(AUTHENTICATION, METADATA), hidden=True
    )
    db_name: str = setting("dbName", doc="Database.", sources=(METADATA, AUTHENTICATION))
    collection: str = setting("collection", doc="A collection that must exist.")
    query: str = setting("query", doc='AQL that gives one `{"value": number}`.')
    query_value: float = target("queryValue", doc="Value that one replica should carry.", default=0.0)
    activation_query_value: float = activation("activationQueryValue")
    server_id: str = setting("serverID", doc="Name in the token, for `bearer`.", default="")
    unsafe_ssl: bool = setting("unsafeSsl", doc="Accept any certificate.", default=False)
    connection_limit: int = setting("connectionLimit", doc="Has no effect.", default=0)

    def address(self) -> tuple[str, str]:
        return "endpoints", self.endpoints[0]

    def tls(self) -> Tls:
        return self.tls_of(is_verified=not self.unsafe_ssl)

    def login(self, given: HttpLogin = HttpLogin()) -> HttpLogin:  # noqa: B008
        login = HttpAccess.login(self, given)
        if "bearer" not in self.auth_modes:
            return login
        others = tuple(one for one in login.headers if one[0].lower() != "authorization")
        token = arango_token(self.bearer_token, self.server_id)
        return replace(login, headers=(*others, bearer(token)))

    def check(self) -> Iterator[Problem]:
        yield from HttpAccess.check(self)
        for text in self.endpoints[1:]:
            try:
                read_url(text)
            except ValueError as error:
                yield Problem("endpoints", f"one of its values {error}")
        if not self.query_value and not self.scope.is_metric_source:
            yield Problem("queryValue", "no queryValue given", "FieldValueRequired")

    def metric_name(self) -> str:
        return "arangodb"

    async def measure(self, ask: Ask, now: datetime) -> float:
        places = [read_url(text) for text in self.endpoints]
        asked = [
            (self._at(url.origin), url.path.rstrip("/"), self.db_name, self.collection) for url in places
        ]
        await first_answer(ask, [collection(*one) for one in asked])
        answer, question = await first_answer(
            ask, [aql(server, prefix, database, self.query) for server, prefix, database, _ in asked]
        )
        return number(answer, question)

    def _at(self, origin: str) -> HttpServer:
        tls = self.tls() if origin.startswith("https:") else None
        return replace(self.server(), origin=origin, tls=tls)
