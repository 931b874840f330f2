"""`tidegate describe`: an object, its conditions and its events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from tidegate.cli.cluster.session import Server, Session, complain, filenames, reaching, run

if TYPE_CHECKING:
    from tidegate.cli.cluster.resource_arguments import Selection, Target
    from tidegate.kube.resource import ApiError

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `describe`, by the names click gives them."""

    words: tuple[str, ...]
    files: tuple[str, ...]
    selector: str
    all_namespaces: bool


@click.command("describe")
@click.argument("words", metavar="TYPE [NAME…] | TYPE/NAME…", nargs=-1)
@filenames
@click.option("-l", "--selector", default="", metavar="LABELS", help="Only objects with these labels.")
@click.option("-A", "--all-namespaces", is_flag=True)
@reaching
def command(kubeconfig: str, namespace: str, **given: Any) -> None:
    """Show objects, their conditions and their events, the newest last.

    A name may be the beginning of names. Values of Secrets are not shown, only their sizes.

    \b
    tidegate describe scaledjob csv-processor
    """
    asked = Asked(**given)
    run(Server(kubeconfig, namespace), lambda session: describe(session, asked))


async def describe(session: Session, asked: Asked) -> bool:
    """Prints every object meant; whether everything named was there."""
    from tidegate.cli.cluster.resource_arguments import select
    from tidegate.cli.output.description import described
    from tidegate.kube.resource import EVENTS, ApiError

    found = await select(session, asked.words, asked.files)
    is_content, count = True, 0
    async for one in _objects(session, asked, found):
        if isinstance(one, ApiError):
            is_content = False
            complain(one)
            continue
        metadata = one["metadata"]
        fields = f"involvedObject.uid={metadata.get('uid', '')}"
        events = await session.client.list(EVENTS, metadata.get("namespace", ""), fields=fields)
        if count:
            click.echo("\n")
        count += 1
        click.echo(described(one, events.items, session.client.clock.now()), nl=False)
    if not count and is_content:
        click.echo("No resources found", err=True)
    return is_content


async def _objects(session: Session, asked: Asked, found: Selection) -> AsyncIterator[Object | ApiError]:
    for resource in found.resources:
        namespace = "" if asked.all_namespaces else session.namespace
        for item in (await session.client.list(resource, namespace, labels=asked.selector)).items:
            yield item
    for target in found.targets:
        for one in await _named(session, target):
            yield one


async def _named(session: Session, target: Target) -> list[Object | ApiError]:
    """The object of that name; else those whose names begin so; else the error."""
    from tidegate.kube.resource import ApiError

    try:
        return [await session.client.get(target.resource, target.namespace, target.name)]
    except ApiError as error:
        if error.code != 404 or target.place:
            return [error]
        listing = await session.client.list(target.resource, target.namespace)
        return [*(one for one in listing.items if one["metadata"]["name"].startswith(target.name))] or [error]
