"""A number in the response to an OpenSearch search: hits, an aggregation, a field of a document.

```yaml
triggers:
- type: opensearch
  metadata:
    addresses: https://opensearch.logging:9200
    username: scaler
    index: orders-*
    query: |
      {"size": 0, "track_total_hits": true, "query": {"term": {"state": "waiting"}}}
    valueLocation: hits.total.value
    targetValue: "10"
  authenticationRef:
    name: opensearch
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: opensearch
spec:
  secretTargetRef:
  - parameter: password
    name: opensearch
    key: password
```

`valueLocation` is a path of GJSON: `aggregations.waiting.value`, `hits.hits.0._source.count`, `hits.hits.#`.
Without `track_total_hits` the server counts hits up to 10,000 only. `size: 0` keeps documents out of the
response.

A missing index, a refused search and a search that failed on some shards or timed out are errors, with
`ignoreNullValues`, too; a pattern that matches no index finds nothing, 0 hits. All searches for a cluster
travel in one request.

With `enableTLS: "true"` a client certificate (`clientCert`, `clientKey`) stands in the place of the user.

Source: https://docs.opensearch.org/latest/api-reference/search-apis/multi-search/
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.problems import Problem
from tidegate.kit.question import Ask
from tidegate.kit.settings import AUTHENTICATION, METADATA, declared, setting
from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.elasticsearch import Search, SearchAccess
from tidegate.kit.systems.http import HttpLogin, Url
from tidegate.kit.tls import Tls

_AM = (AUTHENTICATION, METADATA)
_PAIR = "both clientCert and clientKey must be provided when enableTLS is true"
_LOGIN = "both username and password must be provided for basic auth"


@declared
class Opensearch(SearchAccess):
    types: ClassVar[tuple[str, ...]] = ("opensearch",)
    product: ClassVar[str] = "OpenSearch"
    cost: ClassVar[str] = "one request for up to 100 different searches of a cluster (_msearch)"
    calls: ClassVar[Calls] = Search.calls
    tested_against: ClassVar[str] = "OpenSearch 2.19 (real, without security), a proxy that wants a login"

    enable_tls: bool = setting(
        "enableTLS",
        doc="Log in with a client certificate, and not as a user.",
        default=False,
        sources=(METADATA, AUTHENTICATION),
    )
    ca_cert: str = setting(
        "caCert", doc="CA certificates (PEM), beside the system's.", default="", sources=_AM
    )
    client_cert: str = setting("clientCert", doc="Client certificate (PEM).", default="", sources=_AM)
    client_key: str = setting("clientKey", doc="Client key (PEM).", default="", sources=_AM, secret=True)

    def check(self) -> Iterator[Problem]:
        if not any(self.addresses):
            yield Problem(
                "addresses",
                'missing required parameter "addresses" in [authParams triggerMetadata]',
                "FieldValueRequired",
            )
        if self.enable_tls and not (self.client_cert and self.client_key):
            yield Problem("clientKey" if self.client_cert else "clientCert", _PAIR, "FieldValueRequired")
        if not self.enable_tls and not (self.username and self.password):
            yield Problem("password" if self.username else "username", _LOGIN, "FieldValueRequired")
        yield from SearchAccess.check(self)

    def login(self, first: Url) -> HttpLogin:
        return HttpLogin() if self.enable_tls else SearchAccess.login(self, first)

    def tls(self) -> Tls:
        cert, key = (self.client_cert, self.client_key) if self.enable_tls else ("", "")
        return Tls(self.ca_cert, cert, key, "", not self.unsafe_ssl)

    async def measure(self, ask: Ask, now: datetime) -> float:
        return await self.found(ask)
