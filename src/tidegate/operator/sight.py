"""The Jobs of a ScaledJob as they are at the moment its question is sent.

Jobs that this process has asked for count from before the request leaves until the watch shows them,
or a read says that they are gone: a cache that lags behind must not lead to a second one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from tidegate.api.scaledjob import ScaledJob
from tidegate.base.errors import Failure, TidegateError
from tidegate.base.times import parse_time
from tidegate.core.decide import JobView
from tidegate.kube.resource import JOBS
from tidegate.operator.jobs import GENERATION, NAME_LABEL
from tidegate.operator.pendingjobs import PendingJobs
from tidegate.operator.world import World

Object = dict[str, Any]

# A Job that was created and is not seen after this long is looked up by name.
UNSEEN_S = 10.0


@dataclass(frozen=True, slots=True)
class Expected:
    """A Job that was asked for: since when (monotonic), and how it will look."""

    since_s: float
    view: JobView


@dataclass(slots=True)
class Ledger:
    """Jobs that one ScaledJob has asked for and does not see yet, by name."""

    unseen: dict[str, Expected] = field(default_factory=dict)

    def expect(self, bodies: Iterable[Object], now_s: float) -> None:
        """These Jobs are about to be created: nobody sees a pod of theirs."""
        for body in bodies:
            view = view_of(body, lambda job: True)
            self.unseen[view.name] = Expected(now_s, view)

    def settle(self, name: str) -> None:
        """The watch shows the Job, or it is known not to exist."""
        self.unseen.pop(name, None)

    def overdue(self, now_s: float) -> list[str]:
        """Names to look up: they should have been seen by now."""
        return [name for name, one in self.unseen.items() if now_s - one.since_s > UNSEEN_S]


def look_at(world: World, object: ScaledJob, ledger: Ledger) -> tuple[JobView, ...] | Failure:
    """The Jobs of the object as the caches show them now."""
    metadata = object.metadata
    listed = partial(world.labelled, JOBS, metadata.namespace, (NAME_LABEL, metadata.name))
    return look(listed, ledger, PendingJobs(world).rule(object))


def look(
    listed: Callable[[], list[Object]], ledger: Ledger, is_pending: Callable[[Object], bool]
) -> tuple[JobView, ...] | Failure:
    """The Jobs that `listed` shows and those still unseen; a Failure where they cannot be listed."""
    try:
        jobs = listed()
    except TidegateError as error:
        return Failure.of(error)
    views = [view_of(job, is_pending) for job in jobs]
    for view in views:
        ledger.settle(view.name)
    views += [one.view for one in ledger.unseen.values()]
    return tuple(sorted(views, key=lambda view: view.name))


def view_of(job: Object, is_pending: Callable[[Object], bool]) -> JobView:
    """A batch/v1 Job as a decision sees it; `is_pending` is asked about unfinished ones."""
    metadata, status = job["metadata"], job.get("status") or {}
    done = finished_as(job)
    return JobView(
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        generation=(metadata.get("annotations") or {}).get(GENERATION, ""),
        is_finished=bool(done),
        is_failed=done == "Failed",
        is_pending=not done and is_pending(job),
        completed_at=_moment(status.get("completionTime")),
        created_at=_moment(metadata.get("creationTimestamp")),
    )


def finished_as(job: Object | None) -> str:
    """Complete or Failed, "" while the Job is unfinished; the first true condition decides."""
    status = (job or {}).get("status") or {}
    for condition in status.get("conditions") or ():
        if condition.get("status") == "True" and condition.get("type") in ("Complete", "Failed"):
            return str(condition["type"])
    return ""


def _moment(text: str | None) -> datetime | None:
    return parse_time(text) if text else None
