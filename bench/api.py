"""A process of its own that serves ScaledObjects and their Deployments: the embedded API, and nothing else.

No controllers and no node: nothing changes but what the operator under measurement writes.
Run as `python -m bench.api FOLDER OBJECTS REDIS_PORT`; prints the kubeconfig's path when it serves, and
ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from tidegate.cli.manifests.admission import admit
from tidegate.cli.wiring.local_cluster import define
from tidegate.kube.resource import DEPLOYMENTS, SCALED_OBJECTS
from tidegate.local.apiserver.control_plane import Plane, open_plane
from tidegate.local.apiserver.http.server import Server
from tidegate.runtime import loop
from tidegate.runtime.clock import SystemClock

AT_ONCE = 200
INTERVAL_S = 1
# Below the activation: nothing is ever due but to measure.
LENGTH, ACTIVATION = 3, 5


class NoPods:
    """There are none, so nobody reads their logs."""

    logs = None
    exec = None


async def serve(folder: Path, objects: int, redis_port: int) -> None:
    clock = SystemClock()
    plane = await open_plane(folder, clock, admissions=[admit])
    await define(plane.objects)
    for first in range(0, objects, AT_ONCE):
        numbers = range(first, min(objects, first + AT_ONCE))
        await asyncio.gather(*(_create(plane, number, redis_port) for number in numbers))
    server = Server(plane, NoPods(), folder, clock)  # type: ignore[arg-type]
    print(await server.start(), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop()
    await plane.close()


async def _create(plane: Plane, number: int, redis_port: int) -> None:
    name = f"worker-{number:05d}"
    await plane.objects.create(DEPLOYMENTS, deployment(name))
    await plane.objects.create(SCALED_OBJECTS, scaled_object(name, redis_port))


def deployment(name: str) -> dict[str, Any]:
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "worker", "image": "worker"}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
    }


def scaled_object(name: str, redis_port: int) -> dict[str, Any]:
    metadata = {
        "address": f"127.0.0.1:{redis_port}",
        "listName": name,
        "listLength": "10",
        "activationListLength": str(ACTIVATION),
    }
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "scaleTargetRef": {"name": name},
            "pollingInterval": INTERVAL_S,
            "cooldownPeriod": 1,
            "triggers": [{"type": "redis", "metadata": metadata}],
        },
    }


if __name__ == "__main__":
    loop.run(lambda: serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
