"""The judge of `review/judge.py` with what is known above it: the API server's own checks, and `auth`."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.triggerauthentication import ClusterTriggerAuthentication, TriggerAuthentication
from tidegate.api.wire import encode
from tidegate.base.problems import Problem
from tidegate.base.spelling import hint
from tidegate.cli.manifests.references import Shown, of_authentication
from tidegate.local.apiserver.defaulting import builtin_kinds
from tidegate.local.apiserver.validation import fields, hpa
from tidegate.review import judge as judging

if TYPE_CHECKING:
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.objects import Object
    from tidegate.review.neighbours import Neighbours


def admit(
    operation: str,
    kind: Kind,
    new: Object | None,
    old: Object | None,
    neighbours: Neighbours | None = None,
) -> tuple[Sequence[Problem], Sequence[str]]:
    """(problems, warnings) of a write to the local API.

    With `neighbours`, a ScaledObject is looked at beside those that are there.
    """
    verdict = judging.judge(new, old, BEYOND)
    if neighbours is not None and verdict.object is not None:
        verdict = verdict.beside(neighbours.problems(verdict.object))
    return verdict.problems, list(verdict.warnings)


def remarks(object: ScaledObject | ScaledJob) -> list[Problem]:
    """As in `review/judge.py`."""
    return judging.remarks(object, BEYOND)


def reviewed(
    object: ScaledObject | ScaledJob, template: dict[str, Any] | None = None
) -> tuple[list[Problem], tuple[Problem, ...]]:
    """As in `review/judge.py`."""
    return judging.reviewed(object, BEYOND, template)


def behavior_problems(object: ScaledObject) -> Iterator[Problem]:
    """What of the behavior the API server will refuse in the HPA."""
    advanced = object.spec.advanced
    config = advanced.horizontal_pod_autoscaler_config if advanced is not None else None
    if config is None or config.behavior is None:
        return
    spec: Object = {"behavior": encode(config.behavior)}
    builtin_kinds.fill_behavior(spec)
    path = "spec.advanced.horizontalPodAutoscalerConfig.behavior"
    for problem in hpa.behavior_problems(path, spec["behavior"]):
        yield replace(problem, message=f"{problem.message}; the HPA would be refused")


def template_notices(template: Object) -> Iterator[Problem]:
    """Fields of a Job's template that no pod has, and values of a wrong type: KEDA's own CRD refuses them."""
    findings = fields.prune_template(copy.deepcopy(template), "spec.jobTargetRef.template")
    for path in findings.unknown:
        near = hint(path.rpartition(".")[2], findings.known.get(path, ()))
        yield Problem(path, f"unknown field: it has no effect, and KEDA's own CRD refuses it{near}")
    yield from findings.problems


def _authentication_problems(
    object: TriggerAuthentication | ClusterTriggerAuthentication,
) -> Iterable[Problem]:
    found = of_authentication(object, Shown({}))
    return [*found.problems, *found.notices]


BEYOND = judging.Beyond(_authentication_problems, behavior_problems, template_notices)
