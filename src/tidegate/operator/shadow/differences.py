"""What we would set against what is, one aspect after the other. Values in, values out.

Both look at the same cluster at moments of their own: a difference counts once it has lasted (`grace_s`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from tidegate.api.conditions import Condition, find
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import Failure
from tidegate.base.sentences import counted
from tidegate.core.hpa import behavior
from tidegate.core.hpa.replicas import Held, Sample, propose
from tidegate.core.triggers.external_metric import external_metric
from tidegate.core.values import CreateJobs, Decision, DeleteJobs, PatchStatus, Seen, SetReplicas
from tidegate.operator.reconcile.steps import Steps
from tidegate.operator.reconcile.tracker import Tracked
from tidegate.operator.scaledobject.ready_pods import told_ready

Object = dict[str, Any]
# What counts of conditions: the others follow from these, or are the HPA's. The last one says something
# only where there is a fallback: else KEDA leaves it Unknown, or sets it to False.
CONDITIONS = ("Ready", "Active", "Paused", "Fallback")
# Two polls of each side, and what the API server takes to tell of them.
SLACK_S = 15.0


@dataclass(frozen=True, slots=True)
class Difference:
    """`ours` and `theirs` as people write them. `mark` tells one difference of an aspect from the next: KEDA
    has done something since. It counts after `grace_s`."""

    aspect: str
    ours: str
    theirs: str
    grace_s: float
    mark: Any = None


def grace_s(object: ScaledObject | ScaledJob) -> float:
    """How long two that do the same may differ."""
    return 2.0 * object.spec.polling_s + SLACK_S


def of_decision(
    object: ScaledObject | ScaledJob, decision: Decision, mark: Any = None
) -> Iterator[Difference]:
    """What the decision would do: all of it is what has not been done."""
    grace = grace_s(object)
    for action in decision.actions:
        if isinstance(action, SetReplicas):
            yield Difference("replicas", str(action.replicas), str(action.previous), grace)
        elif isinstance(action, CreateJobs):
            yield Difference("jobs", f"{counted(action.count, 'more Job')}", "none of them yet", grace, mark)
        elif isinstance(action, DeleteJobs):
            text = f"{counted(len(action.names), 'Job')} deleted ({action.why})"
            yield Difference("deleted jobs", text, "they are there", grace, action.names)
        elif isinstance(action, PatchStatus) and "conditions" in action.status:
            wanted = msgspec.convert(action.status["conditions"], tuple[Condition, ...])
            has_fallback = isinstance(object, ScaledObject) and object.spec.fallback is not None
            compared = CONDITIONS if has_fallback else CONDITIONS[:-1]
            yield from _conditions(compared, object.status.conditions, wanted, grace)


def _conditions(
    types: tuple[str, ...], present: tuple[Condition, ...], wanted: tuple[Condition, ...], grace: float
) -> Iterator[Difference]:
    for type in types:
        ours, theirs = find(wanted, type), find(present, type)
        if ours is None or (theirs is not None and ours.status == theirs.status):
            continue
        before = _condition(theirs) if theirs is not None else "not told"
        yield Difference(f"condition {type}", _condition(ours), before, grace)


def _condition(one: Condition) -> str:
    said = ": ".join(filter(None, (one.reason, one.message)))
    return f"{one.status} ({said})" if said else one.status


def of_hpa(object: ScaledObject, present: Object | None, wanted: Object | None) -> Iterator[Difference]:
    """Fields of the HPA's spec that we would write otherwise. `wanted` is None where we would leave it."""
    if wanted is None:
        return
    have, want = (present or {}).get("spec") or {}, wanted["spec"]
    if present is None:
        yield Difference("hpa", f"HPA {wanted['metadata']['name']}", "none", grace_s(object))
        return
    for field in dict.fromkeys((*want, *have)):
        if want.get(field) != have.get(field) and not _is_covered(have.get(field), want.get(field)):
            yield Difference(
                f"hpa spec.{field}", _text(want.get(field)), _text(have.get(field)), grace_s(object)
            )


def _is_covered(have: Any, want: Any) -> bool:
    """Whether the server's defaults are all that `have` has more."""
    if isinstance(want, dict) and isinstance(have, dict):
        return all(_is_covered(have.get(key), one) for key, one in want.items())
    if isinstance(want, list) and isinstance(have, list):
        return len(want) == len(have) and all(map(_is_covered, have, want))
    return bool(have == want) or want is None


def _text(value: Any) -> str:
    return "nothing" if value is None else msgspec.json.encode(value).decode()


def of_recommendation(
    steps: Steps, tracked: Tracked, object: ScaledObject, hpa: Object | None
) -> Iterator[Difference]:
    """The count between minimum and maximum: what our values ask for, against what the HPA wants of KEDA's.

    A higher count of theirs may be their HPA's memory of a peak: it counts after its stabilization window.
    """
    status, seen = (hpa or {}).get("status") or {}, tracked.seen
    current, desired = status.get("currentReplicas"), status.get("desiredReplicas")
    if not current or not desired or seen is None or hpa is None or tracked.plan is None:
        return
    samples = tuple(_samples(steps, tracked, object, seen))
    advanced = object.spec.advanced
    config = advanced.horizontal_pod_autoscaler_config if advanced is not None else None
    rules = config.behavior if config is not None else None
    proposal = propose(samples, current, behavior.tolerance_of(rules)) if samples else Held(())
    if isinstance(proposal, Held):
        return
    spec = hpa["spec"]
    ours = min(max(proposal.replicas, spec.get("minReplicas", 1)), spec["maxReplicas"])
    if ours == desired:
        return
    has_others = any(one["type"] != "External" for one in spec.get("metrics") or ())
    if ours < desired and has_others:
        # cpu or memory may want it; only the HPA reads them.
        return
    down = behavior.rules_of(rules)[1]
    patience = grace_s(object) + (down.window_s if ours < desired else 0)
    sample = proposal.sample
    text = f"{ours} ({sample.name} is {sample.value:g}, target {sample.target:g})"
    yield Difference("recommended replicas", text, str(desired), patience)


def _samples(steps: Steps, tracked: Tracked, object: ScaledObject, seen: Seen) -> Iterator[Sample]:
    assert tracked.plan is not None
    composite = tracked.plan.review.composite
    views = steps.views(tracked)
    metrics = (
        [composite.metric]
        if composite is not None
        else [metric for plan in tracked.plan.review.triggers for metric in plan.metrics]
    )
    ready = told_ready(steps.informers, tracked.target)
    for metric in metrics:
        values = external_metric(metric.name, object, seen, views, tracked.memory, composite)
        failure = values if isinstance(values, Failure) else None
        total = None if isinstance(values, Failure) else sum(values)
        if ready is None and metric.target_type == "Value":
            # The HPA multiplies by ready pods, and nobody can tell how many it has seen.
            failure = Failure("Unreachable", "ready pods are not counted")
        yield Sample(metric.name, metric.target_type, metric.target, total, failure, ready or 0)


def by_aspect(differences: Iterable[Difference]) -> dict[str, Difference]:
    return {one.aspect: one for one in differences}
