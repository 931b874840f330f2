"""What may happen in a random world, each with its effect: small values that print as they are drawn."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from parts.cluster import Object
from parts.random_world import Life
from parts.world_client import Refusal
from tidegate.base.errors import Unreachable
from tidegate.kube.resource import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    HPAS,
    JOBS,
    PODS,
    SCALED_JOBS,
    SCALED_OBJECTS,
    SECRETS,
    ApiError,
    Resource,
)

RESOURCES: dict[str, Resource] = {
    one.plural: one
    for one in (SCALED_OBJECTS, SCALED_JOBS, DEPLOYMENTS, HPAS, JOBS, PODS, SECRETS, CONFIG_MAPS)
}


class Happening:
    async def happen(self, life: Life) -> None:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Push(Happening):
    """Messages arrive."""

    list: str
    count: int

    async def happen(self, life: Life) -> None:
        life.broker.lists[self.list] = life.broker.lists.get(self.list, 0) + self.count
        life.pushed += self.count


@dataclass(frozen=True, slots=True)
class Drain(Happening):
    """Somebody else takes messages, as many as there are."""

    list: str

    async def happen(self, life: Life) -> None:
        life.broker.lists[self.list] = 0
        life.workers.taken.clear()
        life.is_drained_by_others = True


@dataclass(frozen=True, slots=True)
class BrokerIs(Happening):
    """`trouble` is "" (well), down, denied or garbled."""

    trouble: str
    answer_s: float = 0.001

    async def happen(self, life: Life) -> None:
        life.troubles.changed()
        life.broker.trouble_name, life.troubles.answer_s = self.trouble, self.answer_s
        life.troubles.changed()


@dataclass(frozen=True, slots=True)
class Password(Happening):
    """What the Secret says; "right" is right."""

    text: str

    async def happen(self, life: Life) -> None:
        data = {"password": base64.b64encode(self.text.encode()).decode()}
        await life.tried(life.objects.patch(SECRETS, "shop", "redis", {"data": data}))


@dataclass(frozen=True, slots=True)
class Edit(Happening):
    """A merge patch of the scaled thing's spec."""

    spec: Object = field(hash=False)

    async def happen(self, life: Life) -> None:
        await life.edit(*life.subject, {"spec": self.spec})


@dataclass(frozen=True, slots=True)
class Annotate(Happening):
    """An annotation under autoscaling.keda.sh; None takes it away."""

    name: str
    value: str | None

    async def happen(self, life: Life) -> None:
        patch = {"metadata": {"annotations": {f"autoscaling.keda.sh/{self.name}": self.value}}}
        await life.edit(*life.subject, patch)


@dataclass(frozen=True, slots=True)
class Lag(Happening):
    """Watches (of one kind, or all) show changes so much later."""

    seconds: float
    kind: str = ""

    async def happen(self, life: Life) -> None:
        life.troubles.changed()
        life.troubles.lags_s[RESOURCES.get(self.kind)] = self.seconds
        life.troubles.changed()


@dataclass(frozen=True, slots=True)
class CutWatches(Happening):
    """All watches end; `is_expired`: their versions are too old to go on from."""

    is_expired: bool

    async def happen(self, life: Life) -> None:
        life.troubles.changed()
        lost = Unreachable("watch", answer="the connection was lost")
        failure: Exception = ApiError(410, "Expired", "too old resource version") if self.is_expired else lost
        for lived in life.operators:
            lived.client.cut(failure)


@dataclass(frozen=True, slots=True)
class DoubleEvents(Happening):
    """From now on each event of a watch comes twice, or once again."""

    is_on: bool

    async def happen(self, life: Life) -> None:
        life.troubles.is_doubling = self.is_on


@dataclass(frozen=True, slots=True)
class Lists(Happening):
    """Lists take so long, and those of `forbidden` kinds are refused (their watches too, once cut)."""

    seconds: float
    forbidden: tuple[str, ...] = ()

    async def happen(self, life: Life) -> None:
        life.troubles.changed()
        life.troubles.list_s = self.seconds
        life.troubles.unlisted = {RESOURCES[kind] for kind in self.forbidden}
        life.troubles.changed()


@dataclass(frozen=True, slots=True)
class SlowWrites(Happening):
    seconds: float

    async def happen(self, life: Life) -> None:
        life.troubles.changed()
        life.troubles.write_s = self.seconds
        life.troubles.changed()


@dataclass(frozen=True, slots=True)
class RefuseWrites(Happening):
    """The next writes of a kind are refused, or their answers lost."""

    how: str
    kind: str
    count: int

    async def happen(self, life: Life) -> None:
        life.troubles.refusals.append(Refusal(self.how, self.kind, self.count))


@dataclass(frozen=True, slots=True)
class Kill(Happening):
    """The operator dies at its n-th write from now (0: now), and another starts `down_s` later."""

    at_write: int
    is_committed: bool
    down_s: float

    async def happen(self, life: Life) -> None:
        for lived in life.operators:
            life.doom(lived, self.at_write, self.is_committed, self.down_s)


@dataclass(frozen=True, slots=True)
class Takeover(Happening):
    """A second operator starts while the first still works, for so long."""

    overlap_s: float

    async def happen(self, life: Life) -> None:
        await life.take_over(self.overlap_s)


@dataclass(frozen=True, slots=True)
class SetClock(Happening):
    """The wall clock is set forward or back."""

    seconds: float

    async def happen(self, life: Life) -> None:
        life.clock.shift += timedelta(seconds=self.seconds)


@dataclass(frozen=True, slots=True)
class Delete(Happening):
    """Somebody deletes the scaled thing, its target or its HPA; it is made again `again_s` later."""

    what: str
    again_s: float

    async def happen(self, life: Life) -> None:
        await life.delete(self.what, self.again_s)


@dataclass(frozen=True, slots=True)
class ScaleTarget(Happening):
    """Somebody scales the target by hand."""

    replicas: int

    async def happen(self, life: Life) -> None:
        patch = {"spec": {"replicas": self.replicas}}
        await life.tried(life.objects.patch(DEPLOYMENTS, "shop", "web", patch, "scale"))


@dataclass(frozen=True, slots=True)
class EditHpa(Happening):
    """Somebody edits the HPA that is ours."""

    most: int

    async def happen(self, life: Life) -> None:
        for hpa in life.objects.list(HPAS, "shop"):
            name = hpa["metadata"]["name"]
            await life.tried(life.objects.patch(HPAS, "shop", name, {"spec": {"maxReplicas": self.most}}))


@dataclass(frozen=True, slots=True)
class DeleteJobs(Happening):
    """Somebody deletes up to `count` Jobs, the first by name."""

    count: int

    async def happen(self, life: Life) -> None:
        for name in life.jobs()[: self.count]:
            await life.tried(life.objects.delete(JOBS, "shop", name))


@dataclass(frozen=True, slots=True)
class Plan:
    """A world to live: what is scaled, from where, and what happens, each so long after the one before."""

    kind: str
    spec: dict[str, Any] = field(hash=False)
    replicas: int
    seed: int
    happenings: tuple[tuple[float, Happening], ...]

    def __repr__(self) -> str:
        lines = [f"    ({after_s}, {one!r})," for after_s, one in self.happenings]
        text = "\n".join(lines)
        spec = f"kind={self.kind!r}, replicas={self.replicas}, seed={self.seed}, spec={self.spec!r}"
        return f"Plan({spec}, happenings=(\n{text}\n))"
