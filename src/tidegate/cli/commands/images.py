"""`tidegate images`: what images stand for where containers are processes; add one's own, and try them."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidegate.base.errors import Misconfigured
from tidegate.cli.cluster.local_directory import default_directory

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegate.local.nodes.images.program import ImageMap, Row
    from tidegate.local.nodes.images.table import Entry

COLUMNS = ("IMAGES", "RUNS", "HERE", "FROM")
ADDRESS = "0.0.0.0"
# As registries have them, and * for patterns.
_PART = r"[a-z0-9*]+(?:(?:[._]|__|-+)[a-z0-9*]+)*"
_NAME = re.compile(
    rf"(?:[a-zA-Z0-9][a-zA-Z0-9.-]*(?::[0-9]+)?/)?{_PART}(?:/{_PART})*(?::[\w*][\w.*-]{{0,127}})?(?:@sha256:[0-9a-f]+)?",
    re.ASCII,
)

data_dir = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=default_directory,
    show_default="~/.local/state/tidegate",
    help="That of `tidegate up`.",
)


@click.group("images")
def command() -> None:
    """Say what images stand for in local pods, which are processes of this machine.

    \b
    tidegate images list
    tidegate images test redis -- redis-cli ping
    tidegate images add acme/worker -- /srv/acme/bin/worker --verbose
    tidegate images add acme/worker --dockerfile Dockerfile
    tidegate images remove acme/worker
    """


@command.command("list")
@data_dir
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def list_images(data_dir: Path, output: str) -> None:
    """List the table: what each image runs, and whether this machine has it."""
    rows = [_told(row) for row in _images(data_dir).rows()]
    if output == "json":
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(rows)))
        return
    from tidegate.cli.output import text_columns

    cells = [(_short(one["images"]), one["runs"], one["here"], one["from"]) for one in rows]
    for line in text_columns.lines([COLUMNS, *cells]):
        click.echo(line)


@command.command("test", context_settings={"ignore_unknown_options": True})
@click.argument("image")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@data_dir
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def try_image(image: str, args: tuple[str, ...], data_dir: Path, output: str) -> None:
    """Show what a container of IMAGE with these ARGS would run. Nothing is started."""
    from tidegate.local.nodes.images.program import NoProgram

    try:
        program = _images(data_dir).program(image, [], args, dict(os.environ), ADDRESS)
    except NoProgram as error:
        raise Misconfigured("find what an image runs", on=image, answer=str(error)) from None
    import msgspec

    told = msgspec.to_builtins(program)
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(told)))
        return
    import shlex

    click.echo(f"runs: {shlex.join(program.args)}")
    for name, value in (("in", program.working_dir), ("data", program.data)):
        if value:
            click.echo(f"{name}: {value}")
    for one in program.files:
        click.echo(f"copies: {one.source} to {one.target}")
    for name, value in program.env.items():
        click.echo(f"env: {name}={value}")


@command.command("add")
@click.argument("image")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND [ARG]…]")
@data_dir
@click.option("--dockerfile", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--context",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where COPY finds files; default: the Dockerfile's folder.",
)
@click.option("--target", default="", metavar="STAGE", help="The Dockerfile's stage; default: the last.")
@click.option("--build-arg", "arguments", multiple=True, metavar="NAME=VALUE", help="For an ARG; repeatable.")
@click.option("--env", "variables", multiple=True, metavar="NAME=VALUE", help="Repeatable.")
@click.option("--workdir", default="", help="Where the command starts.")
def add(
    image: str,
    words: tuple[str, ...],
    data_dir: Path,
    dockerfile: Path | None,
    context: Path | None,
    target: str,
    arguments: tuple[str, ...],
    variables: tuple[str, ...],
    workdir: str,
) -> None:
    """Say what IMAGE runs: a command of this machine, or what its Dockerfile says.

    Read of a Dockerfile are FROM, WORKDIR, COPY, ENV, ARG, `RUN pip install …`, ENTRYPOINT and CMD,
    of its last stage or of --target. System packages are named, not installed.
    """
    from tidegate.local.nodes.images.table import Entry

    if not _NAME.fullmatch(image):
        raise click.UsageError(
            f"{image!r} is no image's name: small letters and digits with . _ - between them, parts "
            "separated by /, and a :tag if wanted (acme/worker:1.2)"
        )
    if bool(words) == (dockerfile is not None):
        raise click.UsageError("give either a command after -- or --dockerfile FILE")
    if dockerfile is not None:
        entry = _built(image, data_dir, dockerfile, context or dockerfile.parent, target, _pairs(arguments))
    else:
        names = (image,) if ":" in image.rpartition("/")[2] else (image, f"{image}:*")
        entry = Entry(names, tuple(words), env=_pairs(variables), working_dir=workdir)
    _write(data_dir, image, entry)
    if not (entry.command or entry.default):
        told = "neither CMD nor ENTRYPOINT says what runs: containers need a command of their own"
        click.echo(f"{dockerfile}: {told}", err=True)
    click.echo(f"image {image} added; pods that wait for it are tried again")


@command.command("remove")
@click.argument("image")
@data_dir
def remove(image: str, data_dir: Path) -> None:
    """Forget what was added for IMAGE."""
    import shutil

    file = _file(data_dir, image)
    if not file.exists():
        answer = "nothing was added by that name"
        raise Misconfigured(
            "remove an image", on=image, answer=answer, next_step="see `tidegate images list`"
        )
    file.unlink()
    shutil.rmtree(_kept(data_dir, image), ignore_errors=True)
    click.echo(f"image {image} removed")


def _images(data_dir: Path) -> ImageMap:
    from tidegate.local.nodes.images.program import ImageMap

    return ImageMap(data_dir.expanduser().resolve() / "node" / "images.yaml")


def _told(row: Row) -> dict[str, Any]:
    entry = row.entry
    words = [*entry.command, *entry.args] or [*entry.default]
    return {
        "images": [*entry.images],
        "runs": " ".join(words) or "(the container says)",
        "here": _here(entry),
        "from": "built in" if row.file is None else str(row.file),
    }


def _short(images: list[str]) -> str:
    """The patterns without those that only add a tag."""
    return ", ".join(one for one in images if not (one.endswith(":*") and one[:-2] in images))


def _here(entry: Entry) -> str:
    """Where the program is, or how it is installed."""
    from tidegate.local.nodes.images.program import installing, place

    if entry.files:
        return f"{len(entry.files)} copied"
    if not (entry.command or entry.default):
        return "-"
    found = place(entry, os.environ.get("PATH", os.defpath))
    return found or "missing: " + (" or ".join(installing(entry.packages)) or "install it")


def _built(
    image: str, data_dir: Path, dockerfile: Path, context: Path, target: str, given: dict[str, str]
) -> Entry:
    from tidegate.local.nodes.images import build
    from tidegate.local.nodes.images import dockerfile as reader
    from tidegate.local.nodes.images.machine_python import cache_of, find_python

    try:
        text = dockerfile.read_text("utf-8")
    except UnicodeDecodeError as error:
        answer = f"it is not UTF-8 (byte {error.start})"
        raise Misconfigured(
            "read the Dockerfile", on=str(dockerfile), answer=answer, next_step="save it as UTF-8"
        ) from None
    recipe = reader.read(text, str(dockerfile), given, target)
    base = _images(data_dir).entry(recipe.base)
    python = find_python(os.environ, cache_of(os.environ)).program or sys.executable
    build.entry(image, recipe, base, ())  # what is missing is told before anything is made
    for notice in recipe.notices:
        click.echo(f"{dockerfile}: {notice}", err=True)
    folder = _kept(data_dir, image)
    files = build.build(recipe, context.resolve(), folder, python, lambda line: click.echo(line, err=True))
    return build.entry(image, recipe, base, files)


def _write(data_dir: Path, image: str, entry: Entry) -> None:
    """Whole or not at all: a server may be reading."""
    from tidegate.local.nodes.images.table import row_text

    file = _file(data_dir, image)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = file.with_suffix(".new")
    fresh.write_text(f"# Written by `tidegate images add {image}`.\n{row_text(entry)}", "utf-8")
    os.replace(fresh, file)


def _file(data_dir: Path, image: str) -> Path:
    from tidegate.local.nodes.images.build import own_folder
    from tidegate.local.nodes.images.program import ADDED

    return own_folder(data_dir.expanduser().resolve() / "node" / ADDED, image).with_suffix(".yaml")


def _kept(data_dir: Path, image: str) -> Path:
    from tidegate.local.nodes.images.build import own_folder

    return own_folder(data_dir.expanduser().resolve() / "node" / "images", image)


def _pairs(words: Iterable[str]) -> dict[str, str]:
    pairs = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise click.UsageError(f"expected NAME=VALUE, found {word!r}")
        pairs[name] = value
    return pairs
