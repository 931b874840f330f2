"""`tidegate validate`: what admission would say of manifests, offline, with file and line."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import click

from tidegate.base.problems import Problem
from tidegate.base.sentences import counted

if TYPE_CHECKING:
    from tidegate.api.scaledobject import ScaledObject
    from tidegate.cli.manifests import Document
    from tidegate.cli.siblings import Siblings

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

    FILES are files, folders, or - for standard input; what one says of another is looked at too.
    Exits 1 if there is an error, a file that cannot be read, or no object at all.

    \b
    tidegate validate examples/queue-worker/
    tidegate validate scaledobject.yaml --show hpa
    """
    from tidegate.cli.manifests import read
    from tidegate.cli.siblings import Siblings

    found = read(files)
    remarks = [Remark("error", one.place, "", one.text) for one in found.wrong]
    siblings = Siblings(found.documents)
    for document in found.documents:
        remarks += sorted(judge(document, siblings), key=lambda one: line_of(one.place))
    if show == "hpa":
        _show_hpas(found.documents)
    elif output == "json":
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(remarks)))
    if output == "text":
        _tell(remarks, found.documents, to_stderr=show == "hpa")
    errors = sum(remark.level == "error" for remark in remarks)
    sys.exit(1 if errors or not found.documents else 0)


def _tell(remarks: Sequence[Remark], documents: Sequence[Document], *, to_stderr: bool) -> None:
    for remark in remarks:
        subject = f"{remark.object}: " if remark.object else ""
        click.echo(f"{remark.place}: {remark.level}: {subject}{remark.text}", err=to_stderr)
    if not documents and not remarks:
        click.echo("no object found: there is nothing to check", err=True)
        return
    errors = sum(remark.level == "error" for remark in remarks)
    checked = sum(is_ours(document.body) for document in documents)
    told = f"{counted(errors, 'error')}, {counted(len(remarks) - errors, 'warning')}"
    click.echo(f"{checked} of {counted(len(documents), 'object')} checked: {told}", err=True)


def line_of(place: str) -> int:
    """The line number of a place, for sorting within one file."""
    return int(place.rpartition(":")[2])


def is_ours(body: dict[str, Any]) -> bool:
    """Whether it is of one of KEDA's kinds; others are left to the server."""
    from tidegate.api.decode import KINDS
    from tidegate.api.kinds import API_VERSION

    return body.get("apiVersion") == API_VERSION and str(body.get("kind")) in KINDS


def judge(document: Document, siblings: Siblings) -> Iterator[Remark]:
    """Everything to say about one object; nothing about kinds that are not ours."""
    from tidegate.api.decode import decode
    from tidegate.api.scaledjob import ScaledJob
    from tidegate.api.scaledobject import ScaledObject
    from tidegate.api.validation import problems
    from tidegate.cli.admission import judged
    from tidegate.cli.offline import refused, stored
    from tidegate.local.apiserver.admission import together

    body = document.body
    if not is_ours(body):
        if str(body.get("apiVersion", "")).partition("/")[0] == "keda.sh":
            # Of our group, but no kind or version that exists: a misspelling, not somebody else's business.
            yield from (_remark("error", document, problem) for problem in problems(body))
        return
    unknown, found = refused(body)
    notices: Iterable[Problem] = ()
    if not found:
        object = decode(stored(body))
        if isinstance(object, ScaledObject | ScaledJob):
            found, notices = judged(object, siblings.template_of(body))
        else:
            notices = siblings.unread_parameters(body, object)
    strange = [Problem(path, "unknown field") for path in unknown]
    yield from (_remark("error", document, problem) for problem in together(found, strange))
    yield from (_remark("warning", document, notice) for notice in notices)


def _remark(level: Level, document: Document, problem: Problem) -> Remark:
    metadata = document.body.get("metadata") or {}
    name = metadata.get("name", "") if isinstance(metadata, dict) else ""
    return Remark(level, document.place_of(problem.path), f"{document.body['kind']}/{name}", str(problem))


def _show_hpas(documents: Sequence[Document]) -> None:
    """Prints the HPAs as YAML; a ScaledObject that cannot have one is told in the remarks."""
    import yaml

    from tidegate.api.decode import decode
    from tidegate.api.scaledobject import ScaledObject
    from tidegate.api.yamltext import Dumper
    from tidegate.base.errors import Misconfigured
    from tidegate.cli.offline import refused, stored

    bodies = []
    for document in documents:
        if not is_ours(document.body) or refused(document.body)[1]:
            continue
        object = decode(stored(document.body))
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
    click.echo(yaml.dump_all(bodies, Dumper=Dumper, sort_keys=False, width=120), nl=False)


def hpa_of(object: ScaledObject) -> dict[str, Any]:
    """The HPA that the object gets from its manifest alone. Misconfigured where it cannot have one."""
    from tidegate.kit.reading import Sources
    from tidegate.review.hpa import wanted_hpa
    from tidegate.review.manifest import review

    reviewed = review(object, lambda index: Sources(object.spec.triggers[index].metadata))
    plans = tuple(one for one in reviewed.triggers if one.scaler is not None)
    return wanted_hpa(object, plans, reviewed.composite)
