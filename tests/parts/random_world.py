"""A random world: the real operator, the real HPA controller and garbage collector, workers, and bad luck.

    plan (drawn) ──► happenings, one after another ──► objects, lists, troubles, kills
    every change ──► laws                              ──► the first that is broken ends the world

At the end all troubles are over, and the world must come to where its manifest says.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from parts.cluster import Cluster, Object
from parts.memory_client import SERVED
from parts.memory_objects import MemoryObjects, merged
from parts.virtualtime import VirtualClock
from parts.world_client import WHO, Broker, Troubles, WorldClient
from parts.world_workers import Workers
from tidegate.api.validation.problems import problems
from tidegate.auth.resolve import Options
from tidegate.base.errors import Failure, TidegateError
from tidegate.connections.adapter import Surroundings
from tidegate.kube.resource import (
    EVENTS,
    HPAS,
    SCALED_OBJECTS,
    SECRETS,
    TRIGGER_AUTHENTICATIONS,
    ApiError,
    Resource,
)
from tidegate.local.controllers.cluster.garbage_collection import Garbage
from tidegate.local.controllers.controller import Controller
from tidegate.local.controllers.hpa.hpas import Hpas
from tidegate.local.controllers.hpa.metric_samples import Samples
from tidegate.local.objects import Change
from tidegate.operator.operator import Operator
from tidegate.operator.reconcile.tracker import Tracked

KINDS = tuple(one for one in SERVED if one != EVENTS)
TRAIL = 60


class Lived:
    """An operator, its client, and the task it lives in."""

    def __init__(self, life: Life, name: str) -> None:
        self.name = name
        self.client = WorldClient(life.objects, life.clock, life.troubles, name)
        self.operator = Operator(
            self.client,  # type: ignore[arg-type]
            life.clock,
            Surroundings(),
            Options(cluster_namespace="keda"),
            connect=life.broker.connect_as(name),
        )
        self.is_doomed = False
        self.task = life.begin(self.operator.run(), name)

    def tracked(self, resource: Resource, name: str) -> Tracked | None:
        return self.operator.steps.tracker.by_key.get((resource, "shop", name))

    async def end(self) -> None:
        """Killed: nothing that it still does reaches anybody."""
        self.client.die()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        if not self.task.cancelled() and self.task.exception() is not None:
            raise AssertionError(f"{self.name} ended") from self.task.exception()


class Life(Cluster):
    """A world while it lives. `broken` are the laws that were broken, in words."""

    def __init__(self, clock: VirtualClock, seed: int) -> None:
        self.clock = clock
        self.seed = seed
        self.objects = MemoryObjects(clock)
        self.troubles = Troubles(clock)
        self.redis = self.broker = Broker(self.troubles)
        self.workers = Workers(self.objects, clock, self.broker.lists, seed=seed)
        self.broken: list[str] = []
        self.trail: deque[str] = deque(maxlen=TRAIL)
        self.operators: list[Lived] = []
        self.is_ever_alone = True
        self.is_drained_by_others = False
        self.pushed = 0
        self.births = 0
        self.subject: tuple[Resource, str] = (SCALED_OBJECTS, "web")
        self.recipes: dict[str, tuple[Resource, Object]] = {}
        self.on_birth: Callable[[Lived], None] = lambda lived: None
        self.on_metric: Callable[[Lived, str, Any], None] = lambda lived, name, answer: None
        self.controllers: list[asyncio.Task[Any]] = []
        self._tasks: list[asyncio.Task[Any]] = []
        self.objects.subscribe(KINDS, self._note)

    @property
    def subject_place(self) -> tuple[Resource, str, str]:
        return self.subject[0], "shop", self.subject[1]

    # --- what is said

    def breaks(self, law: str) -> None:
        """A law is broken."""
        self.broken.append(f"at {self.clock.monotonic():.3f} s: {law}")

    def note(self, text: str) -> None:
        self.trail.append(f"{self.clock.monotonic():>12.3f}  {text}")

    def _note(self, change: Change) -> None:
        one = change.object
        parts = [WHO.get(), change.type, change.resource.kind, one["metadata"]["name"]]
        if change.type == "MODIFIED" and change.previous is not None:
            parts.append(str(difference(change.previous, one)))
        self.note(" ".join(parts))

    def check(self) -> None:
        if self.broken:
            raise AssertionError("\n".join((self.broken[0], "what came before:", *self.trail)))

    # --- who lives

    def begin(self, work: Any, who: str) -> asyncio.Task[Any]:
        """A task whose changes are told to be those of `who`."""
        context = contextvars.copy_context()
        context.run(WHO.set, who)
        task = asyncio.get_running_loop().create_task(work, context=context)
        self._tasks.append(task)
        return task

    def bear(self) -> Lived:
        """A new operator, that knows nothing."""
        self.births += 1
        self.note(f"operator-{self.births} starts")
        self.troubles.changed()
        lived = Lived(self, f"operator-{self.births}")
        self.operators.append(lived)
        self.on_birth(lived)
        return lived

    async def bury(self, lived: Lived) -> None:
        self.note(f"{lived.name} is killed")
        self.troubles.changed()
        self.operators.remove(lived)
        await lived.end()

    def lived(self, name: str) -> Lived | None:
        return next((one for one in self.operators if one.name == name), None)

    @asynccontextmanager
    async def living(self, *, with_hpa: bool = True) -> AsyncIterator[None]:
        """Everybody lives while the block does."""
        defects = Defects(self)
        logging.getLogger("tidegate").addHandler(defects)
        self.workers.follow()
        samples = Samples(self._external_metric, self._usage)
        garbage = Garbage(self.objects, self.clock, lambda: KINDS)
        hpas = Hpas(self.objects, self.clock, samples, lambda: KINDS)
        for reconciler in (garbage, hpas) if with_hpa else (garbage,):
            controller: Controller[Any] = Controller(reconciler, self.objects, self.clock)  # type: ignore[arg-type]
            self.controllers.append(self.begin(controller.run(), "controllers"))
        await self._login()
        self.bear()
        try:
            yield
        finally:
            logging.getLogger("tidegate").removeHandler(defects)
            for lived in list(self.operators):
                await self.bury(lived)
            for task in (*self._tasks, *self.workers.tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, *self.workers.tasks, return_exceptions=True)

    async def _login(self) -> None:
        spec = {"secretTargetRef": [{"parameter": "password", "name": "redis", "key": "password"}]}
        await self.create(SECRETS, "redis", data={"password": "cmlnaHQ="})
        await self.create(TRIGGER_AUTHENTICATIONS, "login", spec=spec)

    async def _external_metric(self, namespace: str, name: str, labels: Mapping[str, str]) -> Any:
        if not self.operators:
            return Failure("Unreachable", "the metrics server does not answer")
        lived = self.operators[-1]
        answer = await lived.operator.external_metric(namespace, name, labels)
        if lived.client.is_dead:
            answer = Failure("Unreachable", "the connection was lost")
        self.on_metric(lived, name, answer)
        return answer

    async def _usage(self, *_: str) -> Any:
        return Failure("Unsupported", "nobody measures cpu here")

    # --- what befalls operators

    def doom(self, lived: Lived, at_write: int, is_committed: bool, down_s: float) -> None:
        """It dies at a write, or now, and another takes its place some time later."""
        if lived.client.died.is_set() or lived.is_doomed:
            return
        lived.is_doomed = True
        if at_write:
            lived.client.last_write = (at_write, is_committed)
        else:
            lived.client.die()
        self.begin(self._replace(lived, down_s), "others")

    async def _replace(self, lived: Lived, down_s: float) -> None:
        await lived.client.died.wait()
        if lived not in self.operators:
            return
        await self.bury(lived)
        await self.clock.sleep(down_s)
        if not self.operators:
            self.bear()

    async def take_over(self, overlap_s: float) -> None:
        """A second operator starts; the ones before it are ended some time later."""
        before = list(self.operators)
        self.is_ever_alone = self.is_ever_alone and not before
        self.bear()
        self.begin(self._retire(before, overlap_s), "others")

    async def _retire(self, before: list[Lived], overlap_s: float) -> None:
        await self.clock.sleep(overlap_s)
        for lived in before:
            if lived in self.operators and len(self.operators) > 1:
                await self.bury(lived)

    # --- what people do

    async def make(self, what: str, resource: Resource, body: Object) -> None:
        """Creates something that may be made again after it was deleted."""
        self.recipes[what] = (resource, body)
        if await self.tried(self.objects.create(resource, body)) and what == "subject":
            self.note(f"made: {body['spec']}")

    async def delete(self, what: str, again_s: float) -> None:
        """Deletes what was made, or the HPA; what was made is made again, once it is gone, as it was."""
        if what == "hpa":
            for hpa in self.objects.list(HPAS, "shop"):
                await self.tried(self.objects.delete(HPAS, "shop", hpa["metadata"]["name"]))
            return
        resource, body = self.recipes[what]
        if await self.tried(self.objects.delete(resource, "shop", body["metadata"]["name"])):
            self.begin(self._make_again(what, again_s), "others")

    def is_missing_something(self) -> bool:
        """Whether something that was made is not there now, or is being deleted."""
        found = [
            self.objects.get(one, "shop", body["metadata"]["name"]) for one, body in self.recipes.values()
        ]
        return any(one is None or one["metadata"].get("deletionTimestamp") for one in found)

    async def _make_again(self, what: str, again_s: float) -> None:
        resource, body = self.recipes[what]
        await self.clock.sleep(again_s)
        while self.objects.get(resource, "shop", body["metadata"]["name"]) is not None:
            await self.clock.sleep(1.0)
        await self.make(what, resource, body)

    async def edit(self, resource: Resource, name: str, patch: Object) -> bool:
        """A merge patch, refused as admission would refuse it; False where it is, or there is nothing."""
        found = self.objects.get(resource, "shop", name)
        if found is None or found["metadata"].get("deletionTimestamp"):
            return False
        wanted = merged(found, patch)
        if problems({key: value for key, value in wanted.items() if key != "status"}):
            return False
        return await self.tried(self.objects.patch(resource, "shop", name, patch))

    async def tried(self, work: Any) -> bool:
        """Whether what people do was taken."""
        try:
            await work
        except ApiError as error:
            self.note(f"refused: {error}")
            return False
        return True


class Defects(logging.Handler):
    """Whatever the product did not foresee breaks the first law."""

    def __init__(self, life: Life) -> None:
        super().__init__()
        self.life = life

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not isinstance(error, ApiError | TidegateError):
            self.life.breaks(f"a defect showed: {record.getMessage()}: {error!r}")


def difference(old: Any, new: Any) -> Any:
    """What of `new` differs, for people."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return {
        key: difference(old.get(key), new.get(key))
        for key in {**old, **new}
        if old.get(key) != new.get(key) and key not in ("resourceVersion", "managedFields")
    }
