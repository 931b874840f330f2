"""`tidegate new trigger`: a package with a trigger type of one's own, to begin with."""

from __future__ import annotations

from pathlib import Path

import click


@click.group("new")
def command() -> None:
    """Begin something of your own."""


@command.command("trigger")
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to make. Default: tidegate-NAME, here.",
)
def trigger(name: str, into: Path | None) -> None:
    """Write a package that brings the trigger type NAME: module, connection, tests, page.

    Its tests pass at once; docs/write-a-trigger.md says what to change. Nothing that is there is overwritten.

    \b
    tidegate new trigger tickets
    pip install -e 'tidegate-tickets[test]' && pytest tidegate-tickets
    tidegate poll scaledobject.yaml --allow-triggers tickets
    """
    from tidegate import scalers
    from tidegate.base.errors import Misconfigured
    from tidegate.cli.extensions.skeleton_files import skeleton

    texts = skeleton(name)
    if scalers.is_built_in(name):
        answer = f'"{name}" is a type of Tidegate\'s own'
        raise Misconfigured("make a trigger", answer=answer, next_step="choose another name")
    folder = into or Path(f"tidegate-{name}")
    if folder.exists() and any(folder.iterdir()):
        answer = f"{folder} is there, and not empty"
        raise Misconfigured("make a trigger", answer=answer, next_step="choose another with --into")
    for path, text in texts.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        click.echo(place)
    click.echo(f"\nnext: pip install -e '{folder}[test]' && pytest {folder}", err=True)
