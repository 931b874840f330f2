"""How soon `tidegate` answers, and what `tidegate up` weighs with nothing to do."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from statistics import median

from bench.figures import Figure, goal
from bench.machine import rss_mb
from bench.servers import Up, tidegate

STARTS, HELPS = 5, 7
SETTLED_S = 3.0
PART = "Starting"


def measure(folder: Path) -> list[Figure]:
    """Second starts of an empty data directory; the first makes keys and the database."""
    state = folder / "state"
    first = Up(state)
    first_s = first.ready_s
    first.stop()
    ready: list[float] = []
    weights: list[float] = []
    stops: list[float] = []
    for _ in range(STARTS):
        up = Up(state)
        time.sleep(SETTLED_S)
        ready.append(up.ready_s)
        weights.append(rss_mb(up.process.pid))
        stops.append(up.stop())
    return [
        Figure(
            PART, "`tidegate up`, first start", first_s, "s",
            "process start → kubeconfig line, in a directory that does not exist yet (keys, database)",
        ),
        Figure(
            PART, "`tidegate up`, second start", median(ready), "s",
            f"process start → kubeconfig line (the API serves), no objects, no terminal; median of {STARTS}",
            goal("<", 1),
        ),
        Figure(
            PART, "RSS of `tidegate up`", median(weights), "MB",
            f"resident memory {SETTLED_S:g} s after such a start; median of {STARTS}",
            goal("<", 80),
        ),
        Figure(
            PART, "stop of `tidegate up`", median(stops), "s",
            f"SIGTERM → process gone, no pods; median of {STARTS}",
        ),
        Figure(
            PART, "`tidegate --help`", median(_help_s() for _ in range(HELPS)), "s",
            f"process start → process gone; median of {HELPS}",
            goal("<", 0.2),
        ),
    ]  # fmt: skip


def _help_s() -> float:
    began_s = time.monotonic()
    subprocess.run([tidegate(), "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began_s
