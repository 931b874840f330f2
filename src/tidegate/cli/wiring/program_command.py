"""A program of the cluster as a command: its table of settings becomes options, its run an exit code.

command = program_command("operator", "Scale what ScaledObjects say.", OperatorSettings, IGNORED, serve)
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import click

from tidegate.cli.wiring.log_settings import LogSettings, start_log
from tidegate.runtime.settings import BOOLEAN, Given, Setting, read, table

log = logging.getLogger(__name__)
Program = TypeVar("Program", bound=LogSettings)


def program_command(
    name: str,
    about: str,
    program: type[Program],
    ignored: Sequence[Setting],
    serve: Callable[[Program], Coroutine[Any, Any, None]],
) -> click.Command:
    """`serve` gets the settings when the log has been started, which tells those without effect."""
    shown = table(program).values()
    options = [_option(index, one) for index, one in enumerate([*shown, *ignored]) if one.flag]
    flags = {str(option.name): one.flag for option, one in options}

    def run(**texts: tuple[str, ...]) -> None:
        written = {flags[name]: [one.removeprefix("=") for one in found] for name, found in texts.items()}
        given = Given(written, os.environ, click.get_current_context().args)
        settings, notices = read(program, ignored, given)
        from tidegate.runtime import loop

        start_log(settings)
        for notice in notices:
            log.warning("setting without effect", extra={"notice": notice})
        loop.run(lambda: serve(settings))

    return click.Command(
        name,
        callback=run,
        help=about,
        params=[option for option, _ in options],
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )


def _option(index: int, setting: Setting) -> tuple[click.Option, Setting]:
    """One option. A switch takes its value after a "=" alone, as with Go's programs."""
    is_switch = setting.kind is BOOLEAN
    variable = f" Also {setting.variable}." if setting.variable else ""
    default = f" Default: {setting.default}." if setting.default else ""
    option = click.Option(
        [f"setting_{index}", setting.flag, *(["-v"] if setting.flag == "--v" else [])],
        multiple=True,
        is_flag=False,
        flag_value="true" if is_switch else None,
        metavar="BOOLEAN" if is_switch else "TEXT",
        help=f"{setting.about[:1].upper()}{setting.about[1:]}.{default}{variable}",
        hidden=setting.fate == "ignored",
    )
    return option, setting
