"""What the servers of triggers come to in figures: rounds, requests, connections, and who answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from tidegate.measure.budget import BudgetState
from tidegate.measure.connection import ServerState
from tidegate.operator.reconcile.steps import Steps
from tidegate.telemetry.metrics import budgets
from tidegate.telemetry.metrics import catalogue as known
from tidegate.telemetry.metrics.families import Distribution, Family, Labels, Metric

SERVERS_AT_ONCE = 50
"""Servers between two pauses; at some 20 us a server about a millisecond."""


async def tell_servers(
    found: Mapping[Family, Metric],
    steps: Steps,
    give_way: Callable[[], Awaitable[None]],
    *,
    is_detailed: bool = False,
) -> None:
    """Adds the samples of all servers. `is_detailed`: durations have the labels of requests."""
    for count, one in enumerate(steps.rounds.servers(), start=1):
        _tell_server(found, one)
        if one.http is not None:
            _tell_http(found, steps, one, is_detailed=is_detailed)
        if count % SERVERS_AT_ONCE == 0:
            await give_way()


def _tell_server(found: Mapping[Family, Metric], one: ServerState) -> None:
    """Two servers may be called the same (another login): then they are told as one, up if both are."""
    labels = (one.system, one.label)
    up = found[known.SERVER_UP]
    up.set(min(up.samples.get(labels, 1.0), float(one.failure is None)), *labels)
    found[known.SERVER_TRIGGERS].add(float(one.triggers), *labels)
    found[known.SERVER_CALLS].add(float(one.calls), *labels)
    found[known.SERVER_QUESTIONS].add(float(one.questions), *labels)
    if one.round_trips is not None:
        found[known.SERVER_ROUND_TRIPS].add(float(one.round_trips), *labels)
    if one.connections is not None:
        found[known.SERVER_CONNECTIONS].add(float(one.connections), *labels)
    if one.budget is not None:
        _tell_budget(found, one.budget, labels)


def _tell_budget(found: Mapping[Family, Metric], told: BudgetState, labels: Labels) -> None:
    """Of two servers that are called the same, sums."""
    found[budgets.BUDGET].add(told.per_minute, *labels)
    found[budgets.WANTED].add(told.wanted, *labels)
    found[budgets.WAITING].add(float(told.waiting), *labels)
    found[budgets.CALLS].add(float(told.calls), *labels)


def _tell_http(found: Mapping[Family, Metric], steps: Steps, one: ServerState, *, is_detailed: bool) -> None:
    assert one.http is not None
    family = known.HTTP_DURATION_DETAILED if is_detailed else known.HTTP_DURATION
    durations = found[family].distributions
    for status, histogram in one.http.seconds.items():
        whose, told = _whose(steps, one), histogram.distribution()
        found[known.HTTP_REQUESTS].add(float(told.count), *whose, status)
        labels = (*whose, status) if is_detailed else (whose[2], status)
        durations[labels] = _sum(durations.get(labels), told)


def _whose(steps: Steps, one: ServerState) -> Labels:
    """Namespace, object, type, trigger and metric where one trigger alone needs the server; else the type."""
    type = one.types[0] if one.types else one.system
    tracked = steps.tracker.by_uid.get(one.only[0]) if one.only is not None else None
    if one.only is None or tracked is None or tracked.plan is None:
        return ("", "", type, "", "")
    plan = next((plan for plan in tracked.plan.review.triggers if plan.index == one.only[1]), None)
    name = (plan.trigger.name or "") if plan is not None else ""
    metric = plan.metrics[0].name if plan is not None and plan.metrics else ""
    return (tracked.key[1], tracked.key[2], type, name, metric)


def _sum(before: Distribution | None, told: Distribution) -> Distribution:
    if before is None:
        return told
    within = tuple(first + second for first, second in zip(before.within, told.within, strict=True))
    return Distribution(within, before.count + told.count, before.sum + told.sum)
