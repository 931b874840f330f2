"""`tidegate validate`: what admission would say of manifests, offline, with file and line."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import click

from tidegate.base.problems import Problem

if TYPE_CHECKING:
    from tidegate.api.scaledobject import ScaledObject
    from tidegate.cli.manifests import Document

Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to say about one place. Errors are refused or keep the object from scaling."""

    level: Level
    place: str
    object: str
    text: str


@click.command("validate")
@click.argument("files", nargs=-1, required=True)
@click.option("--show", type=click.Choice(["hpa"]), help="Print the HPA that each ScaledObject would get.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(files: tuple[str, ...], show: str | None, output: str) -> None:
    """Check manifests as admission will, without a server: all problems, with file and line.

    FILES are files, folders, or - for standard input. Exits 1 if there is an error.

    \b
    tidegate validate examples/
    tidegate validate scaledobject.yaml --show hpa
    """
    from tidegate.cli.manifests import load

    documents = load(files)
    remarks = [
        remark
        for document in documents
        for remark in sorted(judge(document), key=lambda one: line_of(one.place))
    ]
    if show == "hpa":
        _show_hpas(documents)
    elif output == "json":
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(remarks)))
    else:
        for remark in remarks:
            click.echo(f"{remark.place}: {remark.level}: {remark.object}: {remark.text}")
    errors = sum(remark.level == "error" for remark in remarks)
    if output == "text":
        checked = sum(is_ours(document.body) for document in documents)
        told = f"{errors} errors, {len(remarks) - errors} warnings"
        click.echo(f"{checked} of {len(documents)} objects checked: {told}", err=True)
    sys.exit(1 if errors else 0)


def line_of(place: str) -> int:
    """The line number of a place, for sorting within one file."""
    return int(place.rpartition(":")[2])


def is_ours(body: dict[str, Any]) -> bool:
    """Whether it is of one of KEDA's kinds; others are left to the server."""
    from tidegate.api.decode import KINDS
    from tidegate.api.kinds import API_VERSION

    return body.get("apiVersion") == API_VERSION and body.get("kind") in KINDS


def judge(document: Document) -> Iterator[Remark]:
    """Everything to say about one object; nothing about kinds that are not ours."""
    from tidegate.api import structural
    from tidegate.api.decode import decode
    from tidegate.api.scaledjob import ScaledJob
    from tidegate.api.scaledobject import ScaledObject
    from tidegate.api.validation import problems, schema_of, warnings
    from tidegate.cli.admission import judged
    from tidegate.review.effects import without_effect

    body = document.body
    group = str(body.get("apiVersion", "")).partition("/")[0]
    if not is_ours(body) and group != "keda.sh":
        return
    if not is_ours(body):
        # Of our group, but no kind or version that exists: a misspelling, not somebody else's business.
        yield from (_remark("error", document, problem) for problem in problems(body))
        return
    for path in structural.prune(schema_of(body["kind"]), copy.deepcopy(body)):
        yield _remark("error", document, Problem(path, "unknown field"))
    found = problems(body)
    yield from (_remark("error", document, problem) for problem in found)
    if found:
        return
    object = decode(body)
    for text in warnings(body):
        yield _remark("warning", document, Problem("", text))
    if isinstance(object, ScaledObject | ScaledJob):
        wrong, notices = judged(object)
        yield from (_remark("error", document, problem) for problem in wrong)
        for notice in (*notices, *without_effect(object)):
            yield _remark("warning", document, notice)


def _remark(level: Level, document: Document, problem: Problem) -> Remark:
    metadata = document.body.get("metadata") or {}
    name = metadata.get("name", "") if isinstance(metadata, dict) else ""
    return Remark(level, document.place_of(problem.path), f"{document.body['kind']}/{name}", str(problem))


def _show_hpas(documents: list[Document]) -> None:
    """Prints the HPAs as YAML; a ScaledObject that cannot have one is told in the remarks."""
    import yaml

    from tidegate.api.decode import decode
    from tidegate.api.scaledobject import ScaledObject
    from tidegate.api.validation import problems
    from tidegate.base.errors import Misconfigured

    bodies = []
    for document in documents:
        if not is_ours(document.body) or problems(document.body):
            continue
        object = decode(document.body)
        if not isinstance(object, ScaledObject):
            continue
        try:
            body = hpa_of(object)
        except Misconfigured as error:
            click.echo(f"{document.place}: {error}", err=True)
            continue
        # Only the server knows the owner's uid; the namespace may come from the command line there.
        del body["metadata"]["ownerReferences"]
        if not body["metadata"]["namespace"]:
            del body["metadata"]["namespace"]
        bodies.append(body)
    click.echo(yaml.safe_dump_all(bodies, sort_keys=False, width=120), nl=False)


def hpa_of(object: ScaledObject) -> dict[str, Any]:
    """The HPA that the object gets from its manifest alone. Misconfigured where it cannot have one."""
    from tidegate.kit.reading import Sources
    from tidegate.review.hpa import wanted_hpa
    from tidegate.review.manifest import review

    reviewed = review(object, lambda index: Sources(object.spec.triggers[index].metadata))
    plans = tuple(one for one in reviewed.triggers if one.scaler is not None)
    return wanted_hpa(object, plans, reviewed.composite)
