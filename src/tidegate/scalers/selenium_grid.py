"""Browser nodes that a Selenium Grid needs: for the sessions that wait, beside those that run.

```yaml
triggers:
- type: selenium-grid
  metadata:
    url: http://selenium-hub.selenium:4444/graphql
    browserName: chrome
    platformName: Linux
    nodeMaxSessions: "1"
```

There is a trigger for each kind of node. Of the queue, requests count that its browser fits: the same
`browserName`, a `browserVersion` that begins as the request's does (a request without version fits only a
trigger without), the same platform or one of its family, and all of `capabilities` but those of vendors.
Each takes a free slot of a node that is up; what is left needs new nodes, `nodeMaxSessions` sessions each:
the same number as the nodes are started with. One replica is wanted for each node.

All triggers of a grid share one request.

Source: https://www.selenium.dev/documentation/grid/advanced_features/graphql_support/
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar

from tidegate.base.errors import Malformed
from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, activation, declared, setting
from tidegate.kit.systems.calls import ROUND, Calls
from tidegate.kit.systems.http import HttpLogin, HttpQuestion, HttpRequest, HttpServer, basic, read_url
from tidegate.kit.systems.selenium import BODY, Browser, Grid, GridState
from tidegate.kit.tls import Tls

_AE = (AUTHENTICATION, ENVIRONMENT)
_LIMIT_BYTES = 16 << 20


@declared
class SeleniumGrid(Polled):
    types: ClassVar[tuple[str, ...]] = ("selenium-grid",)
    is_consumed: ClassVar[bool] = True
    cost: ClassVar[str] = "one request for all triggers of a grid"
    calls: ClassVar[Calls] = ROUND
    tested_against: ClassVar[str] = "Selenium Grid 4.48 with a driver of ours (real), and recorded states"

    url: str = setting(
        "url", doc="The grid's GraphQL endpoint.", sources=(AUTHENTICATION, METADATA), hidden=True
    )
    browser_name: str = setting(
        "browserName", doc="Browser; without it requests count that name none.", default=""
    )
    session_browser_name: str = setting(
        "sessionBrowserName", doc="Its name in running sessions, if another.", default=""
    )
    browser_version: str = setting("browserVersion", doc="Its version.", default="")
    platform_name: str = setting(
        "platformName", doc="Platform of the nodes; without it requests count that name none.", default=""
    )
    activation_threshold: int = activation("activationThreshold", doc="Active above this number.")
    node_max_sessions: int = setting("nodeMaxSessions", doc="Sessions of one node.", default=1)
    enable_managed_downloads: bool = setting(
        "enableManagedDownloads", doc="The nodes offer managed downloads.", default=True
    )
    capabilities: str = setting("capabilities", doc="Further ones, a JSON object.", default="")
    unsafe_ssl: bool = setting("unsafeSsl", doc="Accept any certificate.", default=False)
    username: str = setting("username", doc="User.", default="", sources=_AE)
    password: str = setting("password", doc="Password.", default="", sources=_AE, secret=True)
    auth_type: str = setting("authType", doc="`Basic`, `Bearer` or another scheme.", default="", sources=_AE)
    access_token: str = setting(
        "accessToken", doc="Token for that scheme.", default="", sources=_AE, secret=True
    )

    def check(self) -> Iterator[Problem]:
        try:
            read_url(self.url)
        except ValueError as error:
            yield Problem("url", f"the URL {error}")
        if _object(self.capabilities) is None:
            yield Problem("capabilities", "capabilities must be a JSON object")
        if self.node_max_sessions < 1:
            yield Problem("nodeMaxSessions", "a node needs room for one session at least")

    def summary(self) -> str:
        return " ".join(filter(None, (self.browser_name, self.browser_version, self.platform_name)))

    def metric_name(self) -> str:
        parts = ("selenium-grid", self.browser_name, self.browser_version, self.platform_name)
        return normalize("-".join(filter(None, parts)))

    async def measure(self, ask: Ask, now: datetime) -> float:
        url = read_url(self.url)
        tls = Tls(is_verified=not self.unsafe_ssl)
        server = HttpServer(url.origin, self._login(url.login()), tls, name="Selenium Grid")
        request = HttpRequest(
            server,
            url.target(),
            method="POST",
            headers=(("Content-Type", "application/json"),),
            body=BODY,
            accepts=(200,),
            limit_bytes=_LIMIT_BYTES,
            attempted="read the grid's state",
        )
        grid: Any = await ask(HttpQuestion(request, GridState()))
        if not isinstance(grid, Grid):
            answer = f"a {type(grid).__name__}"
            raise Malformed("read the grid's state", on=server.label(), answer=answer)
        return float(self._browser().needed(grid))

    def _browser(self) -> Browser:
        return Browser(
            self.browser_name,
            self.session_browser_name or self.browser_name,
            self.browser_version,
            self.platform_name,
            tuple((_object(self.capabilities) or {}).items()),
            self.enable_managed_downloads,
            self.node_max_sessions,
        )

    def _login(self, given: HttpLogin) -> HttpLogin:
        is_basic = self.auth_type.casefold() in ("", "basic")
        if is_basic and self.username and self.password:
            return HttpLogin((basic(self.username, self.password),))
        if self.access_token and self.auth_type.casefold() != "basic":
            return HttpLogin((("Authorization", f"{self.auth_type or 'Bearer'} {self.access_token}"),))
        return given


def _object(text: str) -> dict[str, Any] | None:
    """The JSON object, empty for no text; None for what is none."""
    try:
        read = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None
