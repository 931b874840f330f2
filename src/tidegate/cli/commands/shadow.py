"""`tidegate shadow`: what an operator that stands beside KEDA has seen."""

from __future__ import annotations

from typing import Any

import click

Entry = dict[str, Any]
URL = "http://127.0.0.1:8082"
ANSWER_S = 10.0
WIDTH = 72


@click.group("shadow")
def command() -> None:
    """Ask an operator that stands beside KEDA (`tidegate operator --shadow`)."""


@command.command("report")
@click.option("--url", default=URL, show_default=True, help="Where its report is served.")
@click.option("--all", "is_all", is_flag=True, help="The objects without a difference too.")
@click.option(
    "-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text", show_default=True
)
def report(url: str, is_all: bool, output: str) -> None:
    """Sum up the last day: where Tidegate would have set something else than KEDA.

    The operator keeps it in memory alone: after a restart it begins anew, and the first line says since
    when it looks. It listens on the loopback of its pod, where a port-forward reaches it.
    Exits 1 if something differed.

    \b
    kubectl port-forward -n keda deployment/tidegate-shadow 8082 &
    tidegate shadow report
    """
    from tidegate.cli.output.yaml_json import dumped as shown
    from tidegate.runtime import loop

    found = loop.run(lambda: _fetched(url, "/shadow", "objects"), is_fast=False)
    if output == "text":
        for line in lines(found, is_all=is_all):
            click.echo(line)
    else:
        click.echo(shown(found, output), nl=False)
    if any(one["differed_s"] for one in found["objects"]):
        raise SystemExit(1)


@command.command("explain")
@click.argument("object", metavar="TYPE/NAME")
@click.option("-n", "--namespace", default="default", show_default=True, help="The object's.")
@click.option("--url", default=URL, show_default=True, help="Where the operator's report is served.")
@click.option(
    "-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text", show_default=True
)
def explain(object: str, namespace: str, url: str, output: str) -> None:
    """Say why an object would have the number that it would have, and where that differs from what is.

    \b
    tidegate shadow explain scaledobject/worker -n shop
    """
    from urllib.parse import quote

    from tidegate.cli.output.explanation import lines as explained
    from tidegate.cli.output.yaml_json import dumped as shown
    from tidegate.runtime import loop

    kind, _, name = object.partition("/")
    plural = PLURALS.get(kind.lower())
    if plural is None or not name:
        raise click.BadParameter(f'"{object}" is not scaledobject/NAME or scaledjob/NAME')
    path = f"/explain/{plural}/{quote(namespace, safe='')}/{quote(name, safe='')}"
    found = loop.run(lambda: _fetched(url, path, "triggers"), is_fast=False)
    if output != "text":
        click.echo(shown(found, output), nl=False)
        return
    for line in explained(found, has_history=False):
        click.echo(line)
    row = {**found["shadow"], **{key: found[key] for key in ("kind", "namespace", "name")}}
    click.echo("")
    click.echo("beside KEDA:" if row["differences"] else "beside KEDA: nothing differs")
    for entry in row["differences"]:
        text = f"{entry['tidegate']}, and in KEDA {entry['keda']}"
        click.echo(f"  {entry['aspect']}: {text}, since {entry['since']} ({_lasted(entry)})")


PLURALS = {
    **dict.fromkeys(("so", "scaledobject", "scaledobjects"), "scaledobjects"),
    **dict.fromkeys(("sj", "scaledjob", "scaledjobs"), "scaledjobs"),
}


async def _fetched(url: str, path: str, key: str) -> Entry:
    """The values at a path; an answer without `key` is not one of ours."""
    import aiohttp
    import msgspec

    from tidegate.base.errors import Malformed, Misconfigured, Unreachable

    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{url.rstrip('/')}{path}") as answer,
        ):
            body, status = await answer.read(), answer.status
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise Unreachable(
            "ask the operator beside KEDA",
            on=url,
            answer=str(error) or "no answer",
            next_step="forward the port: kubectl port-forward -n keda deployment/tidegate-shadow 8082",
        ) from error
    try:
        found: Entry = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        found = {}
    if key in found:
        return found
    if "message" in found:
        raise Misconfigured("explain", answer=str(found["message"]), next_step="name another object")
    raise Malformed(
        "ask the operator beside KEDA",
        on=url,
        answer=f"status {status}, and not what it would tell",
        next_step="name the address of an operator that runs with --shadow",
    )


def lines(found: Entry, *, is_all: bool = False) -> list[str]:
    """A table for people, a row for each difference, between two sentences."""
    from tidegate.cli.output.text_columns import cell, lines

    objects = found["objects"]
    differing = [one for one in objects if one["differed_s"]]
    rows = [HEAD, *(row for one in (objects if is_all else differing) for row in _rows(one))]
    told = [f"Looked on from {found['since']} to {found['at']}.", ""]
    if len(rows) > 1:
        told += [*lines([[cell(text) for text in row] for row in rows]), ""]
    told.append(f"{len(differing)} of {len(objects)} objects differed from KEDA in the last 24 hours.")
    cut = [f"{one['namespace']}/{one['name']}" for one in objects if one["isCut"]]
    return [*told, *([f"Earlier differences are no longer kept of: {', '.join(cut)}."] if cut else [])]


HEAD = ("OBJECT", "WHAT", "TIDEGATE", "KEDA", "SINCE", "LASTED")


def _rows(one: Entry) -> list[tuple[str, ...]]:
    name = f"{one['kind'].lower()}/{one['namespace']}/{one['name']}"
    if not one["differences"]:
        return [(name, "the same", "", "", one["since"], "")]
    return [
        (name, entry["aspect"], entry["tidegate"], entry["keda"], entry["since"], _lasted(entry))
        for entry in one["differences"]
    ]


def _lasted(entry: Entry) -> str:
    seconds = entry["lasted_s"]
    if seconds < 120:
        span = f"{seconds} s"
    else:
        span = f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h {seconds % 3600 // 60} min"
    return span if entry["until"] else f"{span}, still"
