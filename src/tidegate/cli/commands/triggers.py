"""`tidegate triggers`: which trigger types there are, and all about one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tidegate.cli.extensions.allowing import allowing

if TYPE_CHECKING:
    from tidegate.kit.pages import Facts

COLUMNS = ("TYPE", "MEASURES")
WIDE_COLUMNS = (*COLUMNS, "A ROUND COSTS")
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
def command(trigger_type: str | None, output: str) -> None:
    """List all trigger types (wide: with what a round costs), or tell all about one.

    \b
    tidegate triggers
    tidegate triggers -o wide
    tidegate triggers redis
    tidegate triggers redis -o json
    """
    if trigger_type is None:
        _list(output)
        return
    told = facts_of(trigger_type)
    if output == "markdown":
        click.echo(_page(trigger_type), nl=False)
    elif output == "json":
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(told)))
    else:
        click.echo(text(told))


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
