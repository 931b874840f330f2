"""Measures an autoscaler on a cluster and writes `bench/results/<date>-<machine>-cluster.md` and `.json`.

Without --kubeconfig it is ours, on a control plane that is started for it. With it, one that is there already
is watched: its processes by --pid, on this machine; it must reach a Redis on loopback. What only ours can be
asked to do (restarts, takeovers) is left out then.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

# The control plane and the programs on it are started as the tests start them.
sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from bench import machine
from bench.__main__ import written
from bench.cluster import phases
from bench.cluster.bed import Bed, Ours, address, ours, theirs
from bench.cluster.workloads import cluster
from bench.figures import Figure, table

SIZES = (1, 1_000)
PUSHES = 20


def main() -> int:
    """The exit code: 1 when a count that must hold does not."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = _options()
    about = machine.description()
    figures: list[Figure] = []
    for size in options.objects:
        with tempfile.TemporaryDirectory(prefix="tidegate-bench-") as folder, _bed(options, folder) as bed:
            figures += asyncio.run(_measure(bed, size, options.window))
    about["load after"] = machine.load()
    print(table(figures))
    if not options.dry:
        written(about, figures, "-cluster")
    broken = [figure for figure in figures if figure.is_broken]
    for figure in broken:
        print(f"BROKEN: {figure.part}: {figure.name} is {figure.value:g}", file=sys.stderr)
    return 1 if broken else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.cluster", description=__doc__)
    parser.add_argument(
        "--objects", type=int, nargs="+", default=SIZES, help="ScaledObjects, one run for each"
    )
    parser.add_argument(
        "--window", type=float, default=phases.WINDOW_S, help="seconds of quiet time measured"
    )
    parser.add_argument("--kubeconfig", type=Path, help="of a cluster on which another autoscaler runs")
    parser.add_argument(
        "--pid", type=int, action="append", default=[], help="one of its processes (repeatable)"
    )
    parser.add_argument("--dry", action="store_true", help="print only, write no file")
    return parser.parse_args()


def _bed(options: argparse.Namespace, folder: str) -> AbstractContextManager[Bed]:
    if options.kubeconfig is None:
        return ours(Path(folder))
    return theirs(options.kubeconfig, options.pid, Path(folder))


async def _measure(bed: Bed, size: int, window_s: float) -> list[Figure]:
    part = f"{size:,} ScaledObjects on a cluster"
    async with cluster(bed.kubeconfig, bed.namespace, address(bed)) as there:
        _say(size, "new objects")
        figures = await phases.new_objects(bed, there, size, part)
        _say(size, "rest")
        figures += await phases.at_rest(bed, size, part, window_s)
        _say(size, "pushes")
        figures += await phases.pushes(bed, there, size, part, PUSHES)
        if isinstance(bed, Ours):
            _say(size, "restart")
            figures += await phases.restart(bed, size, part)
            _say(size, "takeover")
            figures += await phases.takeover(bed, there, size, part)
            _say(size, "Jobs")
            figures += await phases.jobs(bed, there, part)
            _say(size, "questions of HPAs")
            figures += await phases.hpas(bed, there, size, part, window_s)
    return figures


def _say(size: int, phase: str) -> None:
    print(f"measuring {phase} with {size:,} objects …", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
