"""The last step: what a decision writes into the status, and what it tells once because it changed.

A patch holds only what differs from the status as it is, so deciding again after it was written
patches nothing. A merge patch replaces lists, hence conditions go out complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from tidegate.api.conditions import Condition, TriggerActivity, find
from tidegate.api.scaledjob import ScaledJobStatus
from tidegate.api.scaledobject import ScaledObjectStatus
from tidegate.api.triggers import Trigger
from tidegate.base.times import format_time, parse_time
from tidegate.core import messages
from tidegate.core.triggers.state import Summary
from tidegate.core.values import EmitEvent, Memory, PatchStatus, TriggerView

Status = ScaledObjectStatus | ScaledJobStatus

LAST_ACTIVE_EVERY = timedelta(seconds=60)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Report:
    """What is to be said of an object: its conditions as they should be, and other status fields.

    `conditions` need only hold what this decision has an opinion on. `fields` are in wire shape;
    None removes one.
    """

    conditions: tuple[Condition, ...]
    fields: dict[str, Any]


def patches(status: Status, report: Report) -> tuple[PatchStatus, ...]:
    """The one merge patch that brings the status to the report; none where it is there already."""
    wanted = {"conditions": _wire(merged(status.conditions, report.conditions)), **report.fields}
    present = _wire(status)
    changed: dict[str, Any] = {}
    for key, value in wanted.items():
        before = present.get(key)
        if value == before or (not value and before is None and value != 0):
            continue
        if isinstance(value, dict) and isinstance(before, dict):
            value = {
                **{name: None for name in before if name not in value},
                **{name: item for name, item in value.items() if before.get(name) != item},
            }
        changed[key] = value
    return (PatchStatus(changed),) if changed else ()


def merged(present: tuple[Condition, ...], changes: Iterable[Condition]) -> tuple[Condition, ...]:
    """All conditions: Ready, Active, Fallback, Paused first (initial where missing), then the others."""
    by_type = {one.type: one for one in messages.INITIAL}
    by_type.update((one.type, one) for one in present)
    by_type.update((one.type, one) for one in changes)
    return tuple(by_type.values())


def events(
    kind: messages.Kind, present: tuple[Condition, ...], changes: Iterable[Condition]
) -> tuple[EmitEvent, ...]:
    """What is told of conditions that change: ready, a failed check, fallback, paused, unpaused."""
    told: list[EmitEvent] = []
    for after in changes:
        before = find(present, after.type)
        if after.type == "Ready" and after.status == "True" and not _is_true(before):
            told.append(messages.became_ready(kind))
        if after.type == "Ready" and after.reason == f"{kind}CheckFailed" and after != before:
            told.append(messages.told(after, is_warning=True))
        if after.type == "Fallback" and _is_true(before) != _is_true(after):
            told.append(messages.fallback_changed(is_active=_is_true(after)))
        if after.type == "Paused" and _is_true(before) != _is_true(after):
            told.append(messages.told(after))
    return tuple(told)


def failure_events(memory: Memory, summary: Summary) -> tuple[EmitEvent, ...]:
    """One event for each failure that is news; equal failures of several triggers are one."""
    known = set(memory.failures)
    news = [failure for index, failure in summary.broken if (index, failure.message) not in known]
    is_source = summary.composed is not None
    return tuple(dict.fromkeys(messages.scaler_failed(failure, is_source=is_source) for failure in news))


def told_failures(summary: Summary) -> tuple[tuple[int, str], ...]:
    """What memory keeps of the failures, so that each is told once."""
    return tuple((index, failure.message) for index, failure in summary.broken)


def last_active_time(
    status: Status, is_active: bool | None, last_active: datetime | None, now: datetime
) -> str | None:
    """The lastActiveTime to stand in the status: written on a change of activity, else once a minute.

    `is_active` None: nobody knows yet, and it stays.
    """
    written = status.last_active_time
    if last_active is None or is_active is None:
        return written
    active = find(status.conditions, "Active")
    was_active = active is None or active.status != "False"
    if is_active and was_active and written and now - _moment(written) < LAST_ACTIVE_EVERY:
        return written
    if not is_active and not was_active and written:
        return written
    return format_time(last_active)


def is_awaited(status: Status, summary: Summary) -> bool:
    """Whether triggers were failing and not all are measured again: nobody can say yet that they are well."""
    ready = find(status.conditions, "Ready")
    return (
        bool(summary.unread)
        and ready is not None
        and ready.reason in (messages.SOME_FAILED, messages.ALL_FAILED)
    )


def metric_names(triggers: tuple[TriggerView, ...]) -> list[str]:
    """External metric names in the order of the triggers."""
    return [metric.name for trigger in triggers for metric in trigger.metrics]


def resource_names(triggers: tuple[TriggerView, ...]) -> list[str]:
    """Names of Resource metrics; those of a single container are not listed."""
    resources = (trigger.resource for trigger in triggers)
    return [one.name for one in resources if one is not None and not one.container]


def activity(
    triggers: tuple[TriggerView, ...], summary: Summary, present: Mapping[str, TriggerActivity] | None
) -> dict[str, Any]:
    """Exactly one entry for each external metric: whether it is active for itself, formula or not.

    One that is not measured yet keeps what the status says of it.
    """
    active = set(summary.busy_metrics)
    if summary.unread:
        shown = {name for name, one in (present or {}).items() if one.is_active}
        for trigger, state in zip(triggers, summary.states, strict=True):
            if state.is_unread:
                active |= shown.intersection(metric.name for metric in trigger.metrics)
    return {name: {"isActive": name in active} for name in metric_names(triggers)}


def trigger_fields(triggers: tuple[Trigger, ...]) -> dict[str, Any]:
    """The status fields that kubectl shows of the triggers, each name once in the order of first use."""
    types = dict.fromkeys(trigger.type for trigger in triggers)
    references = (trigger.authentication_ref for trigger in triggers)
    names = dict.fromkeys(reference.name for reference in references if reference is not None)
    return {"triggersTypes": ",".join(types), "authenticationsTypes": ",".join(names) or None}


def _is_true(condition: Condition | None) -> bool:
    return condition is not None and condition.status == "True"


def _moment(text: str) -> datetime:
    """A stored moment; one that somebody wrote wrongly is long ago."""
    try:
        return parse_time(text)
    except ValueError:
        return _LONG_AGO


def _wire(value: Any) -> Any:
    """Plain JSON values: lists where there are tuples."""
    plain = msgspec.to_builtins(value)
    return _listed(plain)


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_listed(item) for item in value]
    return value
