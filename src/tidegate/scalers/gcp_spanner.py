"""Result of a SQL query on a database of Google Cloud Spanner.

```yaml
triggers:
- type: gcp-spanner
  metadata:
    projectId: shop-prod
    instanceId: shop
    databaseId: orders
    query: SELECT COUNT(*) FROM Orders WHERE Status = 'new'
    targetValue: "20"
  authenticationRef:
    name: google
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: google
spec:
  secretTargetRef:
  - parameter: GoogleApplicationCredentials
    name: google
    key: key.json
```

The query is in the database's own dialect and gives one value, the first column of its first row, of type
INT64: `CAST(… AS INT64)` what is none. NULL is a failure: write `COALESCE(SUM(x), 0)`. **No row is 0.** Let
the query give one row: the others are sent, too, and more than 4 MiB are refused.

Reads are strong, single and read-only. They cost what they scan: count over an index, and poll slowly.

The account wants the role Cloud Spanner Database Reader; with `podIdentity: gcp` the autoscaler's own
identity asks.

Source: https://cloud.google.com/spanner/docs/reference/rest/v1/projects.instances.databases.sessions/executeSql
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import number
from tidegate.kit.question import Ask
from tidegate.kit.settings import activation, declared, setting, target
from tidegate.kit.systems.gcp import PROJECT, GcpAccess, Service
from tidegate.kit.systems.gcp_spanner import SpannerQuery

_ID = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]*")


@declared
class GcpSpanner(GcpAccess):
    types: ClassVar[tuple[str, ...]] = ("gcp-spanner",)
    service: ClassVar[Service] = "spanner"
    cost: ClassVar[str] = "one call for each different query of a database, 16 at a time"
    tested_against: ClassVar[str] = (
        "spannertest of Google's Go client 1.86 (in memory, a part of the SQL); faults and refusals: a fake "
        "of ours"
    )

    project: str = setting("projectId", doc="Project of the instance.")
    instance: str = setting("instanceId", doc="Instance.")
    database: str = setting("databaseId", doc="Database.")
    query: str = setting("query", doc="Query with one INT64.")
    target_value: float = target("targetValue", doc="Value that one replica should carry.", default=5.0)
    activation_value: float = activation("activationValue", default=0.0)
    endpoint: str = setting(
        "spannerEndpoint",
        doc="URL that stands in for `https://spanner.googleapis.com`: private endpoints, emulators (REST).",
        default="",
    )

    def endpoint_setting(self) -> tuple[str, str]:
        return "spannerEndpoint", self.endpoint

    def check(self) -> Iterator[Problem]:
        yield from GcpAccess.check(self)
        if not PROJECT.fullmatch(self.project):
            yield Problem("projectId", f'"{self.project}" is not the ID of a project')
        for name, value in (("instanceId", self.instance), ("databaseId", self.database)):
            if not _ID.fullmatch(value):
                yield Problem(name, f'"{value}" is not the ID of one')
        if self.target_value <= 0:
            yield Problem("targetValue", f"targetValue must be greater than 0, got {self.target_value:g}")

    def summary(self) -> str:
        return f"a query on {self._whole()}"

    def metric_name(self) -> str:
        return normalize(f"gcp-spanner-{self.instance}-{self.database}-{self.project}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = SpannerQuery(self.server(), self._whole(), self.query)
        found = await ask(question)
        return 0.0 if found is None else number(found, question)

    def _whole(self) -> str:
        return f"projects/{self.project}/instances/{self.instance}/databases/{self.database}"
