"""Number of Forgejo Actions jobs that a runner with given labels can take.

```yaml
triggers:
- type: forgejo-runner
  metadata:
    address: https://forgejo.example.com
    labels: ubuntu-latest,docker
    owner: shop
    repo: web
  authenticationRef:
    name: forgejo
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: forgejo
spec:
  secretTargetRef:
  - parameter: token
    name: forgejo
    key: token
```

The jobs are those of one repository (`owner` and `repo`), of an organisation (`org`), of the whole instance
(`global: "true"`, which needs an administrator's token), or of the token's user. The server says which of
them the labels satisfy, waiting and running ones alike. One replica is wanted for each job.

Source: https://forgejo.org/docs/latest/user/api-usage/
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from datetime import datetime
from typing import ClassVar
from urllib.parse import quote

from tidegate.base.errors import Malformed
from tidegate.base.problems import Problem
from tidegate.kit.picking.gjson import Json
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Polled
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, declared, setting
from tidegate.kit.systems.http import HttpLogin, HttpQuestion, HttpRequest, HttpServer, Url, read_url


@declared
class ForgejoRunner(Polled):
    types: ClassVar[tuple[str, ...]] = ("forgejo-runner",)
    is_consumed: ClassVar[bool] = True
    cost: ClassVar[str] = "one request for each scope and set of labels, 16 at a time"
    tested_against: ClassVar[str] = "a fake of ours, written from Forgejo's API"

    token: str = setting("token", doc="Access token.", sources=(AUTHENTICATION, ENVIRONMENT), secret=True)
    forgejo: str = setting("address", doc="Base URL.", hidden=True)
    labels: str = setting("labels", doc="The runner's labels, separated by commas.")
    owner: str = setting("owner", doc="Owner of the repository, with `repo`.", default="")
    repo: str = setting("repo", doc="Repository, with `owner`.", default="")
    org: str = setting("org", doc="Organisation.", default="")
    is_global: bool = setting("global", doc="Jobs of the whole instance.", default=False)
    name: str = setting("name", doc="A name of the runner's; not used.", default="")
    _url: Url = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            url = read_url(self.forgejo)
        except ValueError:
            url = Url("")  # `check` says why, and nobody is asked
        object.__setattr__(self, "_url", url)

    def check(self) -> Iterator[Problem]:
        try:
            read_url(self.forgejo)
        except ValueError as error:
            yield Problem("address", f"the address {error}")

    def notices(self) -> Iterator[Problem]:
        if bool(self.owner) != bool(self.repo):
            name = "owner" if self.owner else "repo"
            yield Problem(name, f"owner and repo count only together; the jobs are those of {self._whose()}")

    def summary(self) -> str:
        return f"jobs of {self._whose()} for {self.labels}"

    def metric_name(self) -> str:
        return "forgejo"

    async def measure(self, ask: Ask, now: datetime) -> float:
        server = HttpServer(
            self._url.origin,
            HttpLogin((("Authorization", f"token {self.token}"),)),
            name="Forgejo",
            follows_redirects=False,
        )
        request = HttpRequest(
            server,
            f"{self._url.path.rstrip('/')}/api/v1/{self._scope()}/runners/jobs"
            f"?labels={quote(self.labels, safe=',')}",
            accepts=(200,),
            attempted=f"list the jobs of {self._whose()}",
        )
        jobs = await ask(HttpQuestion(request, Json()))
        if jobs is None:
            return 0.0  # Forgejo's word for an empty list
        if not isinstance(jobs, list):
            answer = f"a {type(jobs).__name__} where a list of jobs was expected"
            raise Malformed("list the jobs", on=server.label(), answer=answer)
        return float(len(jobs))

    def _scope(self) -> str:
        """The first that is set: repository, organisation, instance; else the token's user."""
        if self.owner and self.repo:
            return f"repos/{quote(self.owner, safe='')}/{quote(self.repo, safe='')}/actions"
        if self.org:
            return f"orgs/{quote(self.org, safe='')}/actions"
        return "admin" if self.is_global else "user/actions"

    def _whose(self) -> str:
        if self.owner and self.repo:
            return f"{self.owner}/{self.repo}"
        return self.org or ("the whole instance" if self.is_global else "the token's user")
