"""Number of jobs that wait in an agent pool of Azure Pipelines, all or those that a workload can take.

```yaml
triggers:
- type: azure-pipelines
  metadata:
    organizationURL: https://dev.azure.com/shop
    poolID: "7"
    demands: maven,docker
  authenticationRef:
    name: azure-devops
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: azure-devops
spec:
  secretTargetRef:
  - parameter: personalAccessToken
    name: azure-devops
    key: token
```

A job waits when it has neither a result nor an agent that took it. Without `demands` and `parent` every
waiting job counts. With `parent` those count that the agent of this name could take; with `demands` those
whose demands are all among them (`requireAllDemands`: that are the same; `requireAllDemandsAndIgnoreOthers`:
that have all of ours). Demands are compared as whole texts; blanks count.

All triggers of a pool share one request and look at its answer by themselves. `fetchUnfinishedJobsOnly`
makes that answer small. Without a token an identity asks, a user of the organisation, at
`dev.azure.com` and `….visualstudio.com` alone: see [Azure identities](../authentication/azure.md).

Source: https://learn.microsoft.com/en-us/rest/api/azure/devops/distributedtask/
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.problems import Problem
from tidegate.core.values import MetricSpec
from tidegate.kit.answers import of_kind
from tidegate.kit.identity import Identity, Provider
from tidegate.kit.picking.gjson import Json
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Described, Measured
from tidegate.kit.settings import AUTHENTICATION, ENVIRONMENT, METADATA, activation, declared, setting, target
from tidegate.kit.systems.azure_devops import (
    POOLS,
    Demands,
    Job,
    QueuedJobs,
    devops_request,
    organization_problem,
    pool_path,
    the_pool,
)
from tidegate.kit.systems.http import HttpQuestion, HttpRequest


@declared
class AzurePipelines(Described):
    types: ClassVar[tuple[str, ...]] = ("azure-pipelines",)
    identities: ClassVar[tuple[Provider, ...]] = ("azure-workload",)
    measured_with: ClassVar[tuple[Provider, ...]] = ("azure-workload",)
    cost: ClassVar[str] = "one request for each pool, and one for its number where it is given by name"
    tested_against: ClassVar[str] = "a fake of ours, written from Microsoft's REST documentation"

    organization_url: str = setting(
        "organizationURL",
        doc="`https://dev.azure.com/organisation`, without a slash at its end.",
        sources=(ENVIRONMENT, AUTHENTICATION, METADATA),
    )
    personal_access_token: str = setting(
        "personalAccessToken",
        doc="Token; without one, an identity.",
        default="",
        sources=(AUTHENTICATION, ENVIRONMENT),
        secret=True,
    )
    pool_name: str = setting("poolName", doc="Name of the pool.", default="")
    pool_id: int = setting("poolID", doc="Its number, instead of the name.", default=0)
    parent: str = setting("parent", doc="Agent that could take the job.", default="")
    demands: str = setting("demands", doc="Demands that the workload meets, separated by commas.", default="")
    require_all: bool = setting("requireAllDemands", doc="They are the same as the job's.", default=False)
    require_ours: bool = setting(
        "requireAllDemandsAndIgnoreOthers", doc="The job has all of them.", default=False
    )
    ignore_case: bool = setting(
        "caseInsensitiveDemandsProcessing", doc="Compare without case.", default=False
    )
    jobs_to_fetch: int | None = setting("jobsToFetch", doc="Jobs to look at; 250.", default=None)
    unfinished_only: bool | None = setting(
        "fetchUnfinishedJobsOnly", doc="Leave out those that ended.", default=None
    )
    target_length: int = target(
        "targetPipelinesQueueLength", doc="Jobs that one replica should carry.", default=1
    )
    activation_length: int = activation(
        "activationTargetPipelinesQueueLength", doc="Active above this number."
    )

    def check(self) -> Iterator[Problem]:
        if wrong := organization_problem(self.organization_url, has_identity=bool(self.asks_as())):
            yield Problem("organizationURL", wrong)
        if self.identity is None and not self.personal_access_token:
            message = "no personalAccessToken given or PodIdentity provider configured"
            yield Problem("personalAccessToken", message, "FieldValueRequired")
        if not self.pool_name and not self.pool_id:
            yield Problem("poolName", "no poolName or poolID given", "FieldValueRequired")
        rivals = {"fetchUnfinishedJobsOnly": self.unfinished_only is not None, "parent": bool(self.parent)}
        for name, is_given in rivals.items():
            if is_given and self.jobs_to_fetch is not None:
                yield Problem("jobsToFetch", f"jobsToFetch and {name} can not be given together")

    def asks_as(self) -> Identity | None:
        return None if self.personal_access_token else self.identity

    def summary(self) -> str:
        return f"pool {self.pool_name or self.pool_id}"

    async def measure(self, ask: Ask, now: datetime) -> Measured:
        pool = await self._pool(ask) if self.pool_name else self.pool_id
        path = f"{POOLS}/{pool}/jobrequests"
        if self.unfinished_only:
            path += "?completedRequestCount=0"
        elif not self.parent:
            path += f"?$top={self.jobs_to_fetch or 250}"
        question = HttpQuestion(self._request(path, "list the jobs"), QueuedJobs())
        jobs = of_kind(await ask(question), tuple, question)
        spec = MetricSpec(f"azure-pipelines-{pool}", float(self.target_length))
        return Measured((float(sum(self._counts(job) for job in jobs)),), specs=(spec,))

    def _counts(self, job: Job) -> bool:
        if self.parent:
            return self.parent in job.agents
        texts = tuple(self.demands.split(","))
        return not self.demands or Demands(
            texts, self.require_all, self.require_ours, self.ignore_case
        ).are_met(job)

    async def _pool(self, ask: Ask) -> int:
        question = HttpQuestion(self._request(pool_path(self.pool_name), "find the pool"), Json("value.#.id"))
        return the_pool(await ask(question), question, self.pool_name)

    def _request(self, path: str, attempted: str) -> HttpRequest:
        who = self.asks_as() or self.personal_access_token
        return devops_request(self.organization_url, who, path, attempted)
