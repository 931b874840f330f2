"""A number in the response to an Elasticsearch search: hits, an aggregation, a field of a document.

```yaml
triggers:
- type: elasticsearch
  metadata:
    addresses: https://elasticsearch.logging:9200
    username: scaler
    index: orders-*
    query: |
      {"size": 0, "track_total_hits": true, "query": {"term": {"state": "waiting"}}}
    valueLocation: hits.total.value
    targetValue: "10"
  authenticationRef:
    name: elasticsearch
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: elasticsearch
spec:
  secretTargetRef:
  - parameter: password
    name: elasticsearch
    key: password
```

`valueLocation` is a path of GJSON: `aggregations.waiting.value`, `hits.hits.0._source.count`, `hits.hits.#`.
Without `track_total_hits` the server counts hits up to 10,000 only. `size: 0` keeps documents out of the
response.

A missing index, a refused search and a search that failed on some shards or timed out are errors, with
`ignoreNullValues`, too; a pattern that matches no index finds nothing, 0 hits. All searches for a cluster
travel in one request.

In Elastic Cloud `cloudID` and `apiKey` (base64 of `id:key`) stand in the place of addresses and user.

Source: https://www.elastic.co/guide/en/elasticsearch/reference/current/search-multi-search.html
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.problems import Problem
from tidegate.kit.question import Ask
from tidegate.kit.settings import AUTHENTICATION, METADATA, declared, setting
from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.elasticsearch import Search, SearchAccess, deployment
from tidegate.kit.systems.http import HttpLogin, Url, header_problem

_AM = (AUTHENTICATION, METADATA)
_CLOUD = "both cloudID and apiKey must be provided when cloudID or apiKey is used"
_LOGIN = "both username and password must be provided when addresses is used"


@declared
class Elasticsearch(SearchAccess):
    types: ClassVar[tuple[str, ...]] = ("elasticsearch",)
    product: ClassVar[str] = "Elasticsearch"
    cost: ClassVar[str] = "one request for up to 100 different searches of a cluster (_msearch)"
    calls: ClassVar[Calls] = Search.calls
    tested_against: ClassVar[str] = "Elasticsearch 7.10 (real, without security), a proxy that wants a login"

    cloud_id: str = setting("cloudID", doc="Id of a deployment in Elastic Cloud.", default="", sources=_AM)
    api_key: str = setting("apiKey", doc="API key of that deployment.", default="", sources=_AM, secret=True)

    def check(self) -> Iterator[Problem]:
        is_cloud = bool(self.cloud_id or self.api_key)
        has_login = bool(self.username or self.password)
        if is_cloud and (self.addresses or has_login):
            yield Problem("cloudID", "can't provide both cloud config and endpoint addresses")
        elif is_cloud and not (self.cloud_id and self.api_key):
            name = "apiKey" if self.cloud_id else "cloudID"
            yield Problem(name, _CLOUD, "FieldValueRequired")
        elif is_cloud and not deployment(self.cloud_id):
            yield Problem("cloudID", "its value is not that of a deployment (name:base64)")
        elif is_cloud and header_problem("Authorization", self.api_key):
            yield Problem("apiKey", header_problem("Authorization", self.api_key))
        elif not is_cloud and not self.addresses and not has_login:
            text = "must provide either cloud config or endpoint addresses"
            yield Problem("addresses", text, "FieldValueRequired")
        elif not is_cloud and not self.addresses:
            yield Problem("addresses", "username and password go with addresses", "FieldValueRequired")
        elif not is_cloud and not (self.username and self.password):
            yield Problem("password" if self.username else "username", _LOGIN, "FieldValueRequired")
        yield from SearchAccess.check(self)

    def urls(self) -> tuple[str, ...]:
        if self.cloud_id:
            return (deployment(self.cloud_id),)
        return SearchAccess.urls(self)

    def login(self, first: Url) -> HttpLogin:
        if self.cloud_id:
            return HttpLogin((("Authorization", f"ApiKey {self.api_key}"),))
        return SearchAccess.login(self, first)

    async def measure(self, ask: Ask, now: datetime) -> float:
        return await self.found(ask)
