"""`tidegate poll`: each trigger of a manifest measured once, against the real source."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from tidegate.cli.extensions.allowing import allowing

if TYPE_CHECKING:
    from tidegate.cli.manifests.files import Document
    from tidegate.cli.manifests.remarks import Remark
    from tidegate.cli.polling.cluster_access import ClusterAccess
    from tidegate.cli.polling.fetched_once import FetchedOnce
    from tidegate.cli.polling.measure_once import Answer
    from tidegate.operator.reconcile.trigger_plan import Plan

_OTHERS = ("Deployment", "HorizontalPodAutoscaler", "Job", "Pod", "ReplicaSet", "Service")
COLUMNS = ("OBJECT", "TRIGGER", "METRIC", "VALUE", "TARGET", "ACTIVATION", "ACTIVE", "REPLICAS", "TIME")


@click.command("poll")
@click.argument("paths", nargs=-1, metavar="[FILES]...")
@click.option("-f", "--filename", "files", multiple=True, help="File, folder, or - (repeatable).")
@click.option(
    "--kubeconfig", default="", help="A cluster to ask for what FILES lack, for pods, and for local Services."
)
@allowing
@click.option("-n", "--namespace", default="default", show_default=True)
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True)
def command(
    paths: tuple[str, ...], files: tuple[str, ...], kubeconfig: str, namespace: str, output: str
) -> None:
    """Measure each trigger of ScaledObjects and ScaledJobs once, against the real source.

    Needs no cluster. Secrets, ConfigMaps and TriggerAuthentications are taken from the files too, or
    from the cluster of --kubeconfig. With the kubeconfig of `tidegate up`, names of its Services are
    understood. Exits 1 if a trigger could not be read, or the files have errors: those of `tidegate
    validate`, which are told first, with its warnings about the triggers.

    \b
    tidegate poll manifests/
    tidegate poll scaledobject.yaml --kubeconfig ~/.local/state/tidegate/kubeconfig
    """
    from tidegate.base.errors import Misconfigured
    from tidegate.cli.manifests.files import emptiness, named, read
    from tidegate.cli.manifests.remarks import remarks_of
    from tidegate.runtime import loop

    given = named(files, paths)
    found = read(given)
    if not found.documents and not found.wrong:
        raise Misconfigured("poll", answer=emptiness(given), next_step="name another")
    told = [one for one in remarks_of(found) if _is_told(one)]
    errors = [one for one in told if one.level == "error"]
    for document in found.documents:
        document.body.setdefault("metadata", {}).setdefault("namespace", namespace)
    answers = loop.run(lambda: poll(found.documents, errors, kubeconfig))
    for one in told:
        click.echo(str(one), err=True)
    if output == "json":
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(answers)))
    else:
        _print(
            answers,
            {(one.object.lower(), one.field) for one in errors} - _of_namesakes(found.documents, errors),
        )
    sys.exit(1 if errors or any(answer.failure for answer in answers) else 0)


def _of_namesakes(documents: Sequence[Document], errors: Sequence[Remark]) -> set[tuple[str, str]]:
    """What is told of objects that others, in other namespaces, share their kind and name with."""
    names = Counter(f"{one.body.get('kind')}/{one.body['metadata'].get('name')}" for one in documents)
    return {(one.object.lower(), one.field) for one in errors if names[one.object] > 1}


def _is_told(remark: Remark) -> bool:
    """Errors, but for those of objects that no trigger is read by, and what is to be said of triggers."""
    if remark.level == "error":
        return remark.object.partition("/")[0] not in _OTHERS
    return remark.field.startswith("spec.triggers[")


async def poll(documents: Sequence[Document], errors: Sequence[Remark], kubeconfig: str) -> list[Answer]:
    """One answer for each metric of each trigger, in the order of the manifests; one for an object that
    would be refused. `errors` are what is known to be wrong."""
    from tidegate.cli.polling.cluster_access import cluster_access
    from tidegate.cli.polling.fetched_once import FetchedOnce

    async with cluster_access(kubeconfig) as cluster:
        fetched = FetchedOnce(cluster.surroundings)
        try:
            return await _polled(documents, errors, cluster, fetched)
        finally:
            await fetched.close()


async def _polled(
    documents: Sequence[Document], errors: Sequence[Remark], cluster: ClusterAccess, fetched: FetchedOnce
) -> list[Answer]:
    from tidegate.api.decode import decode
    from tidegate.api.scaledjob import ScaledJob
    from tidegate.api.scaledobject import ScaledObject
    from tidegate.base.errors import Misconfigured
    from tidegate.cli.manifests.lookup import ManifestLookup
    from tidegate.cli.manifests.remarks import is_ours
    from tidegate.cli.manifests.server_checks import refused, stored
    from tidegate.cli.polling.measure_once import AT_A_TIME, Answer, measured, planned

    lookup = ManifestLookup([one for one in documents if not is_ours(one.body) or not refused(one.body)[1]])
    reached = replace(cluster, surroundings=cluster.with_files(lookup))
    turn = asyncio.Semaphore(AT_A_TIME)
    found: list[Answer | tuple[ScaledObject | ScaledJob, Plan]] = []
    for document in documents:
        if not is_ours(document.body) or document.body["kind"] not in ("ScaledObject", "ScaledJob"):
            continue
        if problems := refused(document.body)[1]:
            name = f"{document.body['kind'].lower()}/{document.body['metadata'].get('name', '')}"
            found.append(Answer(name, "", failure="; ".join(map(str, problems)), is_wrong=True))
            continue
        object = decode(stored(document.body))
        assert isinstance(object, ScaledObject | ScaledJob)
        found.append((object, await planned(object, lookup, cluster, fetched)))

    async def ask(one: Answer | tuple[ScaledObject | ScaledJob, Plan]) -> list[Answer]:
        return [one] if isinstance(one, Answer) else await measured(*one, reached, fetched, turn)

    answers = [answer for some in await asyncio.gather(*map(ask, found)) for answer in some]
    if not answers and not errors:
        raise Misconfigured(
            "poll", answer="the files hold no ScaledObject and no ScaledJob", next_step="name others"
        )
    return answers


def _print(answers: Sequence[Answer], told: Set[tuple[str, str]]) -> None:
    """`told` are the objects and fields whose mistakes were told, each with its line."""
    from tidegate.cli.output.text_columns import lines

    rows: list[tuple[str, ...]] = [COLUMNS]
    for one in answers:
        if one.is_wrong and not one.trigger:
            continue
        numbers = (one.value, one.target, one.activation)
        texts = ["-" if number is None else f"{number:g}" for number in numbers]
        active = "-" if one.is_active is None else str(one.is_active).lower()
        replicas = "-" if one.replicas is None else str(one.replicas)
        spent = "-" if one.time_s is None else f"{one.time_s * 1000:.0f} ms"
        rows.append((one.object, one.trigger, one.metric or one.note or "-", *texts, active, replicas, spent))
    for text in lines(rows) if len(rows) > 1 else ():
        click.echo(text)
    for one in answers:
        which = one.trigger if one.trigger == "formula" else f"trigger {one.trigger}"
        # What only an authentication or a variable makes a mistake has no line.
        for problem in one.problems:
            if (one.object, problem.path) not in told:
                click.echo(f"{one.object}, {which}: {problem}", err=True)
        for source in one.sources:
            click.echo(f"{one.object}, {which}: credentials from {source}", err=True)
        if one.failure and not one.is_wrong:
            click.echo(f"{one.object}, {which}: {one.failure}", err=True)
            if one.said:
                click.echo(f"  the answer began: {one.said}", err=True)
