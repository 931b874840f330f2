"""The newest value of a time series of Google Cloud Monitoring, found by a filter.

```yaml
triggers:
- type: gcp-stackdriver
  metadata:
    projectId: shop-prod
    filter: >-
      metric.type="run.googleapis.com/request_count" AND resource.labels.service_name="shop"
    alignmentPeriodSeconds: "60"
    alignmentAligner: rate
    alignmentReducer: sum
    filterDuration: "5"
    targetValue: "100"
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

The filter is asked together with the project: what it finds elsewhere, or in resources without a
`project_id`, does not count. If it finds several series, the first counts, which may be any: let a reducer
make them one. Counters want the aligner `rate` or `delta`, distributions a percentile; without one the value
is no number, and a failure.

The newest point of the last `filterDuration` minutes counts; with an alignment that is at least two periods
long, for otherwise nothing may come back. Where no series has a point the value is `valueIfNull`, or a
failure without it. Numbers are some minutes late.

The account wants the role Monitoring Viewer; with `podIdentity: gcp` the autoscaler's own identity asks.
Each filter is a call of its own, which is billed.

Source: https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.timeSeries/list
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
from tidegate.kit.systems.gcp import PROJECT
from tidegate.kit.systems.gcp_metrics import ALIGNERS, REDUCERS, enum_name
from tidegate.kit.systems.gcp_monitoring import FilteredPoint, MonitoringAccess, not_found


@declared
class GcpStackdriver(MonitoringAccess):
    types: ClassVar[tuple[str, ...]] = ("gcp-stackdriver",)
    cost: ClassVar[str] = (
        "one call of one point for each different filter, 16 at a time; woken at most every 30 s"
    )
    tested_against: ClassVar[str] = "a fake of ours, written from Google's documentation of the API"

    project: str = setting("projectId", doc="Project that is asked.")
    filter: str = setting("filter", doc="Monitoring filter that selects the series.")
    target_value: float = target("targetValue", doc="Value that one replica should carry.", default=5.0)
    activation_value: float = activation("activationTargetValue", default=0.0)
    value_if_null: float | None = setting("valueIfNull", doc="Value where there is no point.", default=None)
    filter_duration: int = setting("filterDuration", doc="Minutes looked back; 2 without it.", default=0)
    alignment_s: int = setting(
        "alignmentPeriodSeconds", doc="Period of the alignment, 60 or more; 0 is none.", default=0
    )
    aligner: str = setting("alignmentAligner", doc=f"{', '.join(ALIGNERS[:6])} …", default="")
    reducer: str = setting("alignmentReducer", doc=f"{', '.join(REDUCERS[:6])} …", default="")

    def check(self) -> Iterator[Problem]:
        yield from MonitoringAccess.check(self)
        if not PROJECT.fullmatch(self.project):
            yield Problem("projectId", f'"{self.project}" is not the ID of a project')
        if self.alignment_s < 0 or 0 < self.alignment_s < 60:
            yield Problem("alignmentPeriodSeconds", "alignmentPeriodSeconds must be at least 60")
        if self.alignment_s and self.aligner and not enum_name("ALIGN", ALIGNERS, self.aligner):
            yield Problem("alignmentAligner", f"unknown aligner: {self.aligner}")
        if self.alignment_s and self.reducer and not enum_name("REDUCE", REDUCERS, self.reducer):
            yield Problem("alignmentReducer", f"unknown reducer: {self.reducer}")

    def notices(self) -> Iterator[Problem]:
        if not self.alignment_s and (self.aligner or self.reducer):
            name = "alignmentAligner" if self.aligner else "alignmentReducer"
            yield Problem(name, "does nothing without alignmentPeriodSeconds")
        elif self.alignment_s > self._window_s():
            yield Problem("filterDuration", "is shorter than alignmentPeriodSeconds: there may be no point")

    def summary(self) -> str:
        return f"{self.filter} in project {self.project}"

    def metric_name(self) -> str:
        return normalize(f"gcp-stackdriver-{self.project}")

    async def measure(self, ask: Ask, now: datetime) -> float:
        question = FilteredPoint(self.server(), self.project, self.filter, self._window_s())
        if self.alignment_s:
            aligner = enum_name("ALIGN", ALIGNERS, self.aligner)
            reducer = enum_name("REDUCE", REDUCERS, self.reducer)
            question = FilteredPoint(
                self.server(),
                self.project,
                self.filter,
                self._window_s(),
                self.alignment_s,
                aligner,
                reducer,
            )
        found = await ask(question)
        if found is None and self.value_if_null is not None:
            return self.value_if_null
        if found is None:
            what = f"with filter {self.filter:.200} in the last {self._window_s()} s"
            raise not_found(question, what, "correct `filter`, raise `filterDuration`, or set `valueIfNull`")
        return number(found, question)

    def _window_s(self) -> int:
        return 60 * (self.filter_duration if self.filter_duration > 0 else 2)
