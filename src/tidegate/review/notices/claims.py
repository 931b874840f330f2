"""Claimed work as a manifest shows it: what is refused, what is warned of.

Refused is what would put a stranger's text into a command, where the object asks for claims. All else is
told: the operator claims nothing then, and says so, too.
"""

from __future__ import annotations

from collections.abc import Iterator

from tidegate import scalers
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.problems import Problem
from tidegate.core.claims.expansion import DATA, expansion_problems, mentions
from tidegate.core.claims.wishes import CLAIM, PREFIX, STATEMENTS, wish_problems, wishes_of
from tidegate.kit.scaler import Polled, Scaler

_PATH = f"metadata.annotations.{CLAIM}"


def claim_refusals(object: ScaledJob) -> Iterator[Problem]:
    """What no admission lets pass of an object that claims."""
    if wishes_of(object.metadata.annotations).claim:
        yield from expansion_problems(object.spec.job_target_ref.template)


def claim_notices(object: ScaledObject | ScaledJob, scaler: Scaler | None = None) -> Iterator[Problem]:
    """What is odd about the annotations of claimed work. `scaler` is that of the first trigger, where it is
    known.
    """
    annotations = object.metadata.annotations
    ours = [key for key in annotations if key == CLAIM or key.startswith(f"{PREFIX}-")]
    if isinstance(object, ScaledObject):
        for key in ours:
            yield Problem(f"metadata.annotations.{key}", "has no effect: only ScaledJobs claim messages")
        return
    yield from wish_problems(annotations)
    wishes = wishes_of(annotations)
    if not wishes.claim:
        yield from _of_empty_messages(object, scaler)
        if CLAIM not in annotations and ours:
            yield Problem(f"metadata.annotations.{ours[0]}", f'has no effect without {CLAIM}: "true"')
        return
    yield from _of_claiming(object)
    if lacking := _lacking(object, scaler):
        yield Problem(_PATH, f"nothing is claimed: {lacking}")


def can_claim(object: ScaledJob, scaler: Scaler | None = None) -> bool:
    """Whether it has a single trigger, of a type whose messages can be claimed, and with the settings that
    this takes, where they are known.
    """
    if len(object.spec.triggers) != 1:
        return False
    kind = scalers.find(object.spec.triggers[0].type)
    is_claimable = kind is not None and issubclass(kind, Polled) and kind.is_claimable
    return is_claimable and not _lacking(object, scaler)


def _lacking(object: ScaledJob, scaler: Scaler | None) -> str:
    wishes = wishes_of(object.metadata.annotations)
    return scaler.claim_problem(wishes) if isinstance(scaler, Polled) else ""


def _of_empty_messages(object: ScaledJob, scaler: Scaler | None) -> Iterator[Problem]:
    """Jobs that read a message which nothing puts there. What can claim may do so, in local mode unasked."""
    if not can_claim(object, scaler) and mentions(object.spec.job_target_ref.template):
        types = ", ".join(dict.fromkeys(one.type for one in object.spec.triggers))
        text = f"{DATA} stays empty in its Jobs: messages of {types} are not claimed, see docs/claims.md"
        yield Problem("spec.jobTargetRef.template", text)


def _of_claiming(object: ScaledJob) -> Iterator[Problem]:
    triggers = object.spec.triggers
    if len(triggers) != 1:
        yield Problem(_PATH, f"nothing is claimed: there are {len(triggers)} triggers, leave one")
    for trigger in triggers[:1]:
        kind = scalers.find(trigger.type)
        if kind is not None and not (issubclass(kind, Polled) and kind.is_claimable):
            text = (
                f"nothing is claimed: {trigger.type} cannot be claimed from, see docs/claims.md for what can"
            )
            yield Problem(_PATH, text, "FieldValueNotSupported")
        elif kind is not None and issubclass(kind, Polled):
            for key in object.metadata.annotations:
                if key in STATEMENTS and key not in kind.claim_wishes:
                    yield Problem(f"metadata.annotations.{key}", f"has no effect for {trigger.type}")
    if object.spec.min_replica_count:
        text = f"{object.spec.min_replica_count} has no effect: a claimed Job needs a message"
        yield Problem("spec.minReplicaCount", text)
