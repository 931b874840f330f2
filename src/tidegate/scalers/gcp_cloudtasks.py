"""Depth of a Google Cloud Tasks queue: tasks that wait or are on their way.

```yaml
triggers:
- type: gcp-cloudtasks
  metadata:
    projectID: shop-prod
    queueName: thumbnails
    value: "50"
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

The number comes from Cloud Monitoring: once a minute, and some minutes late. The newest of the last
`filterDuration` minutes counts. A new or quiet queue may have none, which is a failure: look back longer.
`queueName` is the queue's short name; of queues of that name in several locations the first that Monitoring
lists counts, which may be any.

The account wants the role Monitoring Viewer; with `podIdentity: gcp` the autoscaler's own identity asks. All
queues of a project travel together, some 100 to a call.

Source: https://cloud.google.com/monitoring/api/metrics_gcp_c#gcp-cloudtasks
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from tidegate.base.names import normalize
from tidegate.base.problems import Problem
from tidegate.kit.answers import number
from tidegate.kit.question import Ask
from tidegate.kit.settings import activation, declared, setting, target
from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.gcp import PROJECT
from tidegate.kit.systems.gcp_monitoring import MonitoringAccess, NewestPoint, not_found

_DEPTH = "cloudtasks.googleapis.com/queue/depth"


@declared
class GcpCloudtasks(MonitoringAccess):
    types: ClassVar[tuple[str, ...]] = ("gcp-cloudtasks",)
    cost: ClassVar[str] = "one call for some 100 queues of a project, 16 at a time; woken at most every 30 s"
    calls: ClassVar[Calls] = NewestPoint.calls
    tested_against: ClassVar[str] = "a fake of ours, written from Google's documentation of the API"

    queue_name: str = setting("queueName", doc="Queue, by its short name.")
    project: str = setting("projectID", doc="Its project.")
    value: float = target("value", doc="Tasks that one replica should carry.", default=100.0)
    activation_value: float = activation("activationValue", default=0.0)
    filter_duration: int = setting("filterDuration", doc="Minutes looked back; 2 without it.", default=0)

    def check(self) -> Iterator[Problem]:
        yield from MonitoringAccess.check(self)
        if not PROJECT.fullmatch(self.project):
            yield Problem("projectID", f'"{self.project}" is not the ID of a project')

    def summary(self) -> str:
        return f"depth of queue {self.queue_name} in project {self.project}"

    def metric_name(self) -> str:
        return normalize(f"gcp-ct-{self.queue_name}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        minutes = self.filter_duration if self.filter_duration > 0 else 2
        place = ("", "queue_id", self.queue_name)
        question = NewestPoint(self.server(), self.project, _DEPTH, *place, minutes * 60.0)
        found = await ask(question)
        if found is None:
            what = f"{_DEPTH} of queue {self.queue_name} in the last {minutes} minutes"
            raise not_found(question, what, "check the names of queue and project, or raise `filterDuration`")
        return number(found, question)
