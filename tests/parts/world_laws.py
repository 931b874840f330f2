"""What holds in every random world at every change, for ScaledObjects. A broken law is said in words.

An operator may act on what was true when it last could see: on any version of the object, and any answer
of the broker, that is not older than its troubles explain.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from parts.random_world import Life, Lived
from parts.world_client import WHO, Answer
from tidegate.api.conditions import find
from tidegate.api.decode import decode_as
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import Failure
from tidegate.base.sentences import counted
from tidegate.base.times import parse_time
from tidegate.core.control_annotations import FORCE_ACTIVATION, Pause, is_set, pause_of
from tidegate.core.scaledobject.restore import restored_replicas
from tidegate.kube.resource import DEPLOYMENTS, HPAS, SCALED_OBJECTS
from tidegate.local.objects import Change

# Decisions take whole seconds for the moments they remember.
ROUNDING_S = 2.0
# A reading of this age may take a target to zero.
MOMENT_S = 1.0
RAISING = {"Activated", "RaisedToMinimum"}


@dataclass(slots=True)
class Version:
    """A version of the scaled thing, and until when it was the newest."""

    object: Any
    until_s: float = float("inf")

    @property
    def pause(self) -> Pause:
        return pause_of(self.object.metadata.annotations)

    @property
    def is_forced(self) -> bool:
        return is_set(self.object.metadata.annotations, FORCE_ACTIVATION)

    def lists(self) -> list[tuple[str, float, bool]]:
        """Each trigger's list, its activation, and whether it can be measured at all."""
        return [
            (
                one.metadata["listName"],
                float(one.metadata.get("activationListLength", "0")),
                one.metadata["listLength"].isdigit(),
            )
            for one in self.object.spec.triggers
        ]


class Versions:
    """The versions of the world's subject that somebody may still believe in."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.all: list[Version] = []
        self.born: dict[str, Moment] = {}
        life.objects.subscribe([life.subject[0]], self._on_change)

    def _on_change(self, change: Change) -> None:
        kind = ScaledObject if change.resource == SCALED_OBJECTS else ScaledJob
        now_s = self.life.clock.monotonic()
        if change.type == "DELETED":
            self.all[-1].until_s = now_s
            return
        version = Version(decode_as(kind, change.object))
        if change.type == "ADDED":
            self.born[version.object.metadata.uid] = Moment(now_s, self.life.clock.now())
        if self.all and self.all[-1].until_s > now_s:
            self.all[-1].until_s = now_s
        self.all.append(version)

    def recent(self) -> list[Version]:
        since_s = self.life.troubles.seen_since()
        return [one for one in self.all if one.until_s >= since_s]


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment on both clocks."""

    steady_s: float
    wall: datetime

    def elapsed_s(self, life: Life) -> float:
        """By the clock that shows more."""
        wall_s = (life.clock.now() - self.wall).total_seconds()
        return max(wall_s, life.clock.monotonic() - self.steady_s)


class ObjectLaws:
    """Watches who changes the target, and why."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.versions = Versions(life)
        self.active: dict[tuple[str, str], Moment] = {}
        self.remembered: dict[str, Moment] = {}
        self.told: dict[str, Any] = {}
        life.objects.subscribe([DEPLOYMENTS, HPAS], self._on_change)
        life.broker.on_answer = self._on_answer
        life.on_birth = self._on_birth
        life.on_metric = self._on_metric

    # --- what operators hear

    def now(self) -> Moment:
        return Moment(self.life.clock.monotonic(), self.life.clock.now())

    def _on_answer(self, name: str, key: str, answer: Answer) -> None:
        recent = self.versions.recent()
        if answer.value is None or not recent:
            return
        if all(
            any(is_good and one == key and answer.value > least for one, least, is_good in version.lists())
            for version in recent
        ):
            self.active[(name, recent[-1].object.metadata.uid)] = self.now()

    def _on_birth(self, lived: Lived) -> None:
        """What the status says is what a new operator remembers."""
        found = self.life.objects.get(*self.life.subject_place)
        if found is None:
            return
        object = decode_as(ScaledObject, found)
        active = find(object.status.conditions, "Active")
        now, written = self.now(), object.status.last_active_time
        moment = None
        if active is not None and active.status == "True":
            moment = now
        elif written:
            wall = min(parse_time(written), now.wall)
            moment = Moment(now.steady_s - (now.wall - wall).total_seconds(), wall)
        if moment is not None:
            self.active[(lived.name, object.metadata.uid)] = moment

    def _on_metric(self, lived: Lived, name: str, answer: Any) -> None:
        """What the HPA is told is what was read, or the fallback's; never a number for what is unknown."""
        self.told[name] = answer
        if isinstance(answer, Failure) or any(v.object.spec.fallback for v in self.versions.recent()):
            return
        key = name.rpartition("-")[2]
        values = [one.value for one in self.latest(lived.name, key)]
        if answer[0] not in values:
            self.life.breaks(f"the HPA was told {answer} for {name}, while the last answers were {values}")

    def latest(self, name: str, key: str) -> list[Answer]:
        """The answers of which each may have been the last when a decision of now was made."""
        answers = self.life.broker.answers.get((name, key), [])
        since_s = self.life.clock.monotonic() - self.life.troubles.thinking_s()
        later = [one for one in answers if one.at_s >= since_s]
        return answers[len(answers) - len(later) - 1 :] if len(later) < len(answers) else answers

    # --- what is done to the target

    def _on_change(self, change: Change) -> None:
        if change.resource != DEPLOYMENTS or change.type != "MODIFIED" or change.previous is None:
            return
        before, after = change.previous["spec"]["replicas"], change.object["spec"]["replicas"]
        who = WHO.get()
        if who == "controllers" and after < before:
            self._lowered_by_hpa(before, after)
        lived = self.life.lived(who)
        if lived is None:
            return
        if {**change.previous["spec"], "replicas": after} != change.object["spec"]:
            self.life.breaks(f"{who} changed more of the target than its replicas")
        self._is_allowed(lived, before, after)

    def _lowered_by_hpa(self, before: int, after: int) -> None:
        for hpa in self.life.objects.list(HPAS, "shop"):
            if before > hpa["spec"]["maxReplicas"]:
                return
            names = [one["external"]["metric"]["name"] for one in hpa["spec"]["metrics"]]
            unread = [name for name in names if isinstance(self.told.get(name), Failure)]
            if unread:
                self.life.breaks(f"the HPA lowered from {before} to {after} while {unread} could not be read")

    def _is_allowed(self, lived: Lived, before: int, after: int) -> None:
        recent = self.versions.recent()
        refusals = [self._refusal(lived, version, before, after) for version in recent]
        if None not in refusals:
            said = "; ".join(dict.fromkeys(one for one in refusals if one)) or "there is no object"
            self.life.breaks(f"{lived.name} set the target from {before} to {after}, but {said}")
        if recent and not any(v.object.metadata.deletion_timestamp for v in recent):
            self._has_reason(lived, before, after)
            uid = recent[-1].object.metadata.uid
            self.life.begin(self._is_told(lived, uid, f"{before} → {counted(after, 'replica')}"), "others")

    def _refusal(self, lived: Lived, version: Version, before: int, after: int) -> str | None:
        """Why this version does not allow the step; None where it does."""
        object, pause = version.object, version.pause
        if object.metadata.deletion_timestamp:
            return None if after == restored_replicas(object) else "a deleted object restores its own count"
        if pause.is_full:
            return None if after == pause.replicas else f"it is paused at {pause.replicas}"
        return (
            self._raise(lived, version, before, after)
            if after > before
            else self._lower(lived, version, after)
        )

    def _raise(self, lived: Lived, version: Version, before: int, after: int) -> str | None:
        spec = version.object.spec
        least = spec.replicas_min
        if spec.idle_replica_count is None and before < least == after and not version.is_forced:
            return None
        if after != max(1, least) or (before > 0 and spec.idle_replica_count is None):
            return f"it is raised to {max(1, least)}, and from nothing or idle"
        if version.pause.is_scale_out_paused:
            return "scale-out is paused"
        is_active = any(
            answer.value is not None and is_good and answer.value > least_value
            for key, least_value, is_good in version.lists()
            for answer in self.latest(lived.name, key)
        )
        if not is_active and not version.is_forced and spec.fallback is None:
            return "no trigger was active"
        if is_active or version.is_forced:
            self.remembered[version.object.metadata.uid] = self.now()
        return None

    def _lower(self, lived: Lived, version: Version, after: int) -> str | None:
        spec = version.object.spec
        floor = spec.idle_replica_count or 0
        if after != floor or (spec.replicas_min and spec.idle_replica_count is None):
            return f"the operator lowers to idle or zero, where the minimum is {spec.replicas_min}"
        if version.pause.is_scale_in_paused:
            return "scale-in is paused"
        if version.is_forced:
            return "activation is forced"
        return self._unknown(lived, version) or self._cooling(lived, version)

    def _unknown(self, lived: Lived, version: Version) -> str | None:
        """Every trigger must have been read a moment ago, and have been inactive."""
        now_s = self.life.clock.monotonic()
        oldest_s = now_s - MOMENT_S - self.life.troubles.thinking_s() - 0.5
        for key, least, is_good in version.lists():
            if not is_good:
                return f"the trigger of list {key} cannot be read"
            tracked = [
                one
                for one in self.latest(lived.name, key)
                if one.value is not None and one.value <= least and one.at_s >= oldest_s
            ]
            if not tracked:
                answers = self.latest(lived.name, key)
                return f"list {key} is not known to be at most {least:g}: its last answers were {answers}"
        return None

    def _cooling(self, lived: Lived, version: Version) -> str | None:
        spec, metadata = version.object.spec, version.object.metadata
        moments = [self.active.get((lived.name, metadata.uid)), self.remembered.get(metadata.uid)]
        ages = [one.elapsed_s(self.life) for one in moments if one is not None]
        if ages:
            needed_s = spec.cooldown_s
        else:
            ages = [self.versions.born[metadata.uid].elapsed_s(self.life)]
            needed_s = spec.initial_cooldown_period or 0
        if needed_s and min(ages) < needed_s - ROUNDING_S:
            return f"it was active {min(ages):.1f} s ago, and the cooldown is {needed_s} s"
        return None

    def _has_reason(self, lived: Lived, before: int, after: int) -> None:
        tracked = lived.tracked(*self.life.subject)
        if tracked is None or tracked.decision is None:
            self.life.breaks(f"{lived.name} set the target to {after} without a decision")
            return
        reasons = tracked.decision.reasons
        if not reasons or ("current", before) not in reasons[-1].numbers or not said(reasons, after):
            self.life.breaks(f"nothing says why the target went from {before} to {after}: {reasons}")

    async def _is_told(self, lived: Lived, uid: str, change: str) -> None:
        """The history has it, as soon as the answer is there."""
        await self.life.clock.sleep(self.life.troubles.thinking_s())
        tracked = lived.tracked(*self.life.subject)
        if lived.client.is_dead or tracked is None or tracked.uid != uid:
            return
        if not any(change in one["what"] for one in lived.operator.steps.history_store.of(uid)[-10:]):
            self.life.breaks(f"the history does not tell of {change}")


def said(reasons: Iterable[Any], replicas: int) -> bool:
    return any(("replicas", replicas) in one.numbers for one in reasons)
