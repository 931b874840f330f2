"""What a pod costs: its start, its network (`pod_networks`), and its own file system."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from bench import pod_networks
from bench.figures import Figure
from tidegate.local.nodes.processes import instance
from tidegate.local.nodes.processes.instance import Plan, Record, View
from tidegate.local.nodes.processes.machine_view import look
from tidegate.local.nodes.processes.volumes import remove

STARTS = 20
PART = "Pods"


def measure(folder: Path, pods: int, window_s: float) -> list[Figure]:
    figures = pod_networks.measure(folder, pods, window_s)
    best = look(folder / "probe", dict(os.environ))
    for view in (View("none"), View("shared"), best):
        wall_s, cpu_s = _launches(folder / view.kind, view)
        figures.append(
            Figure(
                PART, f"launch and end, view {view.kind}", median(wall_s) * 1e3, "ms",
                f"launcher started → `true` has ended, {cpu_s * 1e3:.1f} ms of cpu; median of {STARTS}",
            )
        )  # fmt: skip
    return figures


def _launches(folder: Path, view: View) -> tuple[list[float], float]:
    """Seconds of each launch, and seconds of processor per launch."""
    before, took = _cpu_s(), []
    for number in range(STARTS):
        plan = Plan(["true"], {"PATH": os.defpath}, "/", "pod", view=view)
        one = instance.write(folder, number, plan, Record())
        command = [sys.executable, "-I", "-S", str(instance.LAUNCHER), "run", str(one.path)]
        began_s = time.monotonic()
        subprocess.run(command, stderr=subprocess.DEVNULL, start_new_session=True, check=True)
        took.append(time.monotonic() - began_s)
        remove(one.path)
    return took, (_cpu_s() - before) / STARTS


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
