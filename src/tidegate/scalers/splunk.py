"""Number in the first row of a saved search of Splunk.

```yaml
triggers:
- type: splunk
  metadata:
    host: https://splunk.logging:8089
    savedSearchName: waiting orders
    valueField: count
    targetValue: "10"
    activationValue: "0"
  authenticationRef:
    name: splunk
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: splunk
spec:
  secretTargetRef:
  - parameter: username
    name: splunk
    key: user
  - parameter: apiToken
    name: splunk
    key: token
```

`host` is the management port. The search runs anew for each poll, as `username` sees it, and may take 20 s;
poll it seldom. The first row of its final result counts, never a preview. A search that finds no row, a field
that is not there, has several values or is no number are failures: let the search count (`| stats count`).

Triggers that differ in field or target share a search.

Source: https://docs.splunk.com/Documentation/Splunk/latest/RESTREF/RESTsearch
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import number
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, activation, declared, setting, target
from tidegate.kit.systems.http import HttpQuestion, header_problem, read_url
from tidegate.kit.systems.splunk import FirstRow, saved_search, splunk_login
from tidegate.kit.tls import Tls

_A = (AUTHENTICATION,)


@declared
class Splunk(Polled):
    types: ClassVar[tuple[str, ...]] = ("splunk",)
    cost: ClassVar[str] = "one run of each saved search, 16 at a time"
    tested_against: ClassVar[str] = "a fake of ours, written from Splunk's documentation of its REST API"

    host: str = setting("host", doc="URL of the management port.", hidden=True)
    saved_search_name: str = setting("savedSearchName", doc="Saved search.")
    value_field: str = setting("valueField", doc="Field with the number.")
    target_value: int = target("targetValue", doc="Value that one replica should carry.")
    activation_value: int = activation("activationValue")
    unsafe_ssl: bool = setting("unsafeSsl", doc="Accept any certificate.", default=False)
    username: str = setting("username", doc="User, and owner of the search.", sources=_A, hidden=True)
    api_token: str = setting("apiToken", doc="Token.", default="", sources=_A, secret=True)
    password: str = setting("password", doc="Password, without a token.", default="", sources=_A, secret=True)

    def check(self) -> Iterator[Problem]:
        try:
            read_url(self.host)
        except ValueError:
            text = "invalid value for host. Must be a valid URL such as https://localhost:8089"
            yield Problem("host", text)
        if self.api_token and self.password:
            text = "API token and Password were all set. "
            text += "If APIToken is set, username and password must not be used"
            yield Problem("apiToken", text)
        if problem := header_problem("Authorization", self.api_token):
            yield Problem("apiToken", problem)

    def metric_name(self) -> str:
        return normalize(f"splunk-{self.saved_search_name}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        login = splunk_login(self.username, self.password, self.api_token)
        tls = Tls(is_verified=not self.unsafe_ssl)
        request = saved_search(read_url(self.host), self.username, self.saved_search_name, login, tls)
        question = HttpQuestion(request, FirstRow(self.value_field))
        return number(await ask(question), question)
