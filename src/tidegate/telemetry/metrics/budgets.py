"""Metrics of servers that have a budget of calls."""

from __future__ import annotations

from tidegate.telemetry.metrics.families import Family

_LABELS = ("system", "server")

BUDGET = Family(
    "tidegate_budget_calls_per_minute", "gauge", _LABELS, "Calls a minute that a server may have.", "ours"
)
WANTED = Family(
    "tidegate_budget_wanted_calls_per_minute",
    "gauge",
    _LABELS,
    "Calls a minute that its triggers would make; above the budget intervals are stretched by the ratio.",
    "ours",
)
WAITING = Family(
    "tidegate_budget_waiting_triggers", "gauge", _LABELS, "Triggers that wait for their turn now.", "ours"
)
CALLS = Family(
    "tidegate_budget_calls_total",
    "counter",
    _LABELS,
    "Calls that were booked on the budget: as the connection counts them, else by the rule of the question.",
    "ours",
)
BUDGETS = (BUDGET, WANTED, WAITING, CALLS)
