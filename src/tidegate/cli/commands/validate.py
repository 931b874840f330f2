"""`tidegate validate`: what admission would say of manifests, offline, with file and line."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidegate.base.sentences import counted
from tidegate.cli.cluster.local_directory import default_directory
from tidegate.cli.extensions.allowing import allowing
from tidegate.local.unhonoured import RUNTIMES

if TYPE_CHECKING:
    from tidegate.api.scaledobject import ScaledObject
    from tidegate.cli.manifests.files import Document, Read, Wrong
    from tidegate.cli.manifests.remarks import Remark
    from tidegate.cli.wiring.local.pod_network import Kind

FORMS = ("text", "wide", "json", "yaml")


@click.command("validate")
@click.argument("paths", nargs=-1, metavar="[FILES]...")
@click.option("-f", "--filename", "files", multiple=True, help="The same: file, folder, or - (repeatable).")
@allowing
@click.option("--show", type=click.Choice(["hpa"]), help="Print the HPA that each ScaledObject would get.")
@click.option("-o", "--output", type=click.Choice(FORMS), default="text", show_default=True)
@click.option("--local", "is_local", is_flag=True, help="Say what `tidegate up` would not honour or not run.")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=default_directory,
    show_default="~/.local/state/tidegate",
    help="That of `tidegate up`, with your images; for --local.",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A table of your own, as for `tidegate up`; for --local.",
)
@click.option(
    "--pod-network",
    type=click.Choice(["auto", "own", "shared"]),
    default="auto",
    show_default=True,
    help="As for `tidegate up`; for --local.",
)
@click.option(
    "--runtime",
    type=click.Choice(RUNTIMES),
    default=RUNTIMES[0],
    show_default=True,
    envvar="TIDEGATE_RUNTIME",
    help="As for `tidegate up`; for --local.",
)
def command(
    paths: tuple[str, ...],
    files: tuple[str, ...],
    show: str | None,
    output: str,
    is_local: bool,
    data_dir: Path,
    images: Path | None,
    pod_network: Kind,
    runtime: str,
) -> None:
    """Check manifests as admission will, without a server: all problems, with file and line.

    FILES are files, folders, or - for standard input; what one says of another is looked at too.
    Beside KEDA's kinds, those of Kubernetes that `tidegate up` serves are checked: fields, types and rules of
    Deployments, CronJobs, Ingresses and the like. How many of other kinds there are, the last line says.
    Exits 1 if there is an error, a file that cannot be read, or no object at all.

    With --local, what this machine could not run (an image that no program stands for, a claim without a
    volume …) is an error as well, and what local mode would not honour a warning. So is what FILES name and
    neither they nor the running `tidegate up` of --data-dir hold: Secrets, claims, accounts, namespaces.
    -o wide, json and yaml say what to write instead.

    \b
    tidegate validate examples/queue-worker/
    tidegate validate scaledobject.yaml --show hpa
    tidegate validate --local -o wide manifests/
    """
    from tidegate.cli.manifests.files import emptiness, named, read
    from tidegate.cli.manifests.remarks import remarks_of

    given = named(paths, files)
    found = read(given)
    more: Sequence[Remark] = ()
    if is_local:
        from tidegate.cli.manifests.local_checks import local_remarks
        from tidegate.cli.wiring.local.this_machine import this_machine

        machine = this_machine(data_dir.expanduser(), images, pod_network, runtime)
        lacks, unasked = missing(found.documents, data_dir.expanduser() / "kubeconfig")
        more = (*local_remarks(found.documents, machine), *lacks)
        found = replace(found, skipped=(*found.skipped, *unasked))
    remarks = remarks_of(found, more)
    summary = summed(remarks, found, emptiness(given))
    if show == "hpa":
        _show_hpas(found.documents)
    elif output in ("json", "yaml"):
        click.echo(report(summary, remarks, output), nl=output == "json")
    if output in ("text", "wide"):
        for remark in remarks:
            click.echo(str(remark), err=show == "hpa")
            if output == "wide" and remark.instead:
                click.echo(f"    instead: {remark.instead}", err=show == "hpa")
        for text in (*summary.skipped, summary.text) if found.documents else (summary.text,):
            click.echo(text, err=True)
        if output == "text" and is_local and any(remark.instead for remark in remarks):
            click.echo("-o wide says what to write instead", err=True)
    sys.exit(1 if summary.errors or not found.documents else 0)


def missing(documents: Sequence[Document], kubeconfig: Path) -> tuple[list[Remark], list[Wrong]]:
    """What the files name and neither they nor the `tidegate up` of this kubeconfig hold; and, where that
    does not run, a sentence that only the files were looked at."""
    from tidegate.cli.cluster.holdings import holdings
    from tidegate.cli.manifests.files import Spot, Wrong
    from tidegate.cli.manifests.needs.lacking import Lacking
    from tidegate.runtime import loop

    lacking = Lacking(documents)
    places = lacking.places()
    seen = loop.run(lambda: holdings(kubeconfig, places), is_fast=False) if places else {}
    told = list(lacking.remarks(seen))
    text = "no `tidegate up` runs with it; what was created there before is told as missing"
    return told, [Wrong(Spot(str(kubeconfig.parent)), text)] if seen is None else []


@dataclass(frozen=True, slots=True)
class Summary:
    """`checked` of `objects` were looked at; `not_checked` counts the others by kind, `skipped` are
    sentences on files and folders."""

    errors: int
    warnings: int
    objects: int
    checked: int
    not_checked: dict[str, int]
    skipped: tuple[str, ...]
    text: str


def report(summary: Summary, remarks: Sequence[Remark], form: str) -> str:
    """All that is said, for programs."""
    import msgspec

    told = {"summary": msgspec.to_builtins(summary), "remarks": [entry(one) for one in remarks]}
    if form == "json":
        return msgspec.json.format(msgspec.json.encode(told)).decode()
    from tidegate.cli.output.yaml_json import dumped

    return dumped(told, form)


def entry(remark: Remark) -> dict[str, Any]:
    """A remark for programs. Line and column are 0 where they are not known; `instead` is there where
    something is known that could be written."""
    spot = remark.spot
    told: dict[str, Any] = {"file": spot.file, "line": spot.line, "column": spot.column}
    for name in ("object", "field", "level", "code", "text"):
        told[name] = getattr(remark, name)
    return {**told, **({"instead": remark.instead} if remark.instead else {})}


def summed(remarks: Sequence[Remark], found: Read, emptiness: str) -> Summary:
    """The counts, and a sentence with them; `emptiness` is that on files without any object."""
    from tidegate.cli.manifests.remarks import is_reviewed

    documents, skipped = found.documents, tuple(str(one) for one in found.skipped)
    errors = sum(remark.level == "error" for remark in remarks)
    others = Counter(_named(one.body) for one in documents if not is_reviewed(one.body))
    checked = len(documents) - others.total()
    counts = counted(errors, "error"), counted(len(remarks) - errors, "warning")
    text = f"{checked} of {counted(len(documents), 'object')} checked"
    if others:
        text += f" (not checked: {', '.join(f'{number} {kind}' for kind, number in sorted(others.items()))})"
    text += f": {', '.join(counts)}"
    if not documents and not errors:
        text = f"{emptiness}, and nothing to check"
    return Summary(errors, len(remarks) - errors, len(documents), checked, dict(others), skipped, text)


def _named(body: dict[str, Any]) -> str:
    """`ServiceMonitor`; with its version where the same kind is known in another."""
    from tidegate.cli.manifests.builtin_checks import other_versions

    kind = str(body["kind"])
    return f"{kind} of {body['apiVersion']}" if other_versions(body) else kind


def _show_hpas(documents: Sequence[Document]) -> None:
    """Prints the HPAs as YAML; a ScaledObject that cannot have one is told in the remarks."""
    import yaml

    from tidegate.api.decode import decode
    from tidegate.api.scaledobject import ScaledObject
    from tidegate.api.yamltext import Dumper
    from tidegate.base.errors import Misconfigured
    from tidegate.cli.manifests.remarks import is_ours
    from tidegate.cli.manifests.server_checks import refused, stored

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
