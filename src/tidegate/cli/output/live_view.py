"""What `tidegate up` shows: a live table in a terminal, one line per event elsewhere."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from tidegate.base.errors import TidegateError
from tidegate.base.sentences import counted
from tidegate.base.times import format_time
from tidegate.cli.output.amounts import usage
from tidegate.cli.output.printer import Printer
from tidegate.cli.wiring.local.parts import NAMES
from tidegate.kube.resource import EVENTS, JOBS, SCALED_OBJECTS
from tidegate.local.nodes.built_in import NAMESPACE
from tidegate.operator.cluster.job_result import finished_as
from tidegate.operator.scaledjob.job_body import OWNER_LABEL

if TYPE_CHECKING:
    from rich.table import Table

    from tidegate.cli.wiring.local_cluster import Local
    from tidegate.local.objects import Change
    from tidegate.operator.explain.overview import Row

REFRESH_S = 0.5


async def lines(local: Local) -> None:
    """One line per event, as it happens, until cancelled. A pipe that nobody reads holds up no server."""
    sys.stdout.flush()
    printer = Printer(sys.stdout.fileno())

    def on_change(change: Change) -> None:
        if change.type != "DELETED" and not is_about_parts(change.object):
            printer.line(line(change.object))

    local.plane.objects.subscribe([EVENTS], on_change)
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        printer.close()


def is_about_parts(event: dict[str, Any]) -> bool:
    """Whether it only tells how the objects that show this program came to be."""
    about = event.get("involvedObject") or {}
    return about.get("namespace") == NAMESPACE and str(about.get("name")).startswith(tuple(NAMES))


def line(event: dict[str, Any]) -> str:
    """`2026-01-02T03:04:05Z Normal KEDAJobsCreated ScaledJob/default/csv-processor: Created 5 jobs`."""
    about = event.get("involvedObject") or {}
    place = "/".join(one for one in (about.get("kind"), about.get("namespace"), about.get("name")) if one)
    count = event.get("count") or 1
    often = f" (x{count})" if count > 1 else ""
    return (
        f"{event.get('lastTimestamp') or ''} {event.get('type')} {event.get('reason')} "
        f"{place}: {event.get('message')}{often}"
    )


async def live(local: Local) -> None:
    """A table of all objects that refreshes itself, until cancelled."""
    from rich.console import Console
    from rich.live import Live

    console = Console(file=sys.stdout)
    with Live(console=console, refresh_per_second=4, screen=False) as view:
        while True:
            view.update(table(local))
            await asyncio.sleep(REFRESH_S)


def table(local: Local) -> Table:
    """Objects, metric values, replicas or Jobs, the last reason."""
    from rich.table import Table

    shown = Table(title=f"tidegate · {local.server.url} · {format_time(local.operator.clock.now())}")
    for title in ("object", "metric", "value / target", "replicas or Jobs", "last reason"):
        shown.add_column(title, overflow="fold")
    rows = local.operator.rows()
    for row in rows:
        shown.add_row(
            f"{row.resource.kind.lower()}/{row.namespace}/{row.name}",
            "\n".join(name for name, _, _ in row.metrics),
            "\n".join(f"{worth(name, value)} / {worth(name, aim)}" for name, value, aim in row.metrics),
            size(local, row),
            row.reason.text if row.reason else "",
        )
    if not rows:
        shown.caption = "no ScaledObject or ScaledJob yet: kubectl apply -f …"
    return shown


def worth(name: str, value: float | None) -> str:
    """A metric's value; `?` where it is not known."""
    if value is None:
        return "?"
    return usage(name, value) if name in ("cpu", "memory") else f"{value:g}"


def size(local: Local, row: Row) -> str:
    """`3 replicas, 0 ready`, or `5 unfinished, 118 succeeded, 2 failed`."""
    if row.resource == SCALED_OBJECTS:
        if row.replicas is None:
            return "?"
        ready = f", {row.ready} ready" if row.replicas and row.ready is not None else ""
        return counted(row.replicas, "replica") + ready
    try:
        jobs = local.operator.informers.labelled(JOBS, row.namespace, (OWNER_LABEL, row.name))
    except TidegateError:
        return "?"
    ended = [finished_as(job) for job in jobs]
    words = {"": "unfinished", "Complete": "succeeded", "Failed": "failed"}
    return ", ".join(f"{ended.count(how)} {word}" for how, word in words.items())
