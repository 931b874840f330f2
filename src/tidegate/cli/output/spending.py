"""What triggers of a type cost their server: calls a day at an interval, by the rule that it declares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tidegate.cli.output import text_columns
from tidegate.kit.systems.calls import Calls, Price

COLUMNS = ("TRIGGERS", "INTERVAL", "CALLS A ROUND", "CALLS A DAY", "A DAY COSTS")


@dataclass(frozen=True, slots=True)
class Spending:
    """So many triggers of one server, each with a question of its own, alike but for that."""

    triggers: int
    interval_s: float
    calls_per_round: int
    calls_per_day: float
    dollars_per_day: float | None


@dataclass(frozen=True, slots=True)
class Costs:
    """The rule of a type, its price where one is published, and what comes of both."""

    together: int
    each: int
    more: str
    price: Price | None
    spending: tuple[Spending, ...]


def costs(rule: Calls, counts: Sequence[int], interval_s: float) -> Costs:
    found = tuple(
        Spending(
            count,
            interval_s,
            rule.of(count),
            rule.per_day(count, interval_s),
            rule.dollars_per_day(count, interval_s),
        )
        for count in counts
    )
    return Costs(rule.together, rule.each, rule.more, rule.price, found)


def lines(told: Costs) -> Iterator[str]:
    """The table, and what it leaves out."""
    rows = [COLUMNS, *(_row(one) for one in told.spending)]
    if told.price is None:
        rows = [row[:-1] for row in rows]
    yield from text_columns.lines(rows)
    yield from _notes(told)


def _row(one: Spending) -> tuple[str, ...]:
    dollars = "" if one.dollars_per_day is None else f"${one.dollars_per_day:,.2f}"
    interval = f"{one.interval_s:g}s"
    return (f"{one.triggers:,}", interval, f"{one.calls_per_round:,}", f"{one.calls_per_day:,.0f}", dollars)


def _notes(told: Costs) -> Iterable[str]:
    notes = ["Triggers of one server and login that are alike in all but what they ask for."]
    if told.more:
        notes.append(f"More: {told.more}.")
    if (price := told.price) is not None:
        rate = f"${price.dollars:g} for {price.units:,} {price.of}s"
        notes.append(
            f"Price: {rate} as of {price.as_of}, without what is free of charge; compare {price.where}."
        )
    return notes
