"""`tidegate up`: the control plane, the pods and the autoscaler on this machine, until stopped."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidegate.cli.cluster.local_directory import default_directory
from tidegate.cli.extensions.allowing import allowing
from tidegate.local.unhonoured import RUNTIMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidegate.cli.wiring.local.pod_network import Kind
    from tidegate.cli.wiring.local_cluster import Local, Settings

PORT = 7443
DASHBOARD_PORT = 7444


@click.command("up")
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=default_directory,
    show_default="~/.local/state/tidegate",
    help="Where everything is kept.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0: any free one."
)
@click.option("--durable", is_flag=True, help="Survive a power cut, not only a crash (slower writes).")
@click.option(
    "--images",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A table of your own: which program an image stands for.",
)
@click.option(
    "--filepath-auth-root-path",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the parameter files that ClusterTriggerAuthentications name (spec.filePath).",
)
@click.option(
    "--pod-network",
    type=click.Choice(["auto", "own", "shared"]),
    default="auto",
    show_default=True,
    help="Whether each pod has a network of its own, or all share the machine's (auto: where they must).",
)
@click.option(
    "--runtime",
    type=click.Choice(RUNTIMES),
    default=RUNTIMES[0],
    show_default=True,
    envvar="TIDEGATE_RUNTIME",
    help="What runs containers: processes of this machine, or images in your engine. A pod's annotation "
    "tidegate.dev/runtime chooses for itself.",
)
@click.option("--leave-pods", is_flag=True, help="Let pods run on when stopped; the next start adopts them.")
@click.option("--plain", is_flag=True, help="Print one line per event even in a terminal.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="warning")
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text")
@click.option(
    "--hpa-interval",
    type=click.FloatRange(1, 300),
    default=15.0,
    show_default=True,
    help="Seconds between two syncs of the HPA controller.",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    help="Serve /metrics on this port of 127.0.0.1, too, without TLS or token: for a Prometheus of yours.",
)
@click.option("--dashboard", is_flag=True, help="Serve a page for a browser; its link is printed.")
@click.option(
    "--dashboard-port",
    type=click.IntRange(0, 65535),
    show_default=str(DASHBOARD_PORT),
    help="Serve it on this port of 127.0.0.1. 0: any free one.",
)
@click.option(
    "--keda-namespace/--no-keda-namespace",
    default=True,
    help="Whether the namespace keda shows the operator and its neighbours as Deployments and pods.",
)
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    envvar="TIDEGATE_BUDGETS",
    metavar="SYSTEM=CALLS",
    help="Calls a minute that each server of a system may have; see docs/metered-sources.md.",
)
@allowing
@click.option("--metrics-old-names", is_flag=True, help="Tell metrics under names that KEDA gave up, too.")
def command(
    data_dir: Path,
    port: int,
    durable: bool,
    leave_pods: bool,
    plain: bool,
    log_level: str,
    log_format: str,
    hpa_interval: float,
    images: Path | None,
    filepath_auth_root_path: Path | None,
    pod_network: Kind,
    runtime: str,
    metrics_port: int | None,
    metrics_old_names: bool,
    dashboard: bool,
    dashboard_port: int | None,
    keda_namespace: bool,
    budgets: tuple[str, ...],
) -> None:
    """Run the control plane on this machine; kubectl can talk to it.

    Pods run as processes, or in a container engine. State lives in the data directory; a crash loses
    nothing, and pods that were running are found again by the next start. When stopped (Ctrl-C), pods end
    and come back with the next start.
    """
    from tidegate.cli.wiring.local_cluster import Settings
    from tidegate.runtime import loop
    from tidegate.telemetry import logs

    logs.start(log_level, log_format)
    files = filepath_auth_root_path.expanduser().resolve() if filepath_auth_root_path is not None else None
    directory = data_dir.expanduser().resolve()
    settings = Settings(
        directory,
        port,
        durable,
        leave_pods,
        hpa_interval,
        images,
        files,
        pod_network,
        metrics_port,
        metrics_old_names,
        dashboard_at(dashboard, dashboard_port),
        keda_namespace,
        log_format,
        _budgets(budgets),
        runtime,
    )
    is_live = sys.stdout.isatty() and not plain
    loop.run(lambda: _serve(settings, is_live))


def dashboard_at(is_wanted: bool, port: int | None) -> int | None:
    """Who names a port wants one."""
    return DASHBOARD_PORT if is_wanted and port is None else port


def _budgets(texts: tuple[str, ...]) -> Mapping[str, float]:
    """Those given; all that is wrong with them is told at once."""
    if not texts:
        return {}
    from tidegate.cli.wiring.installation.budgets import budget_problems, budgets_of

    given = [one.strip() for text in texts for one in text.replace(",", " ").split()]
    if problems := list(budget_problems(given)):
        raise ExceptionGroup("settings", problems)
    return budgets_of(given)


async def _serve(settings: Settings, is_live: bool) -> None:
    from tidegate.cli.output import live_view
    from tidegate.cli.wiring.local_cluster import started
    from tidegate.runtime.loop import stop_signals

    stopping = stop_signals()
    async with started(settings) as local:
        _greet(local)
        if problem := await local.node.engine_problem():
            click.echo(f'pods wait: {problem}; see "Images in an engine" in docs/local-mode.md', err=True)
        show = asyncio.create_task(live_view.live(local) if is_live else live_view.lines(local))
        waiting = [asyncio.create_task(stopping.wait()), *local.tasks]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        show.cancel()
        await asyncio.gather(show, return_exceptions=True)
        waiting[0].cancel()
        if not stopping.is_set():
            # A part that must not end has ended: its own error says why.
            for task in local.tasks:
                if task.done():
                    task.result()
        click.echo("stopping …", err=True)


def _greet(local: Local) -> None:
    click.echo(f"tidegate is up at {local.server.url}")
    click.echo(f"export KUBECONFIG={local.kubeconfig}")
    if local.dashboard:
        click.echo(f"dashboard: {local.dashboard}")
    if local.settings.pod_network == "auto" and (lacks := local.node.lacks):
        click.echo(f'{lacks}; see "Networks" in docs/local-mode.md', err=True)
    sys.stdout.flush()
