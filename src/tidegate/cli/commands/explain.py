"""`tidegate explain`: why a ScaledObject or ScaledJob has the number it has, and what would change it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from tidegate.cli.cluster.session import Server, Session, reaching, run

Entry = dict[str, Any]


@click.command("explain")
@click.argument("words", nargs=-1, metavar="TYPE NAME | TYPE/NAME")
@click.option("--history", is_flag=True, help="The last changes too, the newest last.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@reaching
def command(words: tuple[str, ...], history: bool, output: str, kubeconfig: str, namespace: str) -> None:
    """Say why an object has the number it has, and what would change it.

    Shows what each trigger said and when, each step of the last decision with its numbers, and the
    nearest values and moments at which it would decide otherwise.

    \b
    tidegate explain scaledobject worker
    tidegate explain sj/csv-processor --history
    """

    async def work(session: Session) -> bool:
        found = await fetch(session, words)
        if output == "json":
            import msgspec

            click.echo(msgspec.json.format(msgspec.json.encode(found)))
        else:
            from tidegate.cli.output.explanation import lines

            for line in lines(found, has_history=history):
                click.echo(line)
        return True

    run(Server(kubeconfig, namespace), work)


async def fetch(session: Session, words: Sequence[str]) -> Entry:
    """The explanation, from a server that explains."""
    from urllib.parse import quote

    import msgspec

    from tidegate.base.errors import Misconfigured, Unsupported
    from tidegate.cli.cluster.resource_arguments import parse_words
    from tidegate.kube.resource import SCALED_JOBS, SCALED_OBJECTS, ApiError

    pairs = parse_words(words).pairs
    if len(pairs) != 1:
        given = " ".join(words)
        raise Misconfigured(
            "explain",
            answer=f'"{given}" names {len(pairs) or "no"} object{"s" if pairs else ""}, and one is explained',
            next_step="write it as scaledobject NAME or scaledjob NAME, or with a slash between",
        )
    [(word, name)] = pairs
    resource = (await session.discovery.named(word)).resource
    if resource not in (SCALED_OBJECTS, SCALED_JOBS):
        raise Misconfigured(
            "explain",
            answer=f"nothing decides about {resource.plural}",
            next_step="name a ScaledObject or ScaledJob",
        )
    path = f"/explain/{resource.plural}/{quote(session.namespace, safe='')}/{quote(name, safe='')}"
    try:
        raw = await session.client.request("GET", path)
    except ApiError as error:
        # A server that explains names the object; others do not know the path.
        if error.code == 404 and f"{session.namespace}/{name}" not in error.message:
            raise Unsupported(
                "explain",
                answer="this API server is not one that `tidegate up` serves",
                next_step="look at the object's events with kubectl describe",
            ) from error
        raise
    found: Entry = msgspec.json.decode(raw)
    return found
