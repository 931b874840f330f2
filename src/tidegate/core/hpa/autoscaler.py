"""One reconcile of a HorizontalPodAutoscaler: metrics → replicas → stabilised → limited → bounded.

Everything an HPA controller needs apart from reading metrics and writing: `step` decides,
`unwritten` corrects the decision whose write failed, `memory_from` rebuilds the memory after a
restart. Reasons and messages of conditions and events are those of Kubernetes' controller.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tidegate.api.conditions import Condition
from tidegate.api.hpa import HpaSpec
from tidegate.base.times import parse_time
from tidegate.core.hpa import behavior, messages
from tidegate.core.hpa.behavior import Change, HpaMemory, Recommendation, Rules, Stable
from tidegate.core.hpa.bounds import Bounded, Bounds, Limit, bound
from tidegate.core.hpa.replicas import Held, Proposal, Sample, propose
from tidegate.core.reasons import Code, because
from tidegate.core.values import EmitEvent, Reason

__all__ = ["HpaDecision", "HpaMemory", "Sample", "memory_from", "step", "unwritten"]

_STATUS_TIME_STEP = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class HpaDecision:
    """What to write, to keep and to say.

    `replicas` is the count to write where it differs from the current one. `conditions` hold only
    the types that this reconcile has an opinion on: the others stay as they are. They and `memory` take
    the write for done; where it failed, use `unwritten`. `due` is the first moment at which the same
    metrics may lead to another count. `is_held`: the metrics came to no conclusion; `is_unanswered`: because
    nobody answered for one, which may be over in a moment; nothing that was written is wrong.
    """

    replicas: int
    current: int
    memory: HpaMemory
    reasons: tuple[Reason, ...]
    conditions: tuple[Condition, ...] = ()
    events: tuple[EmitEvent, ...] = ()
    rescale_reason: str = ""
    due: datetime | None = None
    is_held: bool = False
    is_unanswered: bool = False

    @property
    def is_rescale(self) -> bool:
        return self.replicas != self.current


def step(
    spec: HpaSpec, current: int, samples: tuple[Sample, ...], memory: HpaMemory, now: datetime
) -> HpaDecision:
    """The decision about a target that has `current` replicas (its scale's spec.replicas).

    Reconcile every 15 s even without news: a window knows only the recommendations made.
    """
    memory = _seeded(behavior.none_ahead(memory, now), current, now)
    minimum = _minimum(spec)
    if current == 0 and minimum != 0:
        reason = because(Code.HPA_DISABLED)
        return HpaDecision(0, 0, memory, (reason,), (messages.FOUND, messages.DISABLED))
    if current > spec.max_replicas:
        reason = because(Code.ABOVE_MAX, current=current, maximum=spec.max_replicas)
        return _to_bound(spec.max_replicas, HpaDecision(current, current, memory, (reason,)), now)
    if current < minimum:
        reason = because(Code.BELOW_MIN, current=current, minimum=minimum)
        return _to_bound(minimum, HpaDecision(current, current, memory, (reason,)), now)
    proposal = propose(samples, max(current, 1), behavior.tolerance_of(spec.behavior))
    if isinstance(proposal, Held):
        return _held(current, len(samples), proposal.failed, memory)
    return _moved(spec, current, proposal, memory, now)


def memory_from(last_scale_time: str | None, current: int, now: datetime) -> HpaMemory:
    """The memory after a restart: nothing is lowered earlier than without it.

    The windows are seeded with `current`; what was changed up to status.lastScaleTime is unknown.
    """
    unknown = parse_time(last_scale_time) + _STATUS_TIME_STEP if last_scale_time else None
    return HpaMemory((Recommendation(current, now),), (), unknown)


def unwritten(decision: HpaDecision, cause: str) -> HpaDecision:
    """A rescale after its write failed: nothing changed, memory knows it, the failure is told."""
    others = tuple(one for one in decision.conditions if one.type != "AbleToScale")
    text = f"New size: {decision.replicas}; reason: {decision.rescale_reason}; error: {cause}"
    return replace(
        decision,
        replicas=decision.current,
        memory=replace(decision.memory, changes=decision.memory.changes[:-1]),
        conditions=(messages.not_rescaled(cause), *others),
        events=(EmitEvent("Warning", "FailedRescale", text),),
    )


def _minimum(spec: HpaSpec) -> int:
    return 1 if spec.min_replicas is None else spec.min_replicas


def _seeded(memory: HpaMemory, current: int, now: datetime) -> HpaMemory:
    if memory.recommendations:
        return memory
    return replace(memory, recommendations=(Recommendation(current, now),))


def _to_bound(replicas: int, decision: HpaDecision, now: datetime) -> HpaDecision:
    """Straight to the bound that the count is outside of: neither windows nor policies matter."""
    text = messages.ABOVE_MAX if replicas < decision.current else messages.BELOW_MIN
    return _rescaled(replace(decision, replicas=replicas, rescale_reason=text), now)


def _held(current: int, metrics: int, failed: tuple[Sample, ...], memory: HpaMemory) -> HpaDecision:
    """No conclusion: the count stays, the failures are told (once, while they stay the same)."""
    reason = because(Code.METRICS_MISSING, failed=len(failed), metrics=metrics, current=current)
    if not failed:
        return HpaDecision(current, current, memory, (reason,), (messages.FOUND,))
    text = messages.held_text(failed, metrics)
    events = (*messages.failure_events(failed), EmitEvent("Warning", "FailedComputeMetricsReplicas", text))
    return HpaDecision(
        current,
        current,
        replace(memory, reported=text),
        (reason,),
        (messages.FOUND, messages.inactive(failed[0])),
        events if text != memory.reported else (),
        is_held=True,
        is_unanswered=all(one.failure is not None and one.failure.kind == "Unreachable" for one in failed),
    )


def _moved(spec: HpaSpec, current: int, proposal: Proposal, memory: HpaMemory, now: datetime) -> HpaDecision:
    """The metrics' count, stabilised, limited and bounded."""
    wanted, sample = proposal.replicas, proposal.sample
    rules = behavior.rules_of(spec.behavior)
    up, down = rules
    stable = behavior.stabilize(wanted, current, rules, memory, now)
    bounds = Bounds(
        _minimum(spec),
        spec.max_replicas,
        behavior.limit_down(current, down, memory, now),
        behavior.limit_up(current, up, memory, now),
    )
    bounded = bound(stable.replicas, current, bounds)
    passed_over = "; ".join(messages.failure_text(one) for one in proposal.failed)
    remembered = replace(
        memory, recommendations=behavior.recommended(memory, wanted, now), reported=passed_over
    )
    decision = HpaDecision(
        bounded.replicas,
        current,
        behavior.forget(remembered, rules, now),
        _chain(proposal, stable.replicas, bounded, current, rules),
        (
            messages.able(wanted, stable.replicas, current),
            messages.active(sample),
            messages.limited(bounded.limit),
        ),
        messages.failure_events(proposal.failed) if passed_over != memory.reported else (),
    )
    if decision.is_rescale:
        above = f"{messages.metric_text(sample)} above target"
        text = above if wanted > current else "All metrics below target"
        decision = _rescaled(replace(decision, rescale_reason=text), now)
    return replace(decision, due=_due(bounded.limit, stable, rules, decision.memory, now))


def _chain(
    proposal: Proposal, stable: int, bounded: Bounded, current: int, rules: tuple[Rules, Rules]
) -> tuple[Reason, ...]:
    """One reason for each step that made or changed the number."""
    wanted, sample, (up, down) = proposal.replicas, proposal.sample, rules
    reasons = [
        because(
            Code.TOLERATED if proposal.is_tolerated else Code.PROPOSED,
            metric=sample.name,
            value=sample.value or 0.0,
            target=sample.target,
            replicas=wanted,
        )
    ]
    if stable != wanted:
        is_up = wanted >= current
        reasons.append(
            because(
                Code.SCALE_UP_STABILIZED if is_up else Code.SCALE_DOWN_STABILIZED,
                replicas=stable,
                wanted=wanted,
                window_s=(up if is_up else down).window_s,
            )
        )
    if bounded.limit:
        reasons.append(because(_LIMITED[bounded.limit], replicas=bounded.replicas, wanted=stable))
    return tuple(reasons)


def _due(
    limit: Limit, stable: Stable, rules: tuple[Rules, Rules], memory: HpaMemory, now: datetime
) -> datetime | None:
    """The first moment at which a window or a policy gives way by itself."""
    up, down = rules
    moments = [stable.due]
    if limit == "ScaleUpLimit":
        moments.append(behavior.allowance_grows(up, memory, now))
    if limit == "ScaleDownLimit":
        moments.append(behavior.allowance_grows(down, memory, now))
    return min((moment for moment in moments if moment is not None), default=None)


def _rescaled(decision: HpaDecision, now: datetime) -> HpaDecision:
    """The decision with the change it is about to make remembered and told."""
    change = Change(decision.replicas - decision.current, now)
    others = tuple(one for one in decision.conditions if one.type != "AbleToScale")
    text = f"New size: {decision.replicas}; reason: {decision.rescale_reason}"
    return replace(
        decision,
        memory=replace(decision.memory, changes=(*decision.memory.changes, change)),
        conditions=(messages.rescaled(decision.replicas), *others),
        events=(EmitEvent("Normal", "SuccessfulRescale", text), *decision.events),
    )


_LIMITED: dict[Limit, Code] = {
    "ScaleUpLimit": Code.SCALE_UP_LIMITED,
    "TooManyReplicas": Code.CAPPED,
    "ScaleDownLimit": Code.SCALE_DOWN_LIMITED,
    "TooFewReplicas": Code.FLOORED,
}
