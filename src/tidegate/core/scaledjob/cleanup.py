"""Which Jobs of a ScaledJob are deleted: those of the previous version, and finished ones beyond the history.

A Job that is on its way out is not asked to go again; it counts as unfinished until it is gone. One whose
deletion was refused is left alone for a while, holds up no other, and is told of while it should go.

Source: KEDA's documentation, "ScaledJob specification": rollout and history limits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidegate.api.scaledjob import ScaledJob
from tidegate.base.errors import Failure
from tidegate.core import messages
from tidegate.core.reasons import Code, because
from tidegate.core.scaledjob import job_count
from tidegate.core.scaledjob.job_count import Asked
from tidegate.core.values import DeleteJobs, JobView, Reason

# How long a Job that could not be deleted is left alone.
REFUSED_FOR = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Cleanup:
    """What is deleted now, and why. `failure` tells of Jobs of the previous version that could not be
    deleted; `due` is when the next that was refused is tried again.
    """

    deletions: tuple[DeleteJobs, ...] = ()
    reasons: tuple[Reason, ...] = ()
    failure: Failure | None = None
    due: datetime | None = None


def cleanup(
    object: ScaledJob, views: tuple[JobView, ...], asked: tuple[Asked, ...], now: datetime
) -> Cleanup:
    """The deletions of a decision: the rollout first, then the history of what is left."""
    # One that a broker still has to hear of cannot go.
    staying = tuple(one for one in views if not one.is_ending and not one.is_guarded)
    old = outdated(object, staying)
    leaving = {one.name for one in old}
    others = tuple(one for one in staying if one.name not in leaving)
    expired = job_count.history(others, asked, object.spec)
    surplus = set(expired)
    trimmed = tuple(one for one in others if one.name in surplus)
    rolled, unwanted = _ripe(old, now), _ripe(trimmed, now)
    deletions: list[DeleteJobs] = []
    reasons: list[Reason] = []
    if rolled:
        deletions.append(_rollout(object, rolled))
        reasons.append(because(Code.ROLLED_OUT, count=len(rolled)))
    if unwanted:
        ripe = {one.name for one in unwanted}
        names = tuple(name for name in expired if name in ripe)
        deletions.append(DeleteJobs(names, "Background", Code.HISTORY_TRIMMED))
        reasons.append(because(Code.HISTORY_TRIMMED, count=len(names)))
    dates = [one.refused.at + REFUSED_FOR for one in (*old, *trimmed) if one.refused is not None]
    return Cleanup(
        tuple(deletions),
        tuple(reasons),
        _failure(old),
        min((one for one in dates if one > now), default=None),
    )


def outdated(object: ScaledJob, views: tuple[JobView, ...]) -> tuple[JobView, ...]:
    """Jobs of another generation or from a template that was replaced, finished ones too, where the manifest
    says `immediate` literally.
    """
    rollout = object.spec.rollout
    named = object.spec.rollout_strategy or (rollout.strategy if rollout is not None else None)
    if named != "immediate":
        return ()
    generation = str(object.metadata.generation)
    return tuple(one for one in views if one.generation != generation or one.is_replaced)


def refusals(refused: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """(name, cause) of Jobs that could not be deleted, as `<name>: <cause>`; equal causes once."""
    alike: dict[str, list[tuple[str, str]]] = {}
    for name, cause in refused:
        alike.setdefault(cause.replace(name, ""), []).append((name, cause))
    texts = []
    for (name, cause), *others in alike.values():
        texts.append(f"{name}{f' (and {len(others)} more)' if others else ''}: {cause}")
    return tuple(texts)


def _ripe(views: tuple[JobView, ...], now: datetime) -> tuple[JobView, ...]:
    """Those that nobody refused to delete lately; a refusal that is still to come (the clock was set back)
    is none.
    """

    def is_ripe(one: JobView) -> bool:
        return one.refused is None or not timedelta() <= now - one.refused.at < REFUSED_FOR

    return tuple(one for one in views if is_ripe(one))


def _failure(old: tuple[JobView, ...]) -> Failure | None:
    texts = refusals((one.name, one.refused.cause) for one in old if one.refused is not None)
    return (
        Failure("Denied", "; ".join(f"Not able to delete job: {text}" for text in texts)) if texts else None
    )


def _rollout(object: ScaledJob, old: tuple[JobView, ...]) -> DeleteJobs:
    """One that is tried again has been told as started."""
    rollout = object.spec.rollout
    is_foreground = rollout is not None and rollout.propagation_policy == "foreground"
    news = sum(one.refused is None for one in old)
    return DeleteJobs(
        tuple(one.name for one in old),
        "Foreground" if is_foreground else "Background",
        Code.ROLLED_OUT,
        before=messages.rollout_started(news) if news else None,
        then=messages.rollout_completed(len(old)),
    )
