"""What becomes a line of an object's history, and who did it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.sentences import counted
from tidegate.base.times import parse_time
from tidegate.core.annotations import PAUSED, is_set, pause_of
from tidegate.core.outlook.messages import name_of
from tidegate.core.reasons import Code
from tidegate.core.values import Action, CreateJobs, DeleteJobs, Reason, SetReplicas
from tidegate.measure.rounds import Rounds
from tidegate.operator.history.object_state import changes, concerned, restored, settled, standing_of
from tidegate.operator.history.store import Chronicle, entry, reason_values
from tidegate.operator.reconcile.tracked import Known
from tidegate.review.manifest import TriggerPlan

Object = dict[str, Any]
DELETIONS = (Code.HISTORY_TRIMMED, Code.ROLLED_OUT)
# An HPA's count and its lastScaleTime are written one after the other, and seen in any order.
TOGETHER = timedelta(seconds=30)
# So long the cache may still show the count from before our own write.
OLD_S = 10.0


class History:
    """Tells the chronicle of what a look has found and done."""

    def __init__(self, chronicle: Chronicle, rounds: Rounds) -> None:
        self.chronicle = chronicle
        self.rounds = rounds

    def acted(self, known: Known, done: Iterable[Action]) -> None:
        """What was done of the last decision, and why."""
        assert known.decision is not None
        assert known.decided_at is not None
        for action in done:
            code, what = act(action)
            if what:
                reasons = [reason_values(one) for one in known.decision.reasons if is_why(one, action)]
                self.chronicle.add(known.uid, entry(known.decided_at, code, what, reasons))

    def found(
        self, known: Known, replicas: int | None, hpa: Object | None, now: datetime, now_s: float
    ) -> None:
        """The count that was found; news where it is neither ours nor the last look's. `hpa`: its HPA."""
        previous, known.replicas = known.replicas, replicas
        self._reconsider(known, hpa)
        if previous is None or replicas is None or previous == replicas:
            return
        if known.left is not None and known.left[0] == replicas and now_s - known.left[1] < OLD_S:
            known.replicas = previous
            return
        is_hpa = is_of_hpa(hpa, replicas, now)
        told = entry(
            now,
            "ScaledByHpa" if is_hpa else "ScaledByOthers",
            _step(previous, replicas, is_hpa=is_hpa),
        )
        added = self.chronicle.add(known.uid, told)
        known.doubtful = None if is_hpa else (added, previous, replicas, now)

    def _reconsider(self, known: Known, hpa: Object | None) -> None:
        """The HPA may say only afterwards that it was its count."""
        if known.doubtful is None:
            return
        told, previous, replicas, at = known.doubtful
        if told["count"] == 1 and is_of_hpa(hpa, replicas, at):
            what = _step(previous, replicas, is_hpa=True)
            self.chronicle.correct(known.uid, told, code="ScaledByHpa", what=what)
            known.doubtful = None

    def stood(self, known: Known, object: ScaledObject | ScaledJob, now: datetime) -> None:
        """What stands beside the count, where it has changed."""
        decision = known.decision
        assert decision is not None
        after = standing_of(object, decision, lambda index: _name(known, index))
        if known.standing is None:
            known.standing = restored(self.chronicle.of(known.uid), after)
        if after == known.standing:
            return
        names = {one.index: _name(known, one.index) for one in _plans(known)}
        before, is_paused = concerned(known.standing, names), _is_paused(object)
        after = settled(before, after, lambda index: self._is_read(known, index), is_paused=is_paused)
        for told in changes(before, after, decision, now):
            self.chronicle.add(known.uid, told)
        known.standing = after

    def _is_read(self, known: Known, index: int) -> bool:
        """Whether the trigger was read as it is written now; -1 stands for all of them.

        cpu and memory are read by the HPA: they fail only by how they are written.
        """
        if any(one.index == index and one.resource is not None for one in _plans(known)):
            return True
        indexes = known.followed if index < 0 else (index,)
        readings = [self.rounds.polled((known.uid, one)) for one in indexes]
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


def _plans(known: Known) -> tuple[TriggerPlan, ...]:
    return known.plan.review.triggers if known.plan is not None else ()


def _name(known: Known, index: int) -> str:
    """What people call a trigger."""
    plan = next((one for one in _plans(known) if one.index == index), None)
    if plan is None:
        return "the formula" if index < 0 else f"triggers[{index}]"
    return name_of(index, plan.trigger.type, plan.trigger.name, plan.metrics)
