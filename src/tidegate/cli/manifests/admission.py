"""What the local API asks before it stores one of KEDA's kinds.

What KEDA's CRD or webhook refuses is refused, with all problems; trigger metadata that KEDA accepts
is stored, and its problems become warnings that kubectl prints.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tidegate import scalers
from tidegate.api.decode import decode, kind_of
from tidegate.api.eventing.cloudeventsource import CloudEventSource, ClusterCloudEventSource
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.validation.problems import problems
from tidegate.api.wire import encode
from tidegate.base.errors import TidegateError
from tidegate.base.problems import Problem
from tidegate.base.spelling import hint
from tidegate.cli.manifests.references import Shown, of_authentication
from tidegate.kit.reading import Sources
from tidegate.kit.settings import METADATA, settings_of
from tidegate.local.apiserver.defaulting import builtin_kinds
from tidegate.local.apiserver.validation import fields, hpa
from tidegate.review.manifest import review
from tidegate.review.next_steps import with_next_step
from tidegate.review.notices.annotations import annotation_notices
from tidegate.review.notices.event_sources import event_source_notices
from tidegate.review.notices.likely_mistakes import likely_mistakes
from tidegate.review.scaling_modifiers import formula_problems

if TYPE_CHECKING:
    from tidegate.cli.manifests.workload_owners import Neighbours
    from tidegate.local.apiserver.kinds import Kind
    from tidegate.local.objects import Object


def admit(
    operation: str,
    kind: Kind,
    new: Object | None,
    old: Object | None,
    neighbours: Neighbours | None = None,
) -> tuple[Sequence[Problem], Sequence[str]]:
    """(problems, warnings) of a write of ours; nothing about other kinds.

    With `neighbours`, a ScaledObject is looked at beside those that are there.
    """
    if new is None or kind_of(new) is None:
        return (), ()
    if old is not None and new.get("spec") == old.get("spec"):
        # The last finalizer of a broken object must be removable.
        return (), _of_new_annotations(new, old)
    found = problems(new)
    if found:
        return found, ()
    try:
        object = decode(new)
    except TidegateError as error:
        return [Problem("", str(error))], ()
    if isinstance(object, CloudEventSource | ClusterCloudEventSource):
        return (), [str(problem) for problem in event_source_notices(object)]
    if not isinstance(object, ScaledObject | ScaledJob):
        return (), [str(problem) for problem in of_authentication(object, Shown({})).problems]
    refused: Sequence[Problem] = ()
    if isinstance(object, ScaledObject):
        refused = [*formula_problems(object), *(neighbours.problems(object) if neighbours else ())]
    if refused:
        return refused, ()
    return (), [str(problem) for problem in remarks(object)]


def _of_new_annotations(new: Object, old: Object) -> list[str]:
    """Warnings of an edit of metadata alone: this is how people pause."""
    before, after = (one["metadata"].get("annotations") or {} for one in (old, new))
    changed = {f"metadata.annotations.{key}" for key, text in after.items() if before.get(key) != text}
    if not changed:
        return []
    try:
        object = decode(new)
    except TidegateError:
        return []
    if not isinstance(object, ScaledObject | ScaledJob):
        return []
    return [str(one) for one in annotation_notices(object) if one.path in changed]


def remarks(object: ScaledObject | ScaledJob) -> list[Problem]:
    """The problems of triggers that their metadata shows, then what has no effect or a better form."""
    problems, notices = reviewed(object)
    return [*problems, *notices]


def reviewed(
    object: ScaledObject | ScaledJob, template: dict[str, Any] | None = None
) -> tuple[list[Problem], tuple[Problem, ...]]:
    """(problems, notices) without a cluster; `template` is the target's, where it is known.

    Of a trigger that takes parameters from elsewhere (a TriggerAuthentication, the environment), only
    what stands in its metadata is judged, and what has to: nobody can say here that the rest is missing.
    """
    reviewed = review(object, lambda index: Sources(object.spec.triggers[index].metadata), template)
    problems = [problem for problem in reviewed.problems if not _may_come_from_elsewhere(object, problem)]
    problems = [with_next_step(problem) for problem in problems]
    notices = [*reviewed.notices, *likely_mistakes(object, template)]
    if isinstance(object, ScaledObject):
        problems += behavior_problems(object)
    elif object.spec.job_target_ref.template is not None:
        notices += template_notices(object.spec.job_target_ref.template)
    return problems, tuple(notices)


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


def _may_come_from_elsewhere(object: ScaledObject | ScaledJob, problem: Problem) -> bool:
    for index, trigger in enumerate(object.spec.triggers):
        if not problem.path.startswith(f"spec.triggers[{index}]."):
            continue
        has_other = trigger.authentication_ref is not None or any(
            "FromEnv" in key for key in trigger.metadata
        )
        key = problem.path.rpartition(".")[2]
        is_elsewhere = has_other and key not in (*trigger.metadata, "metricType", "type")
        return is_elsewhere and not _is_of_metadata(trigger.type, key)
    return False


def _is_of_metadata(trigger_type: str, name: str) -> bool:
    """Whether the setting must be written, and is read from the metadata alone."""
    kind = scalers.find(trigger_type)
    settings = settings_of(kind) if kind is not None else ()
    return any(
        name in one.setting.names and one.is_required and one.setting.sources == (METADATA,)
        for one in settings
    )
