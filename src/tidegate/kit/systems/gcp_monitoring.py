"""Cloud Monitoring: what is asked of it, and what its triggers share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tidegate.base.errors import Malformed
from tidegate.kit.question import Question
from tidegate.kit.settings import declared, setting
from tidegate.kit.systems.calls import Calls
from tidegate.kit.systems.gcp import GcpAccess, GcpServer, Service


@dataclass(frozen=True, slots=True)
class NewestPoint:
    """The newest value of a resource's metric in the last `horizon_s`: a float, None for none at all.

    Without a `project` it is in that of the identity that asks. The resource is of type `resource`
    (`pubsub_topic`; "": any), its label `label` (`topic_id`) says `name`.
    `reducer` makes one number of what a point holds, in Monitoring's query language, such as
    `percentile(value, 99)`; without it a point is its own value. Of several series the first counts.
    """

    calls: ClassVar[Calls] = Calls(
        together=60,
        alike=("project", "metric", "resource", "label", "reducer"),
        more="some 60 names fit into one, by their length",
    )

    server: GcpServer
    project: str
    metric: str
    resource: str
    label: str
    name: str
    horizon_s: float
    reducer: str = ""


@dataclass(frozen=True, slots=True)
class FilteredPoint:
    """The newest value of the first series that a filter finds in the last `window_s`: a float, None where it
    finds none.

    With `alignment_s` the points are aligned by `aligner` (`ALIGN_RATE`) and the series made one by `reducer`
    (`REDUCE_SUM`), where they are not "".
    """

    server: GcpServer
    project: str
    filter: str
    window_s: int
    alignment_s: int = 0
    aligner: str = ""
    reducer: str = ""


@declared
class MonitoringAccess(GcpAccess):
    """A trigger that reads metrics."""

    service: ClassVar[Service] = "monitoring"

    endpoint: str = setting(
        "monitoringEndpoint",
        doc="URL that stands in for `https://monitoring.googleapis.com`: private endpoints, proxies.",
        default="",
    )

    def endpoint_setting(self) -> tuple[str, str]:
        return "monitoringEndpoint", self.endpoint


def not_found(question: Question, what: str, step: str) -> Malformed:
    """No series has a point: that is no number."""
    answer = f"could not find stackdriver metric {what}"
    return Malformed("read the metric", on=question.server.label(), answer=answer, next_step=step)
