"""From a push onto a list to the first worker process that runs for it."""

from __future__ import annotations

import asyncio
import random
import shutil
from pathlib import Path
from typing import Any

import redis

from bench.figures import Figure, quantile
from bench.servers import Up, port_of, redis_server
from tidegate.kube.client import Client
from tidegate.kube.config import load
from tidegate.kube.resource import JOBS, SCALED_JOBS
from tidegate.operator.cluster.job_result import finished_as

PUSHES = 60
POLLING_S = 1
PATIENCE_S = 30
PART = "From push to worker"

# bash: its first act is to read the clock, without starting another program. The message is taken at
# once, so that no second Job is due for it.
WORKER = """
now=$EPOCHREALTIME
exec 3<>/dev/tcp/127.0.0.1/{port}
printf 'LPOP work\\r\\nRPUSH marks %s\\r\\n' "$now" >&3
read -r -t 5 <&3; read -r -t 5 <&3; read -r -t 5 <&3
"""


def measure(folder: Path, pushes: int = PUSHES) -> list[Figure]:
    """Pushes at random moments of the polling interval, each into an empty queue with no Job under way."""
    with redis_server(folder) as queue:
        up = Up(folder / "state")
        try:
            waits = asyncio.run(_pushes(up, queue, pushes))
        finally:
            up.stop()
    means = f"RPUSH → first instruction of the Job's process, pollingInterval {POLLING_S}, {pushes} pushes"
    return [
        Figure(PART, "p50", quantile(waits, 0.5), "s", f"{means} at random moments, one at a time"),
        Figure(PART, "p99", quantile(waits, 0.99), "s", means),
        Figure(PART, "least", min(waits), "s", f"{means}: what is left when the poll comes at once"),
    ]


async def _pushes(up: Up, queue: redis.Redis, pushes: int) -> list[float]:
    client = Client(load(up.kubeconfig))
    waits: list[float] = []
    chance = random.Random(1)
    try:
        await client.create(SCALED_JOBS, "default", scaled_job(port_of(queue)))
        for number in range(pushes + 1):
            await asyncio.sleep(POLLING_S * (1 + chance.random()))
            pushed_s = _now_s(queue)
            queue.rpush("work", number)
            mark = await asyncio.to_thread(queue.blpop, ["marks"], PATIENCE_S)
            if mark is None:
                raise SystemExit(f"no worker has come within {PATIENCE_S} s of a push")
            # The first one also pays for the object's own arrival.
            if number:
                waits.append(float(mark[1]) - pushed_s)
            await _until_finished(client)
        extra = queue.llen("marks")
        if extra:
            raise SystemExit(f"{extra} Jobs were created in vain")
    finally:
        await client.close()
    return waits


async def _until_finished(client: Client) -> None:
    while True:
        jobs = (await client.list(JOBS, "default")).items
        if all(finished_as(job) for job in jobs):
            return
        await asyncio.sleep(0.05)


def _now_s(queue: redis.Redis) -> float:
    seconds, micros = queue.time()
    return float(seconds) + float(micros) / 1e6


def scaled_job(port: int) -> dict[str, Any]:
    bash = shutil.which("bash")
    if bash is None:
        raise SystemExit("bash is missing: the worker reads the clock with it")
    container = {"name": "worker", "image": "worker", "command": [bash, "-c", WORKER.format(port=port)]}
    trigger = {
        "type": "redis",
        "metadata": {"address": f"127.0.0.1:{port}", "listName": "work", "listLength": "1"},
    }
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledJob",
        "metadata": {"name": "worker", "namespace": "default"},
        "spec": {
            "pollingInterval": POLLING_S,
            "maxReplicaCount": 5,
            "successfulJobsHistoryLimit": 3,
            "jobTargetRef": {"backoffLimit": 0, "template": template},
            "triggers": [trigger],
        },
    }
