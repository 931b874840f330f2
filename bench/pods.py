"""How soon a container runs, and what a file system of its own costs of that."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from bench.figures import Figure
from bench.machine import rss_mb
from bench.servers import Up
from tidegate.kube import config
from tidegate.kube.client import Client
from tidegate.kube.resource import PODS
from tidegate.local.nodes.processes import instance
from tidegate.local.nodes.processes.instance import Plan, Record, View
from tidegate.local.nodes.processes.machine_view import look
from tidegate.local.nodes.processes.volumes import remove

STARTS = 20
LOOK_S = 0.005
PART = "Pods"


def measure(folder: Path) -> list[Figure]:
    up = Up(folder / "state")
    try:
        pods_s = asyncio.run(_pods(up.kubeconfig))
        weight = rss_mb(up.process.pid)
    finally:
        up.stop()
    best = look(folder / "probe", dict(os.environ))
    figures = [
        Figure(
            PART, "a pod starts", median(pods_s) * 1e3, "ms",
            f"POST of a pod on the node → phase Running, one after the other; median of {STARTS}",
        ),
        Figure(PART, f"RSS of `tidegate up` with {STARTS} pods", weight, "MB", "resident memory after that"),
    ]  # fmt: skip
    for view in (View("none"), View("shared"), best):
        wall_s, cpu_s = _launches(folder / view.kind, view)
        figures.append(
            Figure(
                PART, f"launch and end, view {view.kind}", median(wall_s) * 1e3, "ms",
                f"launcher started → `true` has ended, {cpu_s * 1e3:.1f} ms of cpu; median of {STARTS}",
            )
        )  # fmt: skip
    return figures


async def _pods(kubeconfig: Path) -> list[float]:
    client = Client(config.load(kubeconfig))
    try:
        return [await _pod(client, f"pod-{number}") for number in range(STARTS)]
    finally:
        await client.close()


async def _pod(client: Client, name: str) -> float:
    container = {"name": "c", "image": "busybox", "command": ["sleep", "1000"]}
    spec = {"nodeName": "local", "containers": [container], "terminationGracePeriodSeconds": 0}
    metadata = {"name": name, "namespace": "default"}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    began_s = time.monotonic()
    await client.create(PODS, "default", body)
    while True:
        found = await client.get(PODS, "default", name)
        if found["status"].get("phase") == "Running":
            return time.monotonic() - began_s
        await asyncio.sleep(LOOK_S)


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
