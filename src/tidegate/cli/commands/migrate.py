"""`tidegate migrate`: moving from KEDA, in steps that can be taken back."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from tidegate.base.sentences import counted
from tidegate.cli.cluster.session import Server, Session, reaching, run

if TYPE_CHECKING:
    from tidegate.cli.migration.findings import Finding
    from tidegate.cli.migration.programs import Program

DIFFERS, FAILS = 3, 4
HEAD = ("LEVEL", "OBJECT", "FIELD", "WHAT")


@click.group("migrate")
def command() -> None:
    """Move a cluster from KEDA to Tidegate; docs/migrate-from-keda.md has the order."""


@command.command("check")
@click.option(
    "--keda-namespace",
    default="keda",
    show_default=True,
    help="Where KEDA runs, and where what ClusterTriggerAuthentications refer to is looked for.",
)
@click.option(
    "-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text", show_default=True
)
@reaching
def check(keda_namespace: str, output: str, kubeconfig: str, namespace: str) -> None:
    """List what would behave otherwise for the objects of this cluster. Changes nothing.

    Looks at all namespaces, or at the one given with -n, and at the flags and variables of KEDA's own
    Deployments. It needs to read KEDA's kinds, HPAs, workloads and
    the Secrets and ConfigMaps that triggers refer to.

    \b
    fails       would not work: a trigger type, setting or identity that is not offered
    differs     works otherwise than in KEDA, as docs/deviations.md says
    no effect   is read by nobody

    Exits 0 where nothing fails or differs, 3 where something differs, 4 where something fails.
    """
    found: list[Finding] = []
    objects: list[str] = []

    async def work(session: Session) -> bool:
        from tidegate.cli.migration.cluster import check as checked
        from tidegate.cli.migration.programs import of_programs

        async for name, findings in checked(session.client, namespace, keda_namespace):
            objects.append(name)
            found.extend(findings)
        async for name, findings in of_programs(session.client, keda_namespace, _programs()):
            objects.append(name)
            found.extend(findings)
        return True

    run(Server(kubeconfig, namespace), work)
    _print(objects, found, output)
    levels = {one.level for one in found}
    raise SystemExit(FAILS if "fails" in levels else DIFFERS if "differs" in levels else 0)


def _programs() -> list[Program]:
    """Ours, by the name of KEDA's image."""
    from tidegate.cli.migration.programs import Program
    from tidegate.cli.wiring import metrics_apiserver_settings, operator_settings
    from tidegate.cli.wiring.admission import settings as admission

    metrics, operator = metrics_apiserver_settings, operator_settings
    return [
        Program("keda", operator.OperatorSettings, operator.IGNORED),
        Program("keda-metrics-apiserver", metrics.MetricsApiserverSettings, metrics.IGNORED),
        Program("keda-admission-webhooks", admission.AdmissionSettings, admission.IGNORED),
    ]


def _print(objects: list[str], found: list[Finding], output: str) -> None:
    from tidegate.cli.migration.findings import DOCUMENT, LEVELS
    from tidegate.cli.output.text_columns import cell, lines

    counts = Counter(one.level for one in found)
    if output != "text":
        from tidegate.cli.output.yaml_json import dumped

        click.echo(dumped(_report(objects, found), output), nl=False)
        return
    found = sorted(found, key=lambda one: (LEVELS.index(one.level), one.object))
    rows = [HEAD, *((one.level, one.object, one.field, one.text) for one in found)]
    for line in lines([[cell(text) for text in row] for row in rows]) if found else ():
        click.echo(line)
    said = ", ".join(f"{counts[level]} {level}" for level in LEVELS)
    click.echo(f"{counted(len(objects), 'object')} looked at: {said}.", err=True)
    if counts["differs"]:
        click.echo(f"Why, and how to get the old behaviour: {DOCUMENT}", err=True)


def _report(objects: list[str], found: list[Finding]) -> dict[str, Any]:
    import msgspec

    from tidegate.cli.migration.findings import LEVELS

    counts = Counter(one.level for one in found)
    return {
        "objects": len(objects),
        "summary": {level: counts[level] for level in LEVELS},
        "findings": [msgspec.to_builtins(one) for one in found],
    }


@command.command("adopt-crds")
@click.option("--release", default="tidegate", show_default=True, help="The helm release that gets them.")
@click.option("--release-namespace", default="keda", show_default=True, help="Its namespace.")
@click.option("--apply", "is_applied", is_flag=True, help="Do it. Without this nothing is written.")
@reaching
def adopt_crds(
    release: str, release_namespace: str, is_applied: bool, kubeconfig: str, namespace: str
) -> None:
    """Keep KEDA's definitions when its helm release goes: with them every object of its kinds would go.

    Marks each as kept (helm.sh/resource-policy) and gives it to Tidegate's release, so that its chart takes
    it over. Then looks at what helm has stored: `helm uninstall` goes by that alone, and deletes the
    definitions until KEDA's release was upgraded once without them.

    Exits 0 where nothing is to be done any more, 3 while something is.
    """

    outcome: list[bool] = []

    async def work(session: Session) -> bool:
        outcome.append(await _adopt(session, release, release_namespace, is_applied=is_applied))
        return True

    run(Server(kubeconfig, namespace), work)
    raise SystemExit(0 if all(outcome) else DIFFERS)


async def _adopt(session: Session, release: str, release_namespace: str, *, is_applied: bool) -> bool:
    from tidegate.cli.migration.definitions import Release, adopt, definitions, deleted_with

    client, owner = session.client, Release(release, release_namespace)
    found = await definitions(client)
    for one in found:
        state = f"{'kept' if one.is_kept else 'not kept'}, of {one.owner or 'no release'}"
        change = f"to be kept, and given to {owner}" if one.change(owner) else "as it should be"
        if is_applied and one.change(owner):
            await adopt(client, one, owner)
            change = f"kept now, and given to {owner}"
        click.echo(f"{one.name}: {state}: {change}")
    if not found:
        click.echo("there are no definitions of KEDA's kinds")
        return True
    places = {one.owner.namespace for one in found if one.owner is not None} | {"keda", release_namespace}
    risks = await deleted_with(client, places, owner)
    for risk, names in risks.items():
        click.echo(f"helm uninstall of {risk} would still delete {counted(len(names), 'definition')}.")
        click.echo(
            f"  helm upgrade {risk.name} kedacore/keda -n {risk.namespace} --version <the installed> \\"
        )
        click.echo("    --reuse-values --set crds.install=false     # they are kept, and leave the release")
    is_open = any(one.change(owner) for one in found) and not is_applied
    if is_open:
        click.echo("Nothing was written; --apply does it.")
    return not is_open and not risks
