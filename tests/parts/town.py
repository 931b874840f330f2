"""Local mode whole, on a clock that jumps: the API server's own store and rules, the controllers, the
operator; pods end as the test says, and Redis lists are a dictionary.

    async def story(clock):
        async with living(clock, jobs=3) as town:
            await town.deployment("web")
            await town.scaled_object("web")
            await town.stays("replicas", lambda: town.replicas() == 0, 90)

Minutes cost milliseconds. "Stays for 90 s" means every number that was written in them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from parts.acting_node import ActingNode
from parts.cluster import Cluster
from parts.counted_objects import CountedObjects
from parts.memory_client import SERVED, MemoryClient
from parts.virtualtime import VirtualLoop
from parts.world import Outcomes, runs_on
from tidegate.auth.files import ParameterFiles
from tidegate.auth.resolve import Options
from tidegate.base.errors import Failure
from tidegate.cli.manifests.admission import admit
from tidegate.cli.manifests.workload_owners import Neighbours
from tidegate.cli.wiring.local.parts import definitions
from tidegate.cli.wiring.local_cluster import stored_kinds
from tidegate.kube.resource import DEPLOYMENTS, NAMESPACES, PODS, REPLICA_SETS, ApiError, Resource
from tidegate.local.apiserver.control_plane import Plane, open_plane
from tidegate.local.apiserver.scale import scale_of
from tidegate.local.controllers.hpa.metric_samples import Usage
from tidegate.local.controllers.run import run_controllers
from tidegate.local.objects import Change
from tidegate.runtime.clock import Clock

Object = dict[str, Any]
SECOND_S = 1.0
ANSWER_S = 10.0


class PlaneClient(MemoryClient):
    """`Client` on the objects of a real control plane, still without a network."""

    def __init__(self, plane: Plane, clock: Clock, served: tuple[Resource, ...]) -> None:
        self.plane = plane
        self.counted = CountedObjects(plane.objects)
        super().__init__(self.counted, clock, served)  # type: ignore[arg-type]

    def _version(self) -> str:
        return str(self.plane.reads.version)

    def _scale(self, resource: Resource, found: Object) -> Object:
        kind = self.plane.kinds.of(resource)
        assert kind is not None
        return scale_of(kind, found)


class Town(Cluster):
    """What a test says and sees. `used` is what each pod of a Deployment uses, by resource and name: cores
    of `cpu`, bytes of `memory`. Parameter files lie in `files`.
    """

    def __init__(self, plane: Plane, client: PlaneClient, outcome: Outcomes, files: Path) -> None:
        options = Options(cluster_namespace="default", files=ParameterFiles(files))
        super().__init__(client.clock, client, options)
        self.plane = plane
        self.counted = client.counted
        self.files = files
        self.used: dict[str, dict[str, float]] = {"cpu": {}, "memory": {}}
        self.is_metrics_server_up = True
        self.written: list[tuple[float, Resource, str, int]] = []
        self.node = ActingNode(self.objects, client.clock, outcome)
        self.tasks: list[asyncio.Task[None]] = []

    def refuse(self, rule: Callable[[Resource, Object], ApiError | None]) -> None:
        """What the API server says of every creation from now on: an error, or None."""
        self.counted.refuse = rule

    def note(self, change: Change) -> None:
        """Keeps every number that was written, however soon another one followed."""
        name = change.object["metadata"]["name"]
        replicas = int(change.object["spec"].get("replicas", 1))
        self.written.append((self.clock.monotonic(), change.resource, name, replicas))

    def start(self) -> None:
        """The controllers, the node and the first operator."""
        self.node.start()
        controllers = run_controllers(
            self.objects, self.clock, partial(stored_kinds, self.plane), self.external_metric, self.usage
        )
        self.tasks += [asyncio.create_task(work) for work in (controllers, self.operator.run())]

    async def end(self) -> None:
        """Ends everything; a part that had ended before is a defect, and raised."""
        self.node.stop()
        for task in self.tasks:
            task.cancel()
        ends = await asyncio.gather(*self.tasks, return_exceptions=True)
        for end in ends:
            if not isinstance(end, asyncio.CancelledError):
                raise AssertionError("a part of local mode ended") from end

    async def kill_operator(self) -> None:
        """The operator dies, and all that it remembers."""
        task = self.tasks.pop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def start_operator(self) -> None:
        """Another one, which knows nothing yet."""
        self.operator = self.new_operator()
        self.tasks.append(asyncio.create_task(self.operator.run()))

    async def deployment(self, name: str = "web", replicas: int = 0, **pod: Any) -> Object:
        return await self.create(DEPLOYMENTS, name, spec=workload(name, replicas, **pod))

    async def replica_set(self, name: str = "web", replicas: int = 0) -> Object:
        return await self.create(REPLICA_SETS, name, spec=workload(name, replicas))

    async def scale(self, replicas: int, name: str = "web", resource: Resource = DEPLOYMENTS) -> None:
        """As a user does it."""
        await self.patch(resource, name, {"spec": {"replicas": replicas}}, "scale")

    def count(self, name: str = "web", resource: Resource = DEPLOYMENTS) -> int:
        """The replicas that an object's spec asks for."""
        found = self.objects.get(resource, "shop", name)
        assert found is not None
        return int(found["spec"].get("replicas", 1))

    def pods(self, name: str = "web") -> int:
        """Pods of a workload that are there and not ended."""
        found = self.objects.list(PODS, "shop", {"app": name})
        return sum(one["status"].get("phase") not in ("Succeeded", "Failed") for one in found)

    async def external_metric(
        self, namespace: str, name: str, labels: Mapping[str, str]
    ) -> tuple[float, ...] | Failure:
        """As through a metrics server, which may be down; an operator that died answers nobody."""
        if not self.is_metrics_server_up:
            return Failure("Unreachable", "the metrics server is down")
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self.operator.external_metric(namespace, name, labels)
        except TimeoutError:
            return Failure("Unreachable", "the operator does not answer")

    async def usage(
        self, namespace: str, selector: str, resource: str, container: str
    ) -> tuple[Usage, ...] | Failure:
        """What the running pods use, all of one Deployment alike."""
        name = selector.rpartition("=")[2]
        pods = self.objects.list(PODS, namespace, {"app": name})
        running = [pod["metadata"]["name"] for pod in pods if pod["status"].get("phase") == "Running"]
        return tuple(Usage(pod, self.used[resource].get(name, 0.0)) for pod in running)

    # --- time

    async def becomes(self, what: str, is_true: Callable[[], bool], within_s: float) -> float:
        """Returns, after how many seconds, when `is_true`; fails when that takes longer."""
        begun_s = self.clock.monotonic()
        while not is_true():
            passed_s = self.clock.monotonic() - begun_s
            assert passed_s < within_s, f"not within {within_s:g} s: {what}\n{self.told()}"
            await self.clock.sleep(SECOND_S)
        return self.clock.monotonic() - begun_s

    async def stays(self, what: str, is_true: Callable[[], bool], for_s: float) -> None:
        """Looks in every second."""
        begun_s = self.clock.monotonic()
        while True:
            passed_s = self.clock.monotonic() - begun_s
            assert is_true(), f"no longer after {passed_s:g} s: {what}\n{self.told()}"
            if passed_s >= for_s:
                return
            await self.clock.sleep(min(SECOND_S, for_s - passed_s))

    async def reaches(
        self, replicas: int, within_s: float, name: str = "web", resource: Resource = DEPLOYMENTS
    ) -> float:
        """The workload has so many replicas; how long that took."""
        return await self.becomes(
            f"{name} has {replicas} replicas", lambda: self.count(name, resource) == replicas, within_s
        )

    async def keeps(
        self, replicas: int, for_s: float, name: str = "web", resource: Resource = DEPLOYMENTS
    ) -> None:
        """In every second, and with no other number written in between."""
        before = len(self.written)
        what = f"{name} has {replicas} replicas"
        await self.stays(what, lambda: self.count(name, resource) == replicas, for_s)
        others = [
            (at_s, count)
            for at_s, *one, count in self.written[before:]
            if one == [resource, name] and count != replicas
        ]
        assert not others, f"{name} had other counts than {replicas}: {others}\n{self.told()}"

    def told(self) -> str:
        """The last reasons, for a test that fails."""
        rows = [f"  {row.name}: {row.replicas}, {row.metrics}, {row.reason}" for row in self.operator.rows()]
        return "\n".join(rows)


def workload(name: str, replicas: int, **pod: Any) -> Object:
    """The spec of a Deployment or ReplicaSet."""
    labels = {"app": name}
    container = {"name": "c", "image": "i", "command": ["sleep", "60"], **pod}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}


def pods_of(name: str, value: float = 1, **more: str) -> Object:
    """A trigger that counts the pods of a Deployment: load is set by scaling that one."""
    metadata = {"podSelector": f"app={name}", "value": f"{value:g}", **more}
    return {"type": "kubernetes-workload", "metadata": metadata}


@asynccontextmanager
async def living(
    clock: Any, outcome: Outcomes = runs_on, *, served: tuple[Resource, ...] = (), **lists: float
) -> AsyncIterator[Town]:
    """A town that lives while the block does; defects of its tasks are raised at the end."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    with TemporaryDirectory() as directory:
        loop.wait_while(lambda: True)
        neighbours = Neighbours()
        plane = await open_plane(Path(directory), clock, admissions=[partial(admit, neighbours=neighbours)])
        try:
            await plane.keep(definitions())
            neighbours.follow(plane.objects)
            await plane.objects.create(NAMESPACES, {"metadata": {"name": "shop"}})
            client = PlaneClient(plane, clock, (*SERVED, REPLICA_SETS, *served))
            files = Path(directory) / "files"
            files.mkdir()
            town = Town(plane, client, outcome, files)
            town.redis.lists.update(lists)
            town.objects.subscribe([DEPLOYMENTS, REPLICA_SETS, *served], town.note)
            loop.wait_while(lambda: client.counted.in_flight > 0)
            town.start()
            try:
                yield town
            finally:
                await town.end()
        finally:
            loop.wait_while(lambda: True)
            await plane.close()
