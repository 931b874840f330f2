"""`tidegate explain`: why a ScaledObject or ScaledJob has the number it has, and what would change it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from tidegate.cli.cluster.session import Server, Session, reaching, run

if TYPE_CHECKING:
    from tidegate.kube.resource import Resource

Entry = dict[str, Any]


@click.command("explain")
@click.argument("words", nargs=-1, metavar="NAME | TYPE NAME | TYPE/NAME")
@click.option("--history", is_flag=True, help="The last changes too, the newest last.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@reaching
def command(words: tuple[str, ...], history: bool, output: str, kubeconfig: str, namespace: str) -> None:
    """Say why an object has the number it has, and what would change it.

    NAME is a ScaledObject, a ScaledJob, the workload that a ScaledObject scales, or a Job or pod of theirs.

    Shows what each trigger said and when, each step of the last decision with its numbers, and the
    nearest values and moments at which it would decide otherwise.

    \b
    tidegate explain worker
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
    """The explanation: from a server that `tidegate up` runs, or on a cluster through its aggregator."""
    from urllib.parse import quote

    import msgspec

    from tidegate.kube.resource import ApiError

    resource, name = await _named(session, words)
    place = f"{quote(session.namespace, safe='')}/{quote(name, safe='')}"
    try:
        raw = await session.client.request("GET", f"/explain/{resource.plural}/{place}")
    except ApiError as error:
        # A server that explains names the object; a cluster does not know the path, or lets few see it.
        is_unknown = error.code == 404 and f"{session.namespace}/{name}" not in error.message
        if not is_unknown and error.code != 403:
            raise
        return await _aggregated(session, resource, name)
    found: Entry = msgspec.json.decode(raw)
    return found


async def _aggregated(session: Session, resource: Resource, name: str) -> Entry:
    """What the metrics API server of a cluster says, behind the aggregator: any kubeconfig reaches it."""
    from urllib.parse import quote

    import msgspec

    from tidegate.base.errors import Unsupported
    from tidegate.kube.resource import ApiError
    from tidegate.metricsapi.documents import EXPLAIN

    place = f"namespaces/{quote(session.namespace, safe='')}/explained{resource.plural}"
    path = f"{EXPLAIN.root}/{place}/{quote(name, safe='')}"
    try:
        found: Entry = msgspec.json.decode(await session.client.request("GET", path))
    except ApiError as error:
        if error.code != 404 or f"{session.namespace}/{name}" in error.message:
            raise
        raise Unsupported(
            "explain",
            answer=f"this API server has no group {EXPLAIN.name}",
            next_step="install tidegate's metrics API server there, or look at the object's events with "
            "kubectl describe",
        ) from error
    explanation: Entry = found["explanation"]
    return explanation


async def _named(session: Session, words: Sequence[str]) -> tuple[Resource, str]:
    """The ScaledObject or ScaledJob that the words mean."""
    from tidegate.base.errors import Misconfigured
    from tidegate.cli.cluster.bare_names import scaler_called, scaler_of
    from tidegate.cli.cluster.resource_arguments import parse_words
    from tidegate.kube.resource import SCALED_JOBS, SCALED_OBJECTS

    parsed = parse_words(words)
    if len(parsed.types) == 1:
        # One word, and no type before it: explained is one object, so it is a name.
        return await scaler_called(session, words[0])
    if len(parsed.pairs) != 1:
        given, count = " ".join(words), len(parsed.pairs)
        raise Misconfigured(
            "explain",
            answer=f'"{given}" names {count or "no"} object{"s" if count else ""}, and one is explained',
            next_step="write its name, or scaledobject NAME or scaledjob NAME",
        )
    [(word, name)] = parsed.pairs
    resource = (await session.discovery.named(word)).resource
    if resource in (SCALED_OBJECTS, SCALED_JOBS):
        return resource, name
    return await scaler_of(session, resource, name)
