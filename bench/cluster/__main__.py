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
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from pathlib import Path

# The control plane and the programs on it are started as the tests start them.
sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from bench import machine
from bench.cluster import phases
from bench.cluster.bed import Bed, Ours, address, ours, theirs
from bench.cluster.workloads import cluster
from bench.figures import Figure, table
from bench.report import ended

SIZES = (1, 1_000)
PUSHES = 20


def main() -> int:
    """The exit code: 1 when a count that must hold does not. A run that is stopped tells what it has."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = _options()
    about = machine.description()
    figures: list[Figure] = []
    try:
        for size in options.objects:
            with (
                tempfile.TemporaryDirectory(prefix="tidegate-bench-") as folder,
                _bed(options, folder) as bed,
            ):
                asyncio.run(_measure(bed, size, options.window, figures))
    except BaseException:
        print(table(figures))
        raise
    return ended(about, figures, is_dry=options.dry, kind="-cluster")


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


async def _measure(bed: Bed, size: int, window_s: float, figures: list[Figure]) -> None:
    """Adds the figures of each phase as it ends."""
    part = f"{size:,} ScaledObjects on a cluster"
    async with cluster(bed.kubeconfig, bed.namespace, address(bed)) as there:
        work: dict[str, Callable[[], Awaitable[list[Figure]]]] = {
            "new objects": lambda: phases.new_objects(bed, there, size, part),
            "rest": lambda: phases.at_rest(bed, size, part, window_s),
            "pushes": lambda: phases.pushes(bed, there, size, part, PUSHES),
        }
        if isinstance(bed, Ours):
            work |= {
                "restart": lambda: phases.restart(bed, size, part),
                "takeover": lambda: phases.takeover(bed, there, size, part),
                "Jobs": lambda: phases.jobs(bed, there, part),
                "questions of HPAs": lambda: phases.hpas(bed, there, size, part, window_s),
            }
        for name, measure in work.items():
            print(f"measuring {name} with {size:,} objects …", file=sys.stderr, flush=True)
            figures += await measure()


if __name__ == "__main__":
    sys.exit(main())
