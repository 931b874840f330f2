"""What the operator keeps of each object between two reconciles. Lost with the process, and rebuilt."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tidegate.auth.identities import READ_ANNOTATIONS
from tidegate.base.errors import Failure
from tidegate.core.values import Decision, Memory, Reading, Seen
from tidegate.kube.resource import Resource
from tidegate.operator.history.object_state import ObjectState
from tidegate.operator.reconcile.claim_state import ClaimState
from tidegate.operator.reconcile.expectations import Expectations
from tidegate.operator.reconcile.trigger_plan import Plan

Key = tuple[Resource, str, str]
"""Resource, namespace and name of a ScaledObject or ScaledJob."""


@dataclass(frozen=True, slots=True)
class OwnWrite:
    """The object as our last write left it, and the versions that are known to be older. `is_sole`: nobody
    else's change is in it that was not reconciled."""

    older: frozenset[str]
    object: Any
    is_sole: bool = False

    @property
    def version(self) -> str:
        return str(self.object.metadata.resource_version)


@dataclass(frozen=True, slots=True)
class RefusedJobs:
    """Why the Jobs of a round were refused, and for which generation. `is_invalid`: as they are written, so
    that only an edit helps."""

    generation: int
    text: str
    is_invalid: bool


@dataclass(slots=True)
class Tracked:
    """One object's memory, plan and last decision.

    `is_stale`: something the plan read has changed. `ahead`: what we wrote and the cache may not show
    yet. `followed`: the metrics of each trigger that is measured, by its index. `is_started`: that it is was
    told. `is_replanned`: its plan is newer than what was last asked. `held_s`: since when its status waits
    for first readings (monotonic). `moments`: those of the readings that the last decision was made on.
    `is_resumed`: somebody has told of it before, most likely this operator before a restart.
    `last` are the readings from before a pause with the names of their metrics, by trigger index.
    `hpa_asked` is when its HPA last asked for a metric, `hpa_spoke` when the HPA's status was last seen to
    change. `object_state` is what its history was last told of. `left` is the count that our last write
    replaced, and when (monotonic). `doubtful` is a change that seemed to be somebody else's: its line, the
    counts before and after, and when. `refusal` is what the API server last refused, until a reconcile goes
    through; `refused_jobs` that of its Jobs, until some are created or the object changes. `errors` are its
    failures that nobody counts any more: of triggers that are no longer measured, of reconciles, and of the
    polls that it did not get while it was wrong; `wrong_since` (monotonic) is since when it is. `claims` are
    those of a ScaledJob that claims, or did. `asked_anew` (monotonic): since when its triggers wait for their
    turn in a budget before something is done; `stretched` are the factors of intervals that were told.
    """

    key: Key
    uid: str
    memory: Memory
    plan: Plan | None = None
    basis: Any = None
    is_stale: bool = False
    is_started: bool = False
    is_replanned: bool = False
    own_write: OwnWrite | None = None
    decision: Decision | None = None
    warned: tuple[str, ...] = ()
    expectations: Expectations = field(default_factory=Expectations)
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
    object_state: ObjectState | None = None
    left: tuple[int, float] | None = None
    doubtful: tuple[dict[str, Any], int, int, datetime] | None = None
    refusal: str = ""
    refused_jobs: RefusedJobs | None = None
    errors: int = 0
    wrong_since: float | None = None
    asked_anew: float | None = None
    stretched: dict[int, float] = field(default_factory=dict)
    claims: ClaimState | None = None

    def as_written(self, object: Any) -> Any:
        """The object, or as our own last write left it where that came after it."""
        own = self.own_write
        is_older = own is not None and object.metadata.resource_version in own.older
        return own.object if own is not None and is_older else object

    def is_echo(self, old: Any, new: Any) -> bool:
        """Whether a change shows our own last write and nothing else: whoever wrote it knows it already."""
        own = self.own_write
        if own is None or not own.is_sole or old is None or new is None:
            return False
        return new.metadata.resource_version == own.version and old.metadata.resource_version in own.older

    @property
    def is_wrong(self) -> bool:
        """Whether something keeps it from being scaled as it was written, whatever its triggers say."""
        is_check_failed = self.seen is not None and self.seen.check is not None
        return is_check_failed or (self.plan is not None and self.plan.check("") is not None)

    def count_wrong(self, now_s: float, interval_s: float) -> None:
        """Counts an error when it becomes wrong, and another for each polling interval that it stays so:
        nobody polls it, and an alert on errors must not fall silent."""
        if self.wrong_since is not None:
            polls = int((now_s - self.wrong_since) // interval_s)
            self.errors += polls
            self.wrong_since += polls * interval_s
        elif self.is_wrong:
            self.errors += 1
            self.wrong_since = now_s
        if not self.is_wrong:
            self.wrong_since = None


def with_refusals(check: Failure | None, tracked: Tracked) -> Failure | None:
    """What is wrong with an object, in one text with what the API server has refused of it."""
    jobs = tracked.refused_jobs
    texts = [check.message if check is not None else "", tracked.refusal, jobs.text if jobs else ""]
    kind = check.kind if check is not None else "Denied"
    return Failure(kind, "; ".join(filter(None, texts))) if any(texts) else None


class Tracker:
    """All tracked objects, by key and by uid, and who depends on what."""

    def __init__(self) -> None:
        self.by_key: dict[Key, Tracked] = {}
        self.by_uid: dict[str, Tracked] = {}
        self._dependents: dict[Hashable, set[Key]] = {}
        self._targeting: dict[Key, set[Key]] = {}

    def add(self, tracked: Tracked) -> None:
        self.by_key[tracked.key] = tracked
        self.by_uid[tracked.uid] = tracked

    def remove(self, key: Key) -> Tracked | None:
        """Forgets the object; returns what was known of it."""
        tracked = self.by_key.pop(key, None)
        if tracked is not None:
            self.by_uid.pop(tracked.uid, None)
            self._drop(tracked)
            self.set_target(tracked, None)
        return tracked

    def plan(self, tracked: Tracked, plan: Plan, basis: Any) -> None:
        """A new plan, with what it depends on."""
        self._drop(tracked)
        tracked.plan, tracked.basis, tracked.is_stale, tracked.is_replanned = plan, basis, False, True
        for read in _depends(plan):
            self._dependents.setdefault(read, set()).add(tracked.key)

    def dependents(self, changed: Hashable) -> list[Tracked]:
        """Whose plans read this object, or the answer to this question."""
        return [self.by_key[key] for key in self._dependents.get(changed, ()) if key in self.by_key]

    def set_target(self, tracked: Tracked, target: Key | None) -> None:
        """The object scales this target: a change of the target concerns it."""
        if tracked.target == target:
            return
        if tracked.target is not None:
            self._targeting[tracked.target].discard(tracked.key)
        tracked.target = target
        if target is not None:
            self._targeting.setdefault(target, set()).add(tracked.key)

    def targeting(self, target: Key) -> list[Tracked]:
        """Who scales this target."""
        return [self.by_key[key] for key in self._targeting.get(target, ()) if key in self.by_key]

    def _drop(self, tracked: Tracked) -> None:
        for read in _depends(tracked.plan) if tracked.plan is not None else ():
            keys = self._dependents.get(read)
            if keys is not None:
                keys.discard(tracked.key)
                if not keys:
                    del self._dependents[read]


def _depends(plan: Plan) -> Iterator[Hashable]:
    """The objects and the questions that a plan was made of."""
    yield from plan.read
    yield from plan.questions


def is_same_but_for_status(old: Any, new: Any) -> bool:
    """Whether an untyped object says the same as before to those who read it."""
    if old is None or new is None:
        return False
    keys = (old.keys() | new.keys()) - {"metadata", "status"}
    if any(old.get(key) != new.get(key) for key in keys):
        return False
    before, after = (one["metadata"].get("annotations") or {} for one in (old, new))
    return all(before.get(key) == after.get(key) for key in READ_ANNOTATIONS)
