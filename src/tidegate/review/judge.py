"""What a write of one of KEDA's kinds is answered at admission: what refuses it, what is warned of.

Used by the admission webhook and by the API of local mode. What KEDA's CRD or webhook refuses is refused,
with all problems; trigger metadata that KEDA accepts is accepted, and its problems become warnings that
kubectl prints. Who else scales the same workload is looked up by the caller: a verdict says for which object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tidegate import scalers
from tidegate.api.decode import decode, kind_of
from tidegate.api.eventing.cloudeventsource import CloudEventSource, ClusterCloudEventSource
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.triggerauthentication import ClusterTriggerAuthentication, TriggerAuthentication
from tidegate.api.validation.problems import problems
from tidegate.base.errors import TidegateError
from tidegate.base.problems import Problem
from tidegate.kit.reading import Sources
from tidegate.kit.settings import METADATA, settings_of
from tidegate.review.manifest import review
from tidegate.review.next_steps import with_next_step
from tidegate.review.notices.annotations import allowed_namespaces_notices, annotation_notices
from tidegate.review.notices.claims import claim_notices, claim_refusals
from tidegate.review.notices.event_sources import event_source_notices
from tidegate.review.notices.likely_mistakes import likely_mistakes
from tidegate.review.notices.listening import listen_notices
from tidegate.review.scaling_modifiers import formula_problems

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Beyond:
    """What rooms above this one have to say of an object; each gives what would be warned of."""

    of_authentication: Callable[[TriggerAuthentication | ClusterTriggerAuthentication], Iterable[Problem]]
    of_behavior: Callable[[ScaledObject], Iterable[Problem]]
    of_template: Callable[[Object], Iterable[Problem]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`object` is a ScaledObject whose neighbours have a say, too; None for all others."""

    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()
    object: ScaledObject | None = None

    def beside(self, found: Iterable[Problem]) -> Verdict:
        """The verdict with what is refused because of others."""
        refused = (*self.problems, *found)
        return Verdict(refused, () if refused else self.warnings, self.object)


def judge(new: Object | None, old: Object | None, beyond: Beyond) -> Verdict:
    """The verdict on a write of ours; nothing is said of other kinds. `old` is None for a creation."""
    if new is None or kind_of(new) is None:
        return Verdict()
    if old is not None and new.get("spec") == old.get("spec"):
        # The last finalizer of a broken object must be removable.
        return Verdict(warnings=tuple(_of_new_annotations(new, old)))
    found = problems(new)
    if found:
        return Verdict(tuple(found))
    try:
        object = decode(new)
    except TidegateError as error:
        return Verdict((Problem("", str(error)),))
    if isinstance(object, CloudEventSource | ClusterCloudEventSource):
        return Verdict(warnings=_texts(event_source_notices(object)))
    if not isinstance(object, ScaledObject | ScaledJob):
        return Verdict(warnings=_texts(beyond.of_authentication(object)))
    if isinstance(object, ScaledJob):
        refused = tuple(claim_refusals(object))
        return Verdict(refused, () if refused else _texts(remarks(object, beyond)))
    refused = tuple(formula_problems(object))
    return Verdict(refused, () if refused else _texts(remarks(object, beyond)), object)


def remarks(object: ScaledObject | ScaledJob, beyond: Beyond) -> list[Problem]:
    """The problems of triggers that their metadata shows, then what has no effect or a better form."""
    problems, notices = reviewed(object, beyond)
    return [*problems, *notices]


def reviewed(
    object: ScaledObject | ScaledJob, beyond: Beyond, template: Object | None = None
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
        problems += beyond.of_behavior(object)
    elif object.spec.job_target_ref.template is not None:
        notices += beyond.of_template(object.spec.job_target_ref.template)
    return problems, tuple(notices)


def _texts(found: Iterable[Problem]) -> tuple[str, ...]:
    return tuple(str(problem) for problem in found)


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
    if isinstance(object, ScaledObject | ScaledJob):
        told = iter((*annotation_notices(object), *claim_notices(object), *listen_notices(object)))
    elif isinstance(object, TriggerAuthentication | ClusterTriggerAuthentication):
        told = allowed_namespaces_notices(object)
    else:
        return []
    return [str(one) for one in told if one.path in changed]


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
