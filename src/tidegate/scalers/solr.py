"""Documents that a query of Apache Solr matches.

```yaml
triggers:
- type: solr
  metadata:
    host: http://solr.search:8983
    collection: orders
    query: state:waiting
    targetQueryValue: "100"
  authenticationRef:
    name: solr
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: solr
spec:
  secretTargetRef:
  - parameter: username
    name: solr
    key: user
  - parameter: password
    name: solr
    key: password
```

`host` is the address without `/solr`. The number is `numFound`; no document is sent (`rows=0`). A user and a
password must be given even where Solr wants none.

An answer that Solr itself calls partial (a limit of time, shards that do not answer) is a failure, and counts
as nothing less.

Source: https://solr.apache.org/guide/solr/latest/query-guide/common-query-parameters.html
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar
from urllib.parse import quote

from tidegate.base.problems import Problem
from tidegate.kit.answers import count
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, METADATA, activation, declared, setting, target
from tidegate.kit.systems.http import HttpLogin, HttpQuestion, HttpRequest, HttpServer, basic, read_url
from tidegate.kit.systems.solr import NumFound
from tidegate.kit.tls import Tls

_AM = (AUTHENTICATION, METADATA)


@declared
class Solr(Polled):
    types: ClassVar[tuple[str, ...]] = ("solr",)
    cost: ClassVar[str] = "one request for each different query of a server, 16 at a time"
    tested_against: ClassVar[str] = "Solr 9.10.1 (real)"

    host: str = setting("host", doc="Base URL, without `/solr`.", hidden=True)
    collection: str = setting("collection", doc="Collection.")
    query: str = setting("query", doc="Query.", default="*:*")
    target_query_value: float = target(
        "targetQueryValue", doc="Documents that one replica should carry.", default=0.0
    )
    activation_value: float = activation("activationTargetQueryValue")
    username: str = setting("username", doc="User.", sources=_AM, hidden=True)
    password: str = setting("password", doc="Password.", sources=_AM, secret=True)

    def check(self) -> Iterator[Problem]:
        try:
            read_url(self.host)
        except ValueError as error:
            yield Problem("host", f"its value {error}")
        if not self.target_query_value and not self.scope.is_metric_source:
            yield Problem("targetQueryValue", "no targetQueryValue given", "FieldValueRequired")

    def metric_name(self) -> str:
        return "solr"

    async def measure(self, ask: Ask, now: datetime) -> float:
        url = read_url(self.host)
        tls = Tls() if url.origin.startswith("https:") else None
        server = HttpServer(url.origin, HttpLogin((basic(self.username, self.password),)), tls, name="Solr")
        request = HttpRequest(
            server,
            f"{url.path.rstrip('/')}/solr/{quote(self.collection, safe='')}/select",
            (("q", self.query), ("rows", "0"), ("wt", "json")),
            attempted="run the query",
        )
        question = HttpQuestion(request, NumFound())
        return count(await ask(question), question)
