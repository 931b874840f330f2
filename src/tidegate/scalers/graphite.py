"""Latest value of a Graphite target.

```yaml
triggers:
- type: graphite
  metadata:
    serverAddress: http://graphite.monitoring:8080
    query: sumSeries(shop.queues.*.waiting)
    queryTime: "-10Minutes"
    threshold: "100"
```

The target must give one series; its last point since `queryTime` that is not null counts. A target that gives
no series is an error: Graphite answers so for a metric that does not exist and for a target that it cannot
read. Where a missing metric means 0, write `fallbackSeries(…, constantLine(0))`. Points that are all null are
an error, too: a longer `queryTime` may help.

All targets for a server travel in one request. With a login:

```yaml
triggers:
- type: graphite
  metadata:
    serverAddress: https://graphite.example
    query: shop.queues.orders.waiting
    queryTime: "-5Minutes"
    authMode: basic
  authenticationRef:
    name: graphite
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: graphite
spec:
  secretTargetRef:
  - parameter: username
    name: graphite
    key: user
  - parameter: password
    name: graphite
    key: password
```

Source: https://graphite.readthedocs.io/en/stable/render_api.html
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar, Literal

from tidegate.base.problems import Problem
from tidegate.kit.answers import number
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, activation, declared, setting, target
from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.graphite import GraphiteServer, LatestPoint, is_balanced
from tidegate.kit.systems.http import HttpLogin, basic, read_url

_A = (AUTHENTICATION,)


@declared
class Graphite(Polled):
    types: ClassVar[tuple[str, ...]] = ("graphite",)
    cost: ClassVar[str] = "one request for up to 100 different targets of a server with one queryTime"
    calls: ClassVar[Calls] = LatestPoint.calls
    tested_against: ClassVar[str] = "Graphite 1.1.8 with carbon 1.1.7 (real)"

    server_address: str = setting("serverAddress", doc="Base URL; `/render` is added.", hidden=True)
    query: str = setting("query", doc="A target that gives one series.")
    query_time: str = setting("queryTime", doc="Since when: `-10Minutes`.")
    threshold: float = target("threshold", doc="Value that one replica should carry.", default=100.0)
    activation_threshold: float = activation("activationThreshold")
    auth_mode: Literal["basic", ""] = setting("authMode", doc="Demands a user.", default="")
    username: str = setting("username", doc="User.", default="", sources=_A)
    password: str = setting("password", doc="Password.", default="", sources=_A, secret=True)

    def check(self) -> Iterator[Problem]:
        try:
            read_url(self.server_address)
        except ValueError as error:
            shown = "its value" if "@" in self.server_address else f'"{self.server_address}"'
            yield Problem("serverAddress", f"{shown} {error}")
        if not is_balanced(self.query):
            yield Problem("query", "its brackets or quotes are not closed; Graphite would find nothing")
        if self.auth_mode and not self.username:
            yield Problem("username", "username is required when authMode is 'basic'", "FieldValueRequired")

    def metric_name(self) -> str:
        return "graphite"

    def server(self) -> GraphiteServer:
        """Whom this trigger asks. A user is sent with or without `authMode`; one in the URL counts too."""
        url = read_url(self.server_address)
        login = url.login()
        if self.username or self.password:
            login = HttpLogin((basic(self.username, self.password),))
        return GraphiteServer(f"{url.origin}{url.path.rstrip('/')}", login)

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = LatestPoint(self.server(), self.query_time, self.query)
        return number(await ask(question), question)
