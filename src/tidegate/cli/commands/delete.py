"""`tidegate delete`: delete objects, and wait until they are gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from tidegate.base.errors import Misconfigured, Unreachable
from tidegate.cli.cluster.session import Server, Session, complain, filenames, reaching, run

if TYPE_CHECKING:
    from tidegate.cli.cluster.resource_arguments import Target

CASCADES = {"background": "Background", "foreground": "Foreground", "orphan": "Orphan"}
FIRST_LOOK_S, LONGEST_LOOK_S = 0.05, 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """The options of `delete`, by the names click gives them. `timeout` is in seconds, 0 is no limit."""

    words: tuple[str, ...]
    files: tuple[str, ...]
    selector: str
    all: bool
    all_namespaces: bool
    wait: bool
    timeout: float
    cascade: str
    grace_period: int | None
    now: bool
    force: bool
    ignore_not_found: bool

    @property
    def grace_s(self) -> int | None:
        """Zero kills without a word, so it takes --force, as with kubectl."""
        if self.force:
            return self.grace_period or 0
        if self.now:
            return 1
        return max(self.grace_period, 1) if self.grace_period is not None else None


@dataclass(frozen=True, slots=True)
class Leaving:
    """An object whose deletion has been accepted."""

    target: Target
    uid: str


def _seconds(ctx: click.Context, param: click.Parameter, text: str) -> float:
    from tidegate.base.duration import parse_duration

    try:
        return float(text) if text.isdecimal() else parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} {error}".partition(" (")[0]) from error


@click.command("delete")
@click.argument("words", metavar="TYPE NAME… | TYPE/NAME…", nargs=-1)
@filenames
@click.option("-l", "--selector", default="", metavar="LABELS", help="All objects with these labels.")
@click.option("--all", is_flag=True, help="All objects of the type in the namespace.")
@click.option("-A", "--all-namespaces", is_flag=True, help="With -l or --all: in every namespace.")
@click.option(
    "--wait",
    type=bool,
    is_flag=False,
    flag_value=True,
    default=True,
    show_default=True,
    help="Wait until all are gone; --wait=false returns at once.",
)
@click.option("--timeout", default="0s", callback=_seconds, help="Stop waiting after this; 0s: never.")
@click.option(
    "--cascade",
    type=click.Choice(list(CASCADES)),
    default="background",
    show_default=True,
    help="What becomes of what the objects own.",
)
@click.option("--grace-period", type=click.IntRange(0), help="Seconds that pods have to end.")
@click.option("--now", is_flag=True, help="The same as --grace-period=1.")
@click.option("--force", is_flag=True, help="Do not let pods end in good order.")
@click.option("--ignore-not-found", is_flag=True, help="What is not there is no error.")
@reaching
def command(kubeconfig: str, namespace: str, **given: Any) -> None:
    """Delete objects by name, by label or as manifests name them.

    \b
    tidegate delete scaledjob csv-processor
    tidegate delete -f examples/csv-pipeline/
    """
    asked = Asked(**given)
    run(Server(kubeconfig, namespace), lambda session: delete(session, asked))


async def delete(session: Session, asked: Asked) -> bool:
    """Deletes all that is meant, then waits; whether everything named was there."""
    from tidegate.kube.resource import ApiError

    _check(asked)
    is_content = True
    leaving: list[Leaving] = []
    targets, missing = await _targets(session, asked)
    for place, error in missing:
        if not (error.code == 404 and asked.ignore_not_found):
            is_content = False
            complain(error, place)
    for target in targets:
        try:
            leaving.append(await _delete_one(session, asked, target))
        except ApiError as error:
            if error.code == 404 and (asked.ignore_not_found or asked.all or asked.selector):
                continue
            is_content = False
            complain(error, target.place)
    if not targets and not missing:
        click.echo("No resources found", err=True)
    if asked.wait:
        await _wait(session, asked, leaving)
    return is_content


def _check(asked: Asked) -> None:
    is_choosing = bool(asked.selector or asked.all)
    has_names = bool(asked.files) or len(asked.words) > 1 or any("/" in word for word in asked.words)
    if asked.words and not has_names and not is_choosing:
        raise Misconfigured(
            "delete",
            answer="a whole type is named",
            next_step="add names, -l or --all",
        )
    if has_names and (is_choosing or asked.all_namespaces):
        raise Misconfigured(
            "delete",
            answer="names or files are given together with -l, --all or -A",
            next_step="leave out one of the two",
        )


async def _targets(session: Session, asked: Asked) -> tuple[list[Target], list[tuple[str, Any]]]:
    """All that is to go, found before the first deletion: a definition may take its kind with it."""
    from tidegate.cli.cluster.resource_arguments import Target, select, target
    from tidegate.kube.resource import ApiError

    if asked.files and not asked.words:
        from tidegate.cli.manifests.files import load

        found: list[Target] = []
        missing: list[tuple[str, Any]] = []
        for document in load(asked.files):
            try:
                found.append(await target(session, document))
            except ApiError as error:
                missing.append((document.place, error))
        return found, missing
    named = await select(session, asked.words, asked.files)
    targets = list(named.targets)
    for resource in named.resources:
        namespace = "" if asked.all_namespaces or not resource.is_namespaced else session.namespace
        listing = await session.client.list(resource, namespace, labels=asked.selector)
        targets += [
            Target(resource, one["metadata"].get("namespace", ""), one["metadata"]["name"])
            for one in listing.items
        ]
    return targets, []


async def _delete_one(session: Session, asked: Asked, target: Target) -> Leaving:
    from tidegate.cli.cluster.resource_arguments import word

    answer = await session.client.delete(
        target.resource,
        target.namespace,
        target.name,
        propagation=CASCADES[asked.cascade],
        grace_s=asked.grace_s,
    )
    how = " force" if asked.force else ""
    click.echo(f'{word(target.resource)} "{target.name}"{how} deleted')
    details = answer.get("details") if answer.get("kind") == "Status" else answer.get("metadata")
    return Leaving(target, str((details or {}).get("uid") or ""))


async def _wait(session: Session, asked: Asked, leaving: list[Leaving]) -> None:
    clock = session.client.clock
    deadline_s = clock.monotonic() + asked.timeout if asked.timeout else float("inf")
    for one in leaving:
        pause_s = FIRST_LOOK_S
        while await _is_there(session, one):
            if clock.monotonic() >= deadline_s:
                raise Unreachable(
                    f"wait for the end of {one.target}",
                    answer=f"it is still there after {asked.timeout:g} s",
                    next_step=f"see its finalizers: tidegate describe {one.target}",
                )
            await clock.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_LOOK_S)


async def _is_there(session: Session, one: Leaving) -> bool:
    from tidegate.kube.resource import ApiError

    target = one.target
    try:
        found = await session.client.get(target.resource, target.namespace, target.name)
    except ApiError as error:
        if error.code != 404:
            raise
        return False
    # A namesake is another object.
    return not one.uid or found["metadata"].get("uid") == one.uid
