"""A process of its own that serves ScaledObjects and their Deployments: the embedded API, and nothing else.

No controllers and no node: nothing changes but what the operator under measurement writes.
Run as `python -m bench.api FOLDER OBJECTS LOAD` (the JSON of a `Load`); prints the kubeconfig's path when it
serves, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec

from bench.load import Load
from tidegate.cli.manifests.admission import admit
from tidegate.cli.wiring.local import parts
from tidegate.kube.resource import DEPLOYMENTS, SCALED_OBJECTS
from tidegate.local.apiserver.control_plane import Plane, open_plane
from tidegate.local.apiserver.http.server import Server
from tidegate.runtime import loop
from tidegate.runtime.clock import SystemClock

AT_ONCE = 200


class NoPods:
    """There are none, so nobody reads their logs."""

    logs = None
    exec = None


async def serve(folder: Path, objects: int, load: Load) -> None:
    clock = SystemClock()
    plane = await open_plane(folder, clock, admissions=[admit])
    await plane.keep(parts.definitions())
    for first in range(0, objects, AT_ONCE):
        numbers = range(first, min(objects, first + AT_ONCE))
        await asyncio.gather(*(_create(plane, number, load) for number in numbers))
    server = Server(plane, NoPods(), folder, clock)  # type: ignore[arg-type]
    print(await server.start(), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await server.stop()
    await plane.close()


async def _create(plane: Plane, number: int, load: Load) -> None:
    name = f"worker-{number:05d}"
    await plane.objects.create(DEPLOYMENTS, deployment(name, load.environment))
    await plane.objects.create(SCALED_OBJECTS, scaled_object(name, load.trigger(number), load.interval_s))


def deployment(name: str, environment: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
    labels = {"app": name}
    env = [{"name": variable, "value": value} for variable, value in environment.items()]
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "worker", "image": "worker", "env": env}]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
    }


def scaled_object(name: str, trigger: dict[str, Any], interval_s: int) -> dict[str, Any]:
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "scaleTargetRef": {"name": name},
            "pollingInterval": interval_s,
            "cooldownPeriod": 1,
            "triggers": [trigger],
        },
    }


if __name__ == "__main__":
    wanted = msgspec.json.decode(sys.argv[3], type=Load)
    loop.run(lambda: serve(Path(sys.argv[1]), int(sys.argv[2]), wanted))
