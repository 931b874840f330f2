"""An operator on a clock that jumps, its API in memory, and a Redis whose lists are a dictionary.

What is fetched (tokens of ServiceAccounts, paths of Vaults) is what the drawers of `safes` hold under the
questions' paths or labels.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from parts import virtualtime
from parts.fetching import Safes
from parts.memory_client import MemoryClient, Write
from parts.memory_objects import MemoryObjects
from tidegate.auth.resolve import Options
from tidegate.base.errors import Denied, TidegateError, Unreachable
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.core.values import MetricSpec
from tidegate.kit.question import Question, Server
from tidegate.kit.systems.external import ExternalServer, ExternalSpecs, ExternalValue
from tidegate.kit.systems.kubernetes import KubernetesServer
from tidegate.kit.systems.service_accounts import AccountsServer
from tidegate.kit.systems.vault import VaultServer
from tidegate.kube.resource import (
    DEPLOYMENTS,
    EVENTS,
    HPAS,
    JOBS,
    SCALED_JOBS,
    SCALED_OBJECTS,
    Resource,
)
from tidegate.operator.operator import Operator, Stance
from tidegate.runtime.clock import Clock

Object = dict[str, Any]
LABEL = "scaledjob.keda.sh/name"


class Redis:
    """`lists` by name. `trouble` is what every call meets; `password`, if set, must be given; at the
    `unreachable` addresses nobody answers. An answer takes `delay_s`, or what `slow` says for its address.
    """

    def __init__(self) -> None:
        self.lists: dict[str, float] = {}
        self.trouble: TidegateError | None = None
        self.password = ""
        self.delay_s = 0.001
        self.unreachable: set[str] = set()
        self.slow: dict[str, float] = {}

    def connect(self, server: Server) -> Connection:
        return Connection(self, server)


class Connection:
    batch = 1000
    wake_gap_s = 0.25

    def __init__(self, redis: Redis, server: Any) -> None:
        self.redis = redis
        self.server = server

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        addresses = {str(one) for one in self.server.addresses}
        slow = [self.redis.slow[one] for one in addresses & self.redis.slow.keys()]
        await asyncio.sleep(max(slow, default=self.redis.delay_s))
        if self.redis.trouble is not None:
            raise self.redis.trouble
        if self.redis.unreachable & addresses:
            raise Unreachable("connect", on=self.server.label(), answer="connection refused")
        if self.redis.password and self.server.login.password != self.redis.password:
            raise Denied("log in", on=self.server.label(), answer="wrong password")
        return [self.redis.lists.get(one.key, 0) for one in questions]  # type: ignore[attr-defined]

    async def close(self) -> None:
        """Nothing is open."""


class External:
    """An external scaler: `metrics` by name are (target, value); `push` wakes whoever watches."""

    batch = 1000
    wake_gap_s = 0.25

    def __init__(self) -> None:
        self.metrics: dict[str, tuple[float, float]] = {}
        self.is_active = False
        self.trouble: TidegateError | None = None
        self.push: Callable[[], None] = lambda: None

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        await asyncio.sleep(0.001)
        if self.trouble is not None:
            raise self.trouble
        return [self._one(question) for question in questions]

    async def watch(self, question: Question, pushed: Callable[[], None]) -> None:
        self.push = pushed
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Nothing is open."""

    def _one(self, question: Question) -> Any:
        if isinstance(question, ExternalSpecs):
            return tuple(MetricSpec(name, target) for name, (target, _) in self.metrics.items())
        if isinstance(question, ExternalValue):
            return self.metrics[question.metric][1]
        return self.is_active


class Cluster:
    """What a test says and sees."""

    def __init__(
        self,
        clock: Clock,
        client: MemoryClient | None = None,
        options: Options | None = None,
        stance: Stance | None = None,
    ) -> None:
        self.clock = clock
        self.stance = stance
        self.options = options or Options(cluster_namespace="keda")
        self.client = client or MemoryClient(MemoryObjects(clock), clock)
        self.objects = self.client.objects
        self.redis = Redis()
        self.external = External()
        self.safes = Safes(clock)
        self.operator = self.new_operator()

    def new_operator(self) -> Operator:
        """One that knows nothing yet. It counts pods by itself, and asks our Redis."""

        def connect(server: Server) -> Adapter:
            if isinstance(server, KubernetesServer):
                return made.connections.adapter(server)
            if isinstance(server, ExternalServer):
                return self.external
            if isinstance(server, AccountsServer | VaultServer):
                return self.safes.connect(server)
            return self.redis.connect(server)

        made = Operator(
            self.client,  # type: ignore[arg-type]
            self.clock,
            Surroundings(),
            self.options,
            connect=connect,
            stance=self.stance,
        )
        return made

    async def create(self, resource: Resource, name: str, **fields: Any) -> Object:
        metadata = {"name": name, "namespace": "shop", **fields.pop("metadata", {})}
        return await self.objects.create(resource, {"metadata": metadata, **fields})

    async def deployment(self, name: str = "web", replicas: int = 0) -> Object:
        spec = {"replicas": replicas, "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}
        return await self.create(DEPLOYMENTS, name, spec=spec)

    async def scaled_object(self, name: str = "web", *triggers: Object, **spec: Any) -> Object:
        metadata = spec.pop("metadata", {})
        body = {"scaleTargetRef": {"name": name}, "triggers": list(triggers or (redis(),)), **spec}
        return await self.create(SCALED_OBJECTS, name, metadata=metadata, spec=body)

    async def scaled_job(self, name: str = "crunch", *triggers: Object, **spec: Any) -> Object:
        metadata = spec.pop("metadata", {})
        template = {"spec": {"containers": [{"name": "c", "image": "i"}]}}
        body = {"jobTargetRef": {"template": template}, "triggers": list(triggers or (redis(),)), **spec}
        return await self.create(SCALED_JOBS, name, metadata=metadata, spec=body)

    async def patch(self, resource: Resource, name: str, patch: Object, subresource: str = "") -> None:
        await self.objects.patch(resource, "shop", name, patch, subresource)

    async def finish(self, name: str, how: str = "Complete") -> None:
        """The Job ends."""
        condition = {"type": how, "status": "True"}
        await self.patch(JOBS, name, {"status": {"conditions": [condition]}}, "status")

    def jobs(self, name: str = "crunch") -> list[str]:
        return [one["metadata"]["name"] for one in self.objects.list(JOBS, "shop", {LABEL: name})]

    def unfinished(self, name: str = "crunch") -> list[str]:
        jobs = self.objects.list(JOBS, "shop", {LABEL: name})
        return [one["metadata"]["name"] for one in jobs if not (one.get("status") or {}).get("conditions")]

    def replicas(self, name: str = "web") -> int:
        found = self.objects.get(DEPLOYMENTS, "shop", name)
        assert found is not None
        return int(found["spec"]["replicas"])

    def hpa(self, name: str = "keda-hpa-web") -> Object | None:
        return self.objects.get(HPAS, "shop", name)

    def condition(self, resource: Resource, name: str, type: str) -> tuple[str, str, str]:
        """Status, reason and message of a condition; empty where it is missing."""
        found = self.objects.get(resource, "shop", name) or {}
        for one in (found.get("status") or {}).get("conditions") or ():
            if one["type"] == type:
                return one["status"], one.get("reason", ""), one.get("message", "")
        return "", "", ""

    def events(self, name: str) -> list[tuple[str, str, str, int]]:
        """Type, reason, message and count of what was told of an object, in order."""
        return [
            (one["type"], one["reason"], one["message"], one["count"])
            for one in self.objects.list(EVENTS, "shop")
            if one["involvedObject"]["name"] == name
        ]

    def reasons(self, name: str) -> list[str]:
        return [reason for _, reason, _, count in self.events(name) for _ in range(count)]

    def status_writes(self) -> list[Write]:
        return [one for one in self.client.writes if one.subresource == "status"]


def redis(list_name: str = "jobs", **metadata: str) -> Object:
    return {
        "type": "redis",
        "metadata": {"address": "redis:6379", "listName": list_name, "listLength": "1", **metadata},
    }


def external(kind: str = "external", **metadata: str) -> Object:
    return {"type": kind, "metadata": {"scalerAddress": "scaler:9090", **metadata}}


@asynccontextmanager
async def operating(clock: Clock, **lists: float) -> AsyncIterator[Cluster]:
    """A cluster whose operator runs while the block does; its defects are raised at the end."""
    cluster = Cluster(clock)
    cluster.redis.lists.update(lists)
    async with running(cluster.operator):
        yield cluster


@asynccontextmanager
async def running(operator: Operator) -> AsyncIterator[None]:
    """The operator runs while the block does; its defects are raised at the end."""
    task = asyncio.create_task(operator.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    if not task.cancelled() and task.exception() is not None:
        raise AssertionError("the operator ended") from task.exception()


def operated(**lists: float) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., None]]:
    """Makes a test of a story with a clock that jumps and a cluster whose operator runs.

    The story's further parameters are the test's, for pytest to fill; `seed` is the order of the loop.
    """

    def as_test(story: Callable[..., Awaitable[None]]) -> Callable[..., None]:
        def test(**given: Any) -> None:
            async def whole(clock: Any) -> None:
                async with operating(clock, **lists) as cluster:
                    await story(clock, cluster, **given)

            virtualtime.run(whole, seed=given.get("seed", 0))

        test.__name__, test.__doc__ = story.__name__, story.__doc__
        own = list(inspect.signature(story).parameters.values())[2:]
        test.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]
        return test

    return as_test
