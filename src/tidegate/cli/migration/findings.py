"""What Tidegate would do otherwise with the objects of a cluster: each object against the rules."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tidegate.api.decode import decode
from tidegate.api.eventing.cloudeventsource import CloudEventSource, ClusterCloudEventSource
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.schema.structural import prune
from tidegate.api.triggerauthentication import ClusterTriggerAuthentication, TriggerAuthentication
from tidegate.api.validation.problems import problems, schema_of
from tidegate.base.errors import TidegateError
from tidegate.base.problems import Problem
from tidegate.cli.manifests.references import Shown, of_authentication
from tidegate.review.deviations.touched import touched
from tidegate.review.hpa import hpa_name
from tidegate.review.notices.event_sources import event_source_notices
from tidegate.review.ownership import taken

if TYPE_CHECKING:
    from tidegate.operator.reconcile.trigger_plan import Plan

Object = dict[str, Any]
Level = Literal["fails", "differs", "no effect"]
LEVELS: tuple[Level, ...] = ("fails", "differs", "no effect")
DOCUMENT = "docs/deviations.md"


@dataclass(frozen=True, slots=True)
class Finding:
    """`fails`: would not work; `differs`: works otherwise than in KEDA; `no effect`: is not read.

    `deviation` begins the line of docs/deviations.md.
    """

    level: Level
    object: str
    field: str
    text: str
    deviation: str = ""


def name_of(body: Object) -> str:
    metadata = body["metadata"]
    place = f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else metadata["name"]
    return f"{body['kind']} {place}"


def unreadable(body: Object) -> list[Finding]:
    """Why the object does not fit its kind, if it does not."""
    name = name_of(body)
    found = [Finding("fails", name, one.path, one.message) for one in problems(body)]
    if not found:
        try:
            decode(body)
        except TidegateError as error:
            found = [Finding("fails", name, "", str(error))]
    return found


def dropped(body: Object) -> Iterator[Finding]:
    """Fields that our definitions do not know: a newer KEDA's, or an older one's."""
    for path in prune(schema_of(body["kind"]), copy.deepcopy(body)):
        if not path.startswith("status"):
            yield Finding("fails", name_of(body), path, "this version does not know the field, and drops it")


def of_scaled(body: Object, plan: Plan, hpas: Iterable[Object] = ()) -> Iterator[Finding]:
    """Of a ScaledObject or ScaledJob whose triggers are planned; `hpas` are those of its namespace."""
    object, name = decode(body), name_of(body)
    assert isinstance(object, ScaledObject | ScaledJob)
    for problem in plan.review.problems:
        yield Finding("fails", name, problem.path, problem.message)
    for index, failure in sorted(plan.failures.items()):
        yield Finding("fails", name, f"spec.triggers[{index}]", failure.message)
    if isinstance(object, ScaledObject):
        yield from _of_hpa(object, name, hpas)
    for touch in touched(object, plan.review):
        yield Finding("differs", name, touch.path, touch.text, touch.line)
    told = {problem.path for problem in plan.review.problems}
    yield from (_idle(name, one) for one in plan.review.notices if one.path not in told)


def _of_hpa(object: ScaledObject, name: str, hpas: Iterable[Object]) -> Iterator[Finding]:
    for hpa in hpas:
        if hpa["metadata"]["name"] == hpa_name(object):
            problem = taken(object, hpa)
            if problem is not None:
                line = "Only the object that controls an HPA deletes it."
                yield Finding("fails", name, "spec.scaleTargetRef", problem, line)


def of_others(body: Object) -> Iterator[Finding]:
    """Of an authentication or an event source."""
    object, name = decode(body), name_of(body)
    if isinstance(object, TriggerAuthentication | ClusterTriggerAuthentication):
        # Its Secrets are looked at where a trigger uses them.
        for problem in of_authentication(object, Shown({})).problems:
            yield Finding("fails", name, problem.path, problem.message)
    if isinstance(object, CloudEventSource | ClusterCloudEventSource):
        yield from (_idle(name, one) for one in event_source_notices(object))


def _idle(name: str, problem: Problem) -> Finding:
    return Finding("no effect", name, problem.path, problem.message)
