"""`tidegate triggers`: which trigger types there are, and all about one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tidegate.cli.extensions.allowing import allowing

if TYPE_CHECKING:
    from tidegate.cli.output.spending import Costs
    from tidegate.kit.pages import Facts

COLUMNS = ("TYPE", "MEASURES")
WIDE_COLUMNS = (*COLUMNS, "A ROUND COSTS")
COUNTS = (1, 10, 100, 1_000)
SETTING_COLUMNS = ("SETTING", "DEFAULT", "FROM", "TYPE", "MEANING")


@click.command("triggers")
@allowing
@click.argument("trigger_type", required=False, metavar="[TYPE]")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["text", "wide", "json", "markdown"]),
    default="text",
    show_default=True,
    help="wide is for the list, markdown (the reference page) for one type.",
)
@click.option(
    "--interval",
    default="30s",
    show_default=True,
    help="Tell the calls of a day at this interval; 30 is 30s.",
)
@click.option("--count", type=click.IntRange(1, 1_000_000), help="And of so many triggers of one server.")
def command(trigger_type: str | None, output: str, interval: str, count: int | None) -> None:
    """List all trigger types (wide: with what a round costs), or tell all about one.

    \b
    tidegate triggers
    tidegate triggers -o wide
    tidegate triggers redis
    tidegate triggers redis -o json
    tidegate triggers aws-cloudwatch --interval 60s --count 200
    """
    every_s = _seconds(interval)
    if trigger_type is None:
        _list(output)
        return
    told = facts_of(trigger_type)
    if output == "markdown":
        click.echo(_page(trigger_type), nl=False)
        return
    cost = _costs(trigger_type, COUNTS if count is None else (count,), every_s)
    if output == "json":
        import msgspec

        whole = msgspec.to_builtins(told) | {"calls": cost}
        click.echo(msgspec.json.format(msgspec.json.encode(whole)))
        return
    click.echo(text(told))
    if cost is not None:
        from tidegate.cli.output import spending

        click.echo("")
        for line in spending.lines(cost):
            click.echo(line)


def _seconds(interval: str) -> float:
    from tidegate.base.duration import parse_duration
    from tidegate.base.errors import Misconfigured

    try:
        # As `pollingInterval` has it: a bare number is seconds.
        seconds = parse_duration(f"{interval}s" if interval.isdecimal() else interval)
    except ValueError as error:
        why = f'"{interval}" {error}'
    else:
        if seconds > 0:
            return seconds
        why = f'"{interval}" is no time'
    raise Misconfigured("use --interval", answer=why, next_step="give a duration such as 30s")


def _costs(trigger_type: str, counts: tuple[int, ...], interval_s: float) -> Costs | None:
    """What so many triggers cost; None where nobody is asked."""
    from tidegate import scalers
    from tidegate.cli.output import spending
    from tidegate.kit.scaler import Clocked, Polled

    kind = scalers.find(trigger_type)
    if kind is None or not issubclass(kind, Polled) or issubclass(kind, Clocked) or not kind.calls.each:
        return None
    return spending.costs(kind.calls, counts, interval_s)


def facts_of(trigger_type: str) -> Facts:
    """The page of one type. Misconfigured says what was perhaps meant."""
    from tidegate import scalers
    from tidegate.base.errors import Misconfigured
    from tidegate.kit import pages
    from tidegate.scalers.spellings import meant

    kind = scalers.find(trigger_type)
    if kind is None:
        hint = _allowable(trigger_type) or meant(trigger_type).removeprefix("; ")
        answer = f'there is no trigger type "{trigger_type}"'
        raise Misconfigured("show the page of a trigger", answer=answer, next_step=hint)
    return pages.facts(trigger_type, kind, scalers.prose_of(kind))


def _allowable(trigger_type: str) -> str:
    """What to do where an installed package would bring the type."""
    from tidegate.cli.extensions.loading import offered

    packages = [one.package for one in offered() if one.trigger_type == trigger_type]
    return f"{packages[0]} brings it: allow it with --allow-triggers {trigger_type}" if packages else ""


def _page(trigger_type: str) -> str:
    from tidegate import scalers
    from tidegate.kit import pages

    kind = scalers.find(trigger_type)
    assert kind is not None
    return pages.page(trigger_type, kind, scalers.prose_of(kind))


def text(told: Facts) -> str:
    """The page for a terminal: what stands in a Markdown table there is in columns here."""
    from tidegate.cli.output import text_columns

    rows = [SETTING_COLUMNS]
    for one in told.settings:
        default = "required" if one.is_required else one.default
        rows.append((", ".join(one.names), default, ", ".join(one.sources), one.type, one.meaning))
    summary = told.summary
    lines = [summary.type, "", told.prose, "", *text_columns.lines(rows), "", told.nature]
    lines += [f"A round costs: {summary.cost}.", f"Tested against: {summary.tested_against}."]
    return "\n".join(lines)


def _list(output: str) -> None:
    from tidegate import scalers
    from tidegate.cli.output import text_columns
    from tidegate.kit import pages

    found = []
    for name in scalers.types():
        kind = scalers.find(name)
        assert kind is not None
        found.append(pages.summary(name, kind, scalers.prose_of(kind)))
    if output == "json":
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(found)))
        return
    wide = [WIDE_COLUMNS, *((one.type, one.measures.rstrip("."), one.cost) for one in found)]
    rows = wide if output == "wide" else [row[: len(COLUMNS)] for row in wide]
    for row in text_columns.lines(rows):
        click.echo(row)
    from tidegate.cli.extensions.loading import offered

    for one in offered():
        if scalers.find(one.trigger_type) is None:
            click.echo(f"not allowed: {one.trigger_type} of {one.package} (--allow-triggers)", err=True)
