"""Reasons about triggers that both decisions give: active, not above activation, not read yet."""

from __future__ import annotations

from collections.abc import Iterator

from tidegate.core.reasons import Code, because
from tidegate.core.triggers.state import Summary
from tidegate.core.values import ExternalMetric, Reason, TriggerView


def unread_reason(summary: Summary, rule: str) -> Reason:
    """The link of the chain where only first measurements are still to come; `rule` is what that holds."""
    unread, triggers = summary.unread, len(summary.states)
    who = some_of(unread, triggers, "is", "are")
    return because(Code.UNREAD, who=who, rule=rule, unread=unread, triggers=triggers)


def some_of(count: int, triggers: int, one: str = "", many: str = "") -> str:
    """`the only trigger`, `the 2 triggers`, `1 of 3 triggers`, with a verb that agrees."""
    verb = one if count == 1 else many
    if count == triggers:
        who = "the only trigger" if triggers == 1 else f"all {triggers} triggers"
    else:
        who = f"{count} of {triggers} triggers"
    return f"{who} {verb}".rstrip()


def told_active(triggers: tuple[TriggerView, ...], names: tuple[str, ...]) -> str:
    """`s0-redis-jobs above activation`; what judges for itself is `active`."""
    judged = {
        metric.name
        for trigger in triggers
        if trigger.reading is not None and trigger.reading.active is not None
        for metric in trigger.metrics
    }
    above = ";".join(name for name in names if name not in judged)
    own = ";".join(name for name in names if name in judged)
    told = (f"{above} above activation" if above else "", f"{own} active" if own else "")
    return " and ".join(part for part in told if part) or "a trigger is active"


def not_above(triggers: tuple[TriggerView, ...], summary: Summary) -> Iterator[Reason]:
    """Each value that is not above its activation target."""
    for metric, value, activation in below_activation(triggers, summary):
        yield because(Code.NOT_ABOVE, metric=metric.name, value=value, activation=activation)


def below_activation(
    triggers: tuple[TriggerView, ...], summary: Summary
) -> Iterator[tuple[ExternalMetric, float, float]]:
    """Metric, value and activation target of what is compared with one, and is not above it."""
    for trigger, state in zip(triggers, summary.states, strict=True):
        reading = trigger.reading
        if state.state != "inactive" or reading is None or reading.active is not None:
            continue
        for metric, value in zip(trigger.metrics, reading.values, strict=False):
            yield metric, value, trigger.activation
