"""`--allow-triggers`: which installed packages a command may import."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from tidegate import scalers

Command = TypeVar("Command", bound=Callable[..., Any])

VARIABLE = "TIDEGATE_ALLOW_TRIGGERS"


def allowing(command: Command) -> Command:
    """Adds the option, which acts as soon as it is read: what the command does already finds the types."""
    option = click.option(
        "--allow-triggers",
        multiple=True,
        envvar=VARIABLE,
        metavar="TYPES",
        expose_value=False,
        callback=_allow,
        help="Types of installed packages to import, comma-separated; they run in this process. "
        f"Also {VARIABLE}.",
    )
    return option(command)


def _allow(ctx: click.Context, _: click.Parameter, given: tuple[str, ...]) -> None:
    names = list(dict.fromkeys(name.strip() for text in given for name in text.split(",") if name.strip()))
    if ctx.resilient_parsing:
        return
    scalers.look_elsewhere(_not_allowed)
    if not names:
        return
    from tidegate.cli.extensions.loading import load

    for line in load(names):
        click.echo(line, err=True)


def _not_allowed(trigger_type: str) -> str:
    """Of a type that an installed package would bring: that it would, and how."""
    from tidegate.cli.extensions.loading import offered

    packages = " and ".join(one.package for one in offered() if one.trigger_type == trigger_type)
    return f"{packages} would bring it: allow it with --allow-triggers {trigger_type}" if packages else ""
