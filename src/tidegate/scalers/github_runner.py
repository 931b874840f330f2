"""Number of GitHub Actions jobs that wait for a self-hosted runner with given labels, or run on one.

```yaml
triggers:
- type: github-runner
  metadata:
    owner: shop
    runnerScope: repo
    repos: web,api
    labels: gpu
    targetWorkflowQueueLength: "1"
  authenticationRef:
    name: github
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: github
spec:
  secretTargetRef:
  - parameter: personalAccessToken
    name: github
    key: token
```

A job counts when the runner has all its labels: those of `labels`, and `self-hosted`, `linux`, `x64` unless
`noDefaultLabels`. Running jobs count too, since a runner is busy with each. The trigger is active from
`targetWorkflowQueueLength` jobs on. Without `repos` all repositories of the owner are looked at.

All triggers with the same API and login share one crawl of their repositories. Answers are asked for
with ETags: what has not changed costs nothing of GitHub's rate limit. When the limit is used up nothing
is asked until GitHub's reset, and the trigger is unknown meanwhile. With a GitHub App (`appKey`,
`applicationID`, `installationID`) the limit is three times that of a token.

Source: https://docs.github.com/en/rest/actions/workflow-jobs
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, ClassVar, Literal

from tidegate.base.errors import Malformed
from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Measured, Polled
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, declared, setting, target
from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.github import GithubApp, GithubJob, GithubJobs, GithubServer, Runner
from tidegate.kit.systems.http import read_url

_ME = (METADATA, ENVIRONMENT)
_A = (AUTHENTICATION,)


@declared
class GithubRunner(Polled):
    types: ClassVar[tuple[str, ...]] = ("github-runner",)
    is_consumed: ClassVar[bool] = True
    cost: ClassVar[str] = (
        "two requests for each repository and one for each run under way, shared by all triggers of a login; "
        "what has not changed is free of the rate limit"
    )
    calls: ClassVar[Calls] = Calls(each=2, more="one for each run under way; what has not changed is free")
    tested_against: ClassVar[str] = "a fake of ours, written from GitHub's REST documentation"

    api_url: str = setting(
        "githubApiURL", doc="Base URL of the API.", default="https://api.github.com", sources=_ME
    )
    owner: str = setting("owner", doc="User or organisation.", sources=_ME)
    runner_scope: Literal["org", "ent", "repo"] = setting(
        "runnerScope", doc="Where to list repositories.", sources=_ME
    )
    repos: tuple[str, ...] = setting("repos", doc="Repositories; all if empty.", default=(), sources=_ME)
    labels: tuple[str, ...] = setting("labels", doc="The runner's labels.", default=(), sources=_ME)
    no_default_labels: bool = setting(
        "noDefaultLabels", doc="It has not the labels that every runner has.", default=False, sources=_ME
    )
    is_strict: bool = setting(
        "matchUnlabeledJobsWithUnlabeledRunners",
        doc="Jobs without labels are for runners without labels.",
        default=False,
        sources=_ME,
    )
    enable_etags: bool = setting(
        "enableEtags", doc="Nothing: ETags are always used.", default=False, sources=_ME
    )
    target_length: int = target(
        "targetWorkflowQueueLength",
        doc="Jobs that one replica should carry; active from so many on.",
        default=1,
        sources=_ME,
    )
    token: str = setting("personalAccessToken", doc="Token.", default="", sources=_A, secret=True)
    application_id: int = setting("applicationID", doc="Id of a GitHub App.", default=0, sources=_ME)
    installation_id: int = setting("installationID", doc="Id of its installation.", default=0, sources=_ME)
    app_key: str = setting("appKey", doc="Its private key (PEM).", default="", sources=_A, secret=True)

    def check(self) -> Iterator[Problem]:
        try:
            read_url(self.api_url)
        except ValueError as error:
            yield Problem("githubApiURL", f'"{self.api_url}" {error}')
        parts = {
            "applicationID": self.application_id,
            "installationID": self.installation_id,
            "appKey": self.app_key,
        }
        if any(parts.values()):
            for name, value in parts.items():
                if not value:
                    yield Problem(name, f"no {name} given", "FieldValueRequired")
        elif not self.token:
            message = "no personalAccessToken or appKey given"
            yield Problem("personalAccessToken", message, "FieldValueRequired")

    def summary(self) -> str:
        where = f"{self.owner}/{','.join(self.repos)}" if self.repos else self.owner
        return f"{where} {','.join(self.labels)}".strip()

    def metric_name(self) -> str:
        return normalize(f"github-runner-{self.owner}")

    async def measure(self, ask: Ask, now: datetime) -> Measured:
        question = GithubJobs(self.server(), self.owner, self.runner_scope, self.repos)
        jobs: Any = await ask(question)
        if not isinstance(jobs, tuple) or not all(isinstance(job, GithubJob) for job in jobs):
            answer = f"a {type(jobs).__name__}"
            raise Malformed("list the jobs", on=question.server.label(), answer=answer)
        runner = Runner(self.labels, not self.no_default_labels, self.is_strict)
        count = runner.count(jobs)
        return Measured((float(count),), count >= self.target_length)

    def server(self) -> GithubServer:
        api = self.api_url.rstrip("/")
        if self.app_key:
            return GithubServer(api, app=GithubApp(self.application_id, self.installation_id, self.app_key))
        return GithubServer(api, self.token)
