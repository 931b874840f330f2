"""The command line: one file per command, imported when it is called."""

from __future__ import annotations

import importlib
import logging
import sys

import click

from tidegate import __version__
from tidegate.base.errors import TidegateError

COMMANDS = {
    "up": "Run the control plane on this machine; kubectl can talk to it.",
    "operator": "Scale the objects of a cluster, in place of KEDA's operator.",
    "metrics-apiserver": "Answer the HPAs of a cluster, in place of KEDA's metrics server.",
    "admission-webhooks": "Judge objects before a cluster stores them, in place of KEDA's webhooks.",
    "demo": "Run the CSV pipeline to its end and check every file.",
    "apply": "Create or change the objects of manifests.",
    "get": "List objects as a table, or as JSON or YAML.",
    "describe": "Show one object, its conditions and its events.",
    "logs": "Print what a pod wrote.",
    "delete": "Delete objects.",
    "explain": "Say why an object has the number it has, and what would change it.",
    "validate": "Check manifests as admission will, without a server.",
    "poll": "Measure each trigger of a manifest once, against the real source.",
    "triggers": "List the trigger types, or tell all about one.",
    "new": "Begin a trigger type of your own.",
    "images": "Say what images stand for in local pods, and add your own.",
    "crds": "Print the custom resource definitions.",
    "migrate": "Move a cluster from KEDA: what would differ, and the steps.",
    "shadow": "Sum up what an operator beside KEDA would have set otherwise.",
    "withdraw": "Take the operator off a cluster; what it scaled stays as it is.",
    "version": "Print the version.",
}


class Commands(click.Group):
    """Knows every command's name and summary without importing it, so that --help starts at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = f"tidegate.cli.commands.{cmd_name.replace('-', '_')}"
        command: click.Command = importlib.import_module(module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tidegate")
def tidegate() -> None:
    """Event-driven autoscaling that speaks KEDA, on Kubernetes and without it.

    Start with `tidegate up`, then point kubectl at the kubeconfig it names.
    """


def main() -> None:
    """Runs the command line; an error of ours is one line on standard error and exit code 1."""
    # Commands print what failed; only a server starts a log of its own.
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        tidegate()
    except Exception as error:
        lines = told(error)
        if lines is None:
            raise
        for line in lines:
            print(f"tidegate: {line}", file=sys.stderr)
        sys.exit(1)


def told(error: BaseException) -> list[str] | None:
    """The lines that tell a user of this error. None for a defect, whose traceback is of use.

    Of a group of errors every one is told, unless one of them is a defect.
    """
    if isinstance(error, BaseExceptionGroup):
        lines: list[str] = []
        for one in error.exceptions:
            found = told(one)
            if found is None:
                return None
            lines += found
        return list(dict.fromkeys(lines))
    if isinstance(error, TidegateError):
        return [str(error)]
    if isinstance(error, OSError):
        on = f"{error.filename}: " if error.filename else ""
        return [f"{on}{(error.strerror or str(error)).lower()}"]
    return None


if __name__ == "__main__":
    main()
