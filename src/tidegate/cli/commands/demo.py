"""`tidegate demo`: the CSV pipeline from the first message to the last file, checked file by file.

It does what a user does by hand: starts `tidegate up` in a temporary directory, applies the manifests
of `examples/csv-pipeline`, and watches. Then it checks every file by itself.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidegate.base.errors import Misconfigured, Unreachable

if TYPE_CHECKING:
    from tidegate.cli.demo.pipeline_check import Verdict
    from tidegate.connections.pool import Connections
    from tidegate.kube.client import Client

NAMESPACE = "default"
SCALED_JOB = "csv-processor"
QUEUE = "csvs-to-process"
JOBS_WANTED, RUNNING_MAX = 181, 5
LIMIT_S = 600.0


@click.command("demo")
@click.option("--keep", is_flag=True, help="Leave the data directory, to look around in it.")
def command(keep: bool) -> None:
    """Run the CSV pipeline to its end and check every file.

    181 files are queued in a Redis and processed by one Job each, at most five at a time. Exits 0 only
    if every file is right and no Job was created in vain.
    """
    from tidegate.runtime import loop

    folder = tempfile.mkdtemp(prefix="tidegate-demo-")
    try:
        is_right = loop.run(lambda: _run(Path(folder)))
    finally:
        if keep:
            click.echo(f"kept: {folder}")
        else:
            import shutil

            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if is_right else 1)


@dataclass(slots=True)
class Progress:
    """What has been seen of the Jobs, from every event of a watch that began before the first one."""

    started_s: float = field(default_factory=time.monotonic)
    created: set[str] = field(default_factory=set)
    unfinished: set[str] = field(default_factory=set)
    complete: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    running_most: int = 0
    queued: int | None = None

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.started_s

    def see(self, type: str, job: dict[str, Any]) -> None:
        """Takes in one watch event about a Job of the ScaledJob."""
        from tidegate.operator.cluster.job_result import finished_as

        uid = job["metadata"]["uid"]
        self.created.add(uid)
        state = finished_as(job)
        if state or type == "DELETED":
            self.unfinished.discard(uid)
        else:
            self.unfinished.add(uid)
        if state == "Complete":
            self.complete.add(uid)
        if state == "Failed":
            self.failed.add(uid)
        self.running_most = max(self.running_most, len(self.unfinished))

    def line(self) -> str:
        queued = "?" if self.queued is None else str(self.queued)
        return (
            f"{self.elapsed_s:5.1f} s   queue {queued:>3}   Jobs running {len(self.unfinished)}   "
            f"done {len(self.complete)} of {JOBS_WANTED}"
        )


async def _run(folder: Path) -> bool:
    from tidegate.cli.demo import pipeline_check
    from tidegate.kube import config
    from tidegate.kube.client import Client

    click.echo("starting `tidegate up` …")
    process = await _start(folder)
    try:
        client = Client(config.load(folder / "kubeconfig"))
        try:
            progress = Progress()
            async with asyncio.timeout(LIMIT_S):
                await _pipeline(client, progress)
            claim = await client.get(_claims(), NAMESPACE, "data-pvc")
            data = folder / "node" / "volumes" / claim["metadata"]["uid"]
            verdict = pipeline_check.check(data)
            return _report(progress, verdict, data)
        except TimeoutError as error:
            raise Unreachable(
                "finish the pipeline",
                answer=f"it has not ended within {LIMIT_S:g} s ({progress.line().strip()})",
                next_step="run `tidegate up` and apply examples/csv-pipeline by hand to look at it",
            ) from error
        finally:
            await client.close()
    finally:
        process.terminate()
        await process.wait()


def _claims() -> Any:
    from tidegate.kube.resource import CLAIMS

    return CLAIMS


async def _start(folder: Path) -> asyncio.subprocess.Process:
    """`tidegate up` as a process of its own, serving; its complaints go where ours go."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tidegate.cli.main", "up", "--data-dir", str(folder), "--port", "0",
        stdout=asyncio.subprocess.PIPE, env=_environment(),
    )  # fmt: skip
    assert process.stdout is not None
    while True:
        line = await process.stdout.readline()
        if not line:
            raise Unreachable(
                "start `tidegate up`", answer=f"it ended with code {await process.wait()} before it served"
            )
        if line.startswith(b"export KUBECONFIG="):
            # Nobody reads on: what it prints from here is drained and dropped.
            asyncio.get_running_loop().create_task(_drain(process.stdout))
            return process


def _environment() -> dict[str, str]:
    """Ours, with this interpreter as the first `python3`: version switchers on PATH cost 0.1 s a start."""
    folders = (str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))
    return {**os.environ, "PATH": os.pathsep.join(folders)}


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(65536):
        pass


async def _pipeline(client: Client, progress: Progress) -> None:
    """Applies the manifests and watches until all is done."""
    from tidegate.cli.manifests.files import load
    from tidegate.kube.discovery import Discovery
    from tidegate.kube.resource import JOBS

    listing = await client.list(JOBS, NAMESPACE)
    watching = asyncio.create_task(_watch(client, progress, listing.resource_version))
    try:
        discovery = Discovery(client)
        for document in load((str(examples() / "csv-pipeline"),)):
            body = document.body
            resource = await discovery.resolve(body["apiVersion"], body["kind"])
            await client.create(resource, NAMESPACE if resource.is_namespaced else "", body)
            click.echo(f"  {resource.kind} {body['metadata']['name']} created")
        await _until_done(client, progress, watching)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _watch(client: Client, progress: Progress, version: str) -> None:
    from tidegate.kube.resource import JOBS
    from tidegate.operator.scaledjob.job_body import OWNER_LABEL

    label = f"{OWNER_LABEL}={SCALED_JOB}"
    while True:
        events = client.watch(JOBS, NAMESPACE, resource_version=version, labels=label)
        async with aclosing(events) as stream:
            async for event in stream:
                job = event.object
                version = job["metadata"]["resourceVersion"]
                if event.type != "BOOKMARK":
                    progress.see(event.type, job)


async def _until_done(client: Client, progress: Progress, watching: asyncio.Task[None]) -> None:
    """Returns when the generator is done, the queue is empty and no Job is unfinished."""
    from tidegate.connections.adapter import Surroundings
    from tidegate.connections.pool import Connections

    connections = Connections(Surroundings(timeout_s=1.0))
    try:
        await _until_quiet(client, progress, watching, connections)
    finally:
        await connections.close()
    click.echo("\r\x1b[K" if sys.stdout.isatty() else "", nl=False)
    click.echo(progress.line())


async def _until_quiet(
    client: Client, progress: Progress, watching: asyncio.Task[None], connections: Connections
) -> None:
    shown_s = 0.0
    generated = False
    quiet = 0
    while quiet < 3:
        if watching.done():
            watching.result()
        generated = generated or await _is_generated(client)
        progress.queued = await _queue_length(client, connections)
        is_empty = generated and progress.queued == 0 and not progress.unfinished
        # An empty queue must stay empty: a Job may be about to be created in vain.
        quiet = quiet + 1 if is_empty and progress.complete | progress.failed else 0
        if sys.stdout.isatty():
            click.echo(f"\r{progress.line()}\x1b[K", nl=False)
        elif progress.elapsed_s - shown_s >= 2:
            shown_s = progress.elapsed_s
            click.echo(progress.line())
        await asyncio.sleep(0.3)


async def _is_generated(client: Client) -> bool:
    from tidegate.kube.resource import JOBS
    from tidegate.operator.cluster.job_result import finished_as

    state = finished_as(await client.get(JOBS, NAMESPACE, "data-generator"))
    if state == "Failed":
        raise Misconfigured("generate the raw files", answer="the Job data-generator has failed")
    return state == "Complete"


async def _queue_length(client: Client, connections: Connections) -> int | None:
    """The length of the list, asked through the Service's address; None while nobody answers."""
    from tidegate.base.errors import TidegateError
    from tidegate.kit.systems.redis import RedisLength, RedisServer
    from tidegate.kube.resource import SERVICES

    service = await client.get(SERVICES, NAMESPACE, "redis")
    address = service["spec"].get("clusterIP")
    if not address:
        return None
    server = RedisServer(addresses=(f"{address}:6379",))
    try:
        [length] = await connections.adapter(server).answer([RedisLength(server, QUEUE)])
    except TidegateError:
        return None
    return length if isinstance(length, int) else None


def _report(progress: Progress, verdict: Verdict, data: Path) -> bool:
    sample = data / "processed" / "20220101_aggregated_sales.csv"
    if sample.exists():
        click.echo(f"\n{sample.name}:")
        click.echo("".join(f"  {row}\n" for row in sample.read_text().splitlines()), nl=False)
    click.echo("\ntotals per item over all files:")
    for item, total in sorted(verdict.totals.items()):
        click.echo(f"  item {item}: {total}")
    checks = {
        f"files right: {verdict.files - len(verdict.wrong)} of {JOBS_WANTED}": not verdict.wrong
        and verdict.files == JOBS_WANTED,
        f"Jobs created: {len(progress.created)} (wanted {JOBS_WANTED})": len(progress.created) == JOBS_WANTED,
        f"Jobs failed: {len(progress.failed)}": not progress.failed,
        f"Jobs at once, at most: {progress.running_most} (allowed {RUNNING_MAX})": progress.running_most
        <= RUNNING_MAX,
    }
    click.echo("")
    for text, is_right in checks.items():
        click.echo(f"  {'ok  ' if is_right else 'WRONG'} {text}")
    for wrong in verdict.wrong[:10]:
        click.echo(f"  {wrong}")
    is_right = all(checks.values())
    click.echo(f"\n{'the pipeline is right' if is_right else 'THE PIPELINE IS WRONG'}, "
               f"after {progress.elapsed_s:.1f} s")  # fmt: skip
    return is_right


def examples() -> Path:
    """The folder with the examples: inside the installed package, or of the source tree."""
    packaged = Path(str(resources.files("tidegate"))) / "examples"
    source = Path(__file__).parents[4] / "examples"
    for folder in (packaged, source):
        if folder.is_dir():
            return folder
    raise Misconfigured("find the examples", answer=f"neither {packaged} nor {source} exists")
