"""What becomes a line of an object's history, and who did it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.sentences import counted
from tidegate.base.times import parse_time
from tidegate.core.control_annotations import PAUSED, is_set, pause_of
from tidegate.core.outlook.messages import name_of
from tidegate.core.reasons import Code
from tidegate.core.values import Action, CreateJobs, DeleteJobs, Reason, SetReplicas
from tidegate.measure.rounds import Rounds
from tidegate.operator.history.object_state import changes, concerned, restored, settled, state_of
from tidegate.operator.history.store import HistoryStore, entry, reason_values
from tidegate.operator.reconcile.tracker import Tracked
from tidegate.review.manifest import TriggerPlan

Object = dict[str, Any]
DELETIONS = (Code.HISTORY_TRIMMED, Code.ROLLED_OUT)
# An HPA's count and its lastScaleTime are written one after the other, and seen in any order.
TOGETHER = timedelta(seconds=30)
# So long the cache may still show the count from before our own write.
OLD_S = 10.0


class History:
    """Tells the history of what a reconcile has found and done."""

    def __init__(self, history_store: HistoryStore, rounds: Rounds) -> None:
        self.history_store = history_store
        self.rounds = rounds

    def acted(self, tracked: Tracked, done: Iterable[Action]) -> None:
        """What was done of the last decision, and why."""
        assert tracked.decision is not None
        assert tracked.decided_at is not None
        for action in done:
            code, what = act(action)
            if what:
                reasons = [reason_values(one) for one in tracked.decision.reasons if is_why(one, action)]
                self.history_store.add(tracked.uid, entry(tracked.decided_at, code, what, reasons))

    def found(
        self, tracked: Tracked, replicas: int | None, hpa: Object | None, now: datetime, now_s: float
    ) -> None:
        """The count that was found; news where neither we nor the last reconcile made it. `hpa`: its HPA."""
        previous, tracked.replicas = tracked.replicas, replicas
        self._reconsider(tracked, hpa)
        if previous is None or replicas is None or previous == replicas:
            return
        if tracked.left is not None and tracked.left[0] == replicas and now_s - tracked.left[1] < OLD_S:
            tracked.replicas = previous
            return
        is_hpa = is_of_hpa(hpa, replicas, now)
        told = entry(
            now,
            "ScaledByHpa" if is_hpa else "ScaledByOthers",
            _step(previous, replicas, is_hpa=is_hpa),
        )
        added = self.history_store.add(tracked.uid, told)
        tracked.doubtful = None if is_hpa else (added, previous, replicas, now)

    def _reconsider(self, tracked: Tracked, hpa: Object | None) -> None:
        """The HPA may say only afterwards that it was its count."""
        if tracked.doubtful is None:
            return
        told, previous, replicas, at = tracked.doubtful
        if told["count"] == 1 and is_of_hpa(hpa, replicas, at):
            what = _step(previous, replicas, is_hpa=True)
            self.history_store.correct(tracked.uid, told, code="ScaledByHpa", what=what)
            tracked.doubtful = None

    def stood(self, tracked: Tracked, object: ScaledObject | ScaledJob, now: datetime) -> None:
        """What stands beside the count, where it has changed."""
        decision = tracked.decision
        assert decision is not None
        after = state_of(object, decision, lambda index: _name(tracked, index))
        if tracked.object_state is None:
            tracked.object_state = restored(self.history_store.of(tracked.uid), after)
        if after == tracked.object_state:
            return
        names = {one.index: _name(tracked, one.index) for one in _plans(tracked)}
        before, is_paused = concerned(tracked.object_state, names), _is_paused(object)
        after = settled(before, after, lambda index: self._is_read(tracked, index), is_paused=is_paused)
        for told in changes(before, after, decision, now):
            self.history_store.add(tracked.uid, told)
        tracked.object_state = after

    def _is_read(self, tracked: Tracked, index: int) -> bool:
        """Whether the trigger was read as it is written now; -1 stands for all of them.

        cpu and memory are read by the HPA: they fail only by how they are written.
        """
        if any(one.index == index and one.resource is not None for one in _plans(tracked)):
            return True
        indexes = tracked.followed if index < 0 else (index,)
        readings = [self.rounds.polled((tracked.uid, one)) for one in indexes]
        return all(one is not None and one.failure is None for one in readings)


def act(action: Action) -> tuple[str, str]:
    """Code and sentence of what was done; empty for what is no change of the number."""
    if isinstance(action, SetReplicas):
        return "Scaled", f"{action.previous} → {counted(action.replicas, 'replica')}"
    if isinstance(action, CreateJobs):
        return "JobsCreated", f"{counted(action.count, 'Job')} created in round {action.round}"
    if isinstance(action, DeleteJobs):
        return "JobsDeleted", f"{counted(len(action.names), 'Job')} deleted ({action.why})"
    return "", ""


def is_why(reason: Reason, action: Action) -> bool:
    """Whether the action was done for this reason: one decision may start Jobs and delete others."""
    if isinstance(action, DeleteJobs):
        return reason.code == action.why
    return reason.code not in DELETIONS


def is_of_hpa(hpa: Object | None, replicas: int, at: datetime) -> bool:
    """Whether the HPA says that it set this count, at about this moment."""
    status = (hpa or {}).get("status") or {}
    if status.get("desiredReplicas") != replicas:
        return False
    last = str(status.get("lastScaleTime") or "")
    return bool(last) and abs(parse_time(last) - at) < TOGETHER


def _step(previous: int, replicas: int, *, is_hpa: bool) -> str:
    return f"{previous} → {counted(replicas, 'replica')}, {'by the HPA' if is_hpa else 'not by us'}"


def _is_paused(object: ScaledObject | ScaledJob) -> bool:
    annotations = object.metadata.annotations
    return is_set(annotations, PAUSED) if isinstance(object, ScaledJob) else pause_of(annotations).is_full


def _plans(tracked: Tracked) -> tuple[TriggerPlan, ...]:
    return tracked.plan.review.triggers if tracked.plan is not None else ()


def _name(tracked: Tracked, index: int) -> str:
    """What people call a trigger."""
    plan = next((one for one in _plans(tracked) if one.index == index), None)
    if plan is None:
        return "the formula" if index < 0 else f"triggers[{index}]"
    return name_of(index, plan.trigger.type, plan.trigger.name, plan.metrics)
