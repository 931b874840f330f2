"""Backlog of a Temporal task queue: tasks that wait for a worker.

```yaml
triggers:
- type: temporal
  metadata:
    endpoint: temporal-frontend.temporal:7233
    namespace: shop
    taskQueue: orders
    queueTypes: workflow,activity
    targetQueueSize: "5"
```

Tasks that a worker took are not in the backlog, and what finds an idle worker at once never was: let the
cooldown outlast a task. To name the `queueTypes` that the workers poll spares the calls for the others.
A task queue needs no creation, so a misspelt one is empty.

Workers of one version of a Worker Deployment; one call tells of all its task queues:

```yaml
triggers:
- type: temporal
  metadata:
    endpoint: shop.a2dd6.tmprl.cloud:7233
    namespace: shop.a2dd6
    taskQueue: orders
    workerDeploymentName: orders
    workerDeploymentBuildId: "1.4"
  authenticationRef:
    name: temporal
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: temporal
spec:
  secretTargetRef:
  - parameter: apiKey
    name: temporal
    key: api-key
```

With `includeRunningWorkflowCount: "true"` the trigger is active, too, while workflows run on the queue and
while the version drains; the value stays the backlog. Namespaces allow some ten such counts a second.

Source: https://docs.temporal.io/develop/worker-performance#task-queue-metrics
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import count, of_kind
from tidegate.kit.question import Ask
from tidegate.kit.scaler import Measured
from tidegate.kit.settings import ENVIRONMENT, METADATA, activation, declared, setting, target
from tidegate.kit.systems.temporal import (
    QUEUE_TYPES,
    BuildBacklog,
    DeploymentVersion,
    QueueBacklog,
    TemporalAccess,
    VersionQueues,
    WorkflowCount,
    queue_backlog,
)

_ME = (METADATA, ENVIRONMENT)
_QUOTABLE = re.compile(r"[a-zA-Z0-9_./:-]*")


@declared
class Temporal(TemporalAccess):
    types: ClassVar[tuple[str, ...]] = ("temporal",)
    is_consumed: ClassVar[bool] = True
    cost: ClassVar[str] = (
        "one call for each type of a task queue, or for each version whatever its queues, all on one "
        "connection; a count for each idle queue that wants one"
    )
    tested_against: ClassVar[str] = "Temporal 1.32 dev server (real)"

    namespace: str = setting("namespace", doc="Temporal's namespace.", default="default", sources=_ME)
    task_queue: str = setting("taskQueue", doc="Task queue.", sources=_ME)
    target_queue_size: int = target("targetQueueSize", doc="Tasks that one replica should carry.", default=5)
    activation_target_queue_size: int = activation("activationTargetQueueSize")
    queue_types: tuple[str, ...] = setting("queueTypes", doc="`workflow`, `activity`, `nexus`.", default=())
    is_count_included: bool = setting(
        "includeRunningWorkflowCount", doc="Active while workflows run, too.", default=False
    )
    counted_queue: str = setting(
        "workflowTaskQueueForCount", doc="Whose workflows, instead of `taskQueue`.", default=""
    )

    def check(self) -> Iterator[Problem]:
        yield from TemporalAccess.check(self)
        names = ("targetQueueSize", "activationTargetQueueSize")
        for name, value in zip(
            names, (self.target_queue_size, self.activation_target_queue_size), strict=True
        ):
            if value < 0:
                yield Problem(name, f"{name} must be a positive number")
        for word in self.queue_types:
            if word and word not in QUEUE_TYPES:
                yield Problem("queueTypes", f'"{word}" is not one of workflow, activity, nexus')
        if self.counted_queue and not self.is_count_included:
            yield Problem("workflowTaskQueueForCount", "counts only with includeRunningWorkflowCount")
        texts = (self.counted_queue or self.task_queue, self.deployment, self.deployment_build)
        if self.is_count_included and not all(_QUOTABLE.fullmatch(text) for text in texts):
            message = "with includeRunningWorkflowCount, names are of letters, digits and - _ . / : alone"
            yield Problem("includeRunningWorkflowCount", message)

    def summary(self) -> str:
        return f"task queue {self.task_queue} of {self.namespace}"

    def metric_name(self) -> str:
        version = f"-{self.deployment}-{self.deployment_build}" if self.deployment else ""
        return normalize(f"temporal-{self.namespace}-{self.task_queue}{version}")

    async def measure(self, ask: Ask, now: datetime) -> Measured | float:
        server, namespace, queue = self.server(), self.namespace, self.task_queue
        chosen = tuple(one for one in QUEUE_TYPES if one in self.queue_types) or QUEUE_TYPES
        status = condition = ""
        if self.deployment:
            asked = DeploymentVersion(server, namespace, self.deployment, self.deployment_build)
            version = of_kind(await ask(asked), VersionQueues, asked)
            backlog, status = queue_backlog(version, queue, chosen, asked), version.status
            condition = f" AND TemporalWorkerDeploymentVersion = '{self.deployment}:{self.deployment_build}'"
        elif self.is_older():
            selected = (self.build_id, self.select_all_active, self.select_unversioned)
            older = BuildBacklog(server, namespace, queue, chosen, *selected)
            backlog = count(await ask(older), older)
        else:
            each = [QueueBacklog(server, namespace, queue, one) for one in chosen]
            answers = await ask.all(*each)
            backlog = sum(count(answer, one) for answer, one in zip(answers, each, strict=True))
            condition = " AND TemporalWorkerDeploymentVersion is null"
        if not self.is_count_included:
            return float(backlog)
        is_active = backlog > self.activation_target_queue_size or status == "draining"
        if not is_active and status in ("", "current", "ramping"):
            query = f"ExecutionStatus = 'Running' AND TaskQueue = '{self.counted_queue or queue}'{condition}"
            running = WorkflowCount(server, namespace, query)
            is_active = count(await ask(running), running) > 0
        return Measured((float(backlog),), is_active)
