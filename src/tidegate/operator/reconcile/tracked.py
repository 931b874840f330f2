"""What the operator keeps of each object between two looks. Lost with the process, and rebuilt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidegate.core.values import Decision, Memory, Reading, Seen
from tidegate.kube.resource import Resource
from tidegate.operator.history.object_state import Standing
from tidegate.operator.reconcile.expectations import Ledger
from tidegate.operator.reconcile.trigger_plan import Plan

Key = tuple[Resource, str, str]
"""Resource, namespace and name of a ScaledObject or ScaledJob."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """The object as our last write left it, and the versions that are known to be older."""

    older: frozenset[str]
    object: Any


@dataclass(slots=True)
class Known:
    """One object's memory, plan and last decision.

    `is_stale`: something the plan read has changed. `ahead`: what we wrote and the cache may not show
    yet. `followed`: the metrics of each trigger that is measured, by its index. `is_started`: that it is was
    told. `is_replanned`: its plan is newer than what was last asked. `held_s`: since when its status waits
    for first readings (monotonic). `moments`: those of the readings that the last decision was made on.
    `is_resumed`: somebody has told of it before, most likely this operator before a restart.
    `last` are the readings from before a pause with the names of their metrics, by trigger index.
    `hpa_asked` is when its HPA last asked for a metric, `hpa_spoke` when the HPA's status was last seen to
    change. `standing` is what its history was last told of. `left` is the count that our last write replaced,
    and when (monotonic). `doubtful` is a change that seemed to be somebody else's: its line, the counts
    before and after, and when.
    """

    key: Key
    uid: str
    memory: Memory
    plan: Plan | None = None
    basis: Any = None
    is_stale: bool = False
    is_started: bool = False
    is_replanned: bool = False
    ahead: Ahead | None = None
    decision: Decision | None = None
    warned: tuple[str, ...] = ()
    ledger: Ledger = field(default_factory=Ledger)
    followed: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    target: Key | None = None
    replicas: int | None = None
    seen: Seen | None = None
    decided_at: datetime | None = None
    held_s: float | None = None
    moments: tuple[datetime | None, ...] = ()
    is_resumed: bool = False
    last: dict[int, tuple[tuple[str, ...], Reading]] = field(default_factory=dict)
    hpa_asked: datetime | None = None
    hpa_spoke: datetime | None = None
    standing: Standing | None = None
    left: tuple[int, float] | None = None
    doubtful: tuple[dict[str, Any], int, int, datetime] | None = None


class Register:
    """All known objects, by key and by uid, and who depends on what."""

    def __init__(self) -> None:
        self.by_key: dict[Key, Known] = {}
        self.by_uid: dict[str, Known] = {}
        self._dependents: dict[Key, set[Key]] = {}
        self._targeting: dict[Key, set[Key]] = {}

    def enter(self, known: Known) -> None:
        self.by_key[known.key] = known
        self.by_uid[known.uid] = known

    def leave(self, key: Key) -> Known | None:
        """Forgets the object; returns what was known of it."""
        known = self.by_key.pop(key, None)
        if known is not None:
            self.by_uid.pop(known.uid, None)
            self._drop(known)
            self.aim(known, None)
        return known

    def plan(self, known: Known, plan: Plan, basis: Any) -> None:
        """A new plan, with what it depends on."""
        self._drop(known)
        known.plan, known.basis, known.is_stale, known.is_replanned = plan, basis, False, True
        for read in plan.read:
            self._dependents.setdefault(read, set()).add(known.key)

    def dependents(self, changed: Key) -> list[Known]:
        """Whose plans read this object."""
        return [self.by_key[key] for key in self._dependents.get(changed, ()) if key in self.by_key]

    def aim(self, known: Known, target: Key | None) -> None:
        """The object scales this target: a change of the target concerns it."""
        if known.target == target:
            return
        if known.target is not None:
            self._targeting[known.target].discard(known.key)
        known.target = target
        if target is not None:
            self._targeting.setdefault(target, set()).add(known.key)

    def targeting(self, target: Key) -> list[Known]:
        """Who scales this target."""
        return [self.by_key[key] for key in self._targeting.get(target, ()) if key in self.by_key]

    def _drop(self, known: Known) -> None:
        for read in known.plan.read if known.plan is not None else ():
            keys = self._dependents.get(read)
            if keys is not None:
                keys.discard(known.key)
                if not keys:
                    del self._dependents[read]
