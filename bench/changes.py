"""How many status writes a change is worth: the operator in this process, the embedded API in another.

One ScaledObject and one ScaledJob, each with two triggers on a real Redis, live through every kind of
change, one at a time. What is counted are PATCHes of a status as they leave the client.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from bench.api import deployment
from bench.figures import Figure, must
from bench.load import NOTHING
from bench.servers import api_server, port_of, redis_server
from tidegate.auth.resolve import Options
from tidegate.connections.adapter import Surroundings
from tidegate.kube.client import Client
from tidegate.kube.config import Config, load
from tidegate.kube.resource import DEPLOYMENTS, JOBS, SCALED_JOBS, SCALED_OBJECTS
from tidegate.operator.cluster.job_result import finished_as
from tidegate.operator.operator import Operator
from tidegate.runtime import loop
from tidegate.runtime.clock import SystemClock

NAME, NAMESPACE = "worker", "default"
QUEUES = ("work", "mail")
KINDS = (SCALED_OBJECTS, SCALED_JOBS)
INTERVAL_S = 1
THRESHOLD = 2
# Two polls and a status that waits for first readings have passed.
QUIET_S = 3.0
PATIENCE_S = 60.0
PART = "Status writes of a change"
Object = dict[str, Any]


class Counted(Client):
    """A client that notes the status PATCHes it sends, but for the minute's `lastActiveTime` alone."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.statuses: list[str] = []

    async def patch(self, *arguments: Any, **options: Any) -> Object:
        resource, _, _, body = arguments
        if options.get("subresource") == "status" and set(body["status"]) != {"lastActiveTime"}:
            self.statuses.append(resource.kind)
        return await super().patch(*arguments, **options)


class Stage:
    """The two objects, their queues, and the operator under measurement."""

    def __init__(self, client: Counted, queue: redis.Redis, operator: Operator) -> None:
        self.client = client
        self.queue = queue
        self.operator = operator
        self.port = port_of(queue)

    async def objects(self) -> None:
        await self.client.create(DEPLOYMENTS, NAMESPACE, deployment(NAME))
        fallback = {"failureThreshold": THRESHOLD, "replicas": 4}
        target = {"scaleTargetRef": {"name": NAME}, "cooldownPeriod": 0, "fallback": fallback}
        await self._object(SCALED_OBJECTS, target)
        container = {"name": "c", "image": "i"}
        template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
        await self._object(SCALED_JOBS, {"jobTargetRef": {"template": template}, "maxReplicaCount": 9})

    async def _object(self, resource: Any, spec: Object) -> None:
        spec = {**spec, "pollingInterval": INTERVAL_S, "triggers": self.triggers(*QUEUES)}
        await self.client.create(resource, NAMESPACE, {"metadata": {"name": NAME}, "spec": spec})

    def triggers(self, *queues: str) -> list[Object]:
        address = f"127.0.0.1:{self.port}"
        return [
            {"type": "redis", "metadata": {"address": address, "listName": queue, "listLength": "1"}}
            for queue in queues
        ]

    # --- what may happen

    async def push(self, *queues: str) -> None:
        for queue in queues:
            self.queue.rpush(queue, "message")

    async def drain(self, *queues: str) -> None:
        self.queue.delete(*queues)

    async def spoil(self, *queues: str) -> None:
        """From now on the queue is no list: Redis refuses to tell its length."""
        for queue in queues:
            self.queue.set(queue, "no list")

    async def annotate(self, name: str, text: str | None) -> None:
        await self.patch({"metadata": {"annotations": {f"autoscaling.keda.sh/{name}": text}}})

    async def specify(self, **spec: Any) -> None:
        await self.patch({"spec": spec})

    async def patch(self, patch: Object) -> None:
        for resource in KINDS:
            await self.client.patch(resource, NAMESPACE, NAME, patch)

    async def finish_jobs(self) -> None:
        done = {"status": {"conditions": [{"type": "Complete", "status": "True"}]}}
        for job in (await self.client.list(JOBS, NAMESPACE)).items:
            if not finished_as(job):
                await self.client.patch(JOBS, NAMESPACE, job["metadata"]["name"], done, subresource="status")

    async def until_quiet(self) -> None:
        """No status was written for a while, and no reconcile is under way."""
        deadline_s = asyncio.get_running_loop().time() + PATIENCE_S
        while True:
            before = len(self.client.statuses)
            await asyncio.sleep(QUIET_S)
            if len(self.client.statuses) == before and self.operator.queue.is_idle:
                return
            if asyncio.get_running_loop().time() > deadline_s:
                raise SystemExit(f"statuses are still written after {PATIENCE_S:g} s: {self.client.statuses}")


@dataclass(frozen=True, slots=True)
class Step:
    """Something happens; it is worth so many changes to a status: of the ScaledObject, of the ScaledJob."""

    what: str
    happen: Callable[[Stage], Any]
    changes: tuple[int, int] = (1, 1)


STEPS = (
    Step("the objects are created", Stage.objects),
    Step("a message comes: active", lambda stage: stage.push("work")),
    Step("another comes", lambda stage: stage.push("work"), (0, 0)),
    Step("Jobs end, others are created", Stage.finish_jobs, (0, 0)),
    Step("one of two triggers fails", lambda stage: stage.spoil("mail"), (THRESHOLD + 1, 1)),
    Step("it recovers", lambda stage: stage.drain("mail")),
    Step("both fail", lambda stage: stage.spoil(*QUEUES), (THRESHOLD + 1, 1)),
    Step("one message comes where both failed", lambda stage: recovered(stage)),
    Step("a paused scale-in", lambda stage: stage.annotate("paused-scale-in", "true"), (1, 0)),
    Step("it goes on", lambda stage: stage.annotate("paused-scale-in", None), (1, 0)),
    Step("a pause", lambda stage: stage.annotate("paused", "true")),
    Step("its end", lambda stage: stage.annotate("paused", None)),
    Step("a trigger fewer", lambda stage: stage.specify(triggers=stage.triggers("work"))),
    Step("a spec that the status does not tell of", lambda stage: stage.specify(maxReplicaCount=8), (0, 0)),
    Step("the queue is empty: inactive", lambda stage: stage.drain("work")),
)


async def recovered(stage: Stage) -> None:
    """Both queues are lists again at once, and one has a message: no poll sees them in between."""
    with stage.queue.pipeline(transaction=True) as pipe:
        pipe.delete(*QUEUES)
        pipe.rpush("work", "message")
        pipe.execute()


def measure(folder: Path) -> list[Figure]:
    """About a minute: each step is left alone until nothing is written any more."""
    with redis_server(folder) as queue, api_server(folder, 0, NOTHING) as kubeconfig:
        found = loop.run(lambda: _lived(kubeconfig, queue))
    changes = sum(expected for _, expected, _ in found)
    untold = sum(expected > 0 and not written for _, expected, written in found)
    for what, expected, written in found:
        if written != expected:
            print(f"{what}: {written} status writes for {expected} changes", file=sys.stderr, flush=True)
    silent = sum(written for _, expected, written in found if not expected)
    most = max(written / expected for _, expected, written in found if expected)
    return [
        Figure(PART, "status writes per change, at most", most, "",
            f"PATCHes of a status over {len(STEPS)} steps of a ScaledObject and a ScaledJob, with {changes} "
            "changes; each failed poll that a fallback counts is one", must("<=", 1)),
        Figure(PART, "changes without a status write", untold, "",
            "steps that should show in a status, and do not", must("=", 0)),
        Figure(PART, "status writes without a change", silent, "",
            "values that change, Jobs that end, specs that the status does not tell of", must("=", 0)),
    ]  # fmt: skip


async def _lived(kubeconfig: str, queue: redis.Redis) -> list[tuple[str, int, int]]:
    """What happened, the changes that it is worth and the writes there were, for each step and kind."""
    client = Counted(load(Path(kubeconfig)))
    operator = Operator(client, SystemClock(), Surroundings(), Options(cluster_namespace=NAMESPACE))
    running = asyncio.create_task(operator.run())
    stage = Stage(client, queue, operator)
    found = []
    try:
        for step in STEPS:
            client.statuses.clear()
            await step.happen(stage)
            await stage.until_quiet()
            for resource, expected in zip(KINDS, step.changes, strict=True):
                written = client.statuses.count(resource.kind)
                found.append((f"{step.what} ({resource.kind})", expected, written))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await client.close()
    return found
