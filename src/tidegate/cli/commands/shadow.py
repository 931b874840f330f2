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
    from tidegate.cli.output.yaml_json import text as shown
    from tidegate.runtime import loop

    found = loop.run(lambda: _fetched(url), is_fast=False)
    if output == "text":
        for line in lines(found, is_all=is_all):
            click.echo(line)
    else:
        click.echo(shown(found, output), nl=False)
    if any(one["differed_s"] for one in found["objects"]):
        raise SystemExit(1)


async def _fetched(url: str) -> Entry:
    import aiohttp
    import msgspec

    from tidegate.base.errors import Malformed, Unreachable

    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{url.rstrip('/')}/shadow") as answer,
        ):
            body, status = await answer.read(), answer.status
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise Unreachable(
            "read the report",
            on=url,
            answer=str(error) or "no answer",
            next_step="forward the port: kubectl port-forward -n keda deployment/tidegate-shadow 8082",
        ) from error
    try:
        found: Entry = msgspec.json.decode(body, type=dict[str, Any])
        found["objects"]
    except (msgspec.DecodeError, KeyError) as error:
        raise Malformed(
            "read the report",
            on=url,
            answer=f"status {status}, and no report",
            next_step="name the address of an operator that runs with --shadow",
        ) from error
    return found


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
