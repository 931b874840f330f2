"""What a Job's Pods add up to, and the verdict: pure functions of the Job, its Pods and the moment.

Every Pod of a Job is an *attempt* with a number of its own, kept in an annotation. The numbers of
the attempts that ended are kept in an annotation of the Job (as ranges "0-3,5"), in the same write
as the counters of its status. A finished Pod is therefore counted once, however often it is looked
at, and it stays counted when it is deleted.

With completionMode Indexed, attempt `n` works on index `n % completions`, and indexes that succeeded
or failed are kept where Kubernetes keeps them, in `status.completedIndexes` and `failedIndexes`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any

from tidegate.base.times import parse_time
from tidegate.local.controllers import pod_control
from tidegate.local.controllers.jobs import failure_policy, indexes
from tidegate.local.controllers.jobs.indexes import is_indexed, is_limited_per_index
from tidegate.local.controllers.jobs.ranges import format_ranges, parse_ranges
from tidegate.local.controllers.owner_references import is_deleting
from tidegate.local.objects import ENDED_ATTEMPTS, Object

ATTEMPT = "tidegate.dev/attempt"
IGNORED_S = 1


@dataclass(frozen=True, slots=True)
class Count:
    """Attempts that ended, by number (`succeeded`: by index when indexed), and the Pods that have not.

    `broken` are the Pods of failed attempts that are still there, by number, those among them whose
    failure is `ignored` too; `fatal` says which of them fails the whole Job.
    """

    succeeded: frozenset[int]
    failed: frozenset[int]
    active: tuple[Object, ...]
    terminating: tuple[Object, ...]
    numbers: frozenset[int]
    failed_indexes: frozenset[int] = frozenset()
    ignored: frozenset[int] = frozenset()
    broken: dict[int, Object] = field(default_factory=dict)
    fatal: str = ""

    @property
    def ready(self) -> int:
        return sum(pod_control.is_ready(pod) for pod in self.active)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a Job ends: `is_success`, the condition's reason and message."""

    is_success: bool
    reason: str
    message: str


def attempt(pod: Object) -> int | None:
    """The number of the attempt this Pod is; None for a Pod that no Job controller made."""
    text = (pod["metadata"].get("annotations") or {}).get(ATTEMPT, "")
    return int(text) if text.isdecimal() else None


def count(job: Object, pods: Iterable[Object]) -> Count:
    """The Job's status brought up to date with its Pods.

    A Pod that was asked to end and then failed is no failure: it did what it was told. One that
    finished its work nevertheless has succeeded.
    """
    succeeded, failed = _ended(job)
    numbers = failed | succeeded
    failed_indexes, ignored, fatal = _failed_indexes(job), set[int](), ""
    active, terminating, broken = [], [], {}
    completions = indexes.completions(job)
    for pod in pods:
        number = attempt(pod)
        if number is None:
            continue
        numbers.add(number)
        phase = pod_control.phase(pod)
        if phase == "Succeeded":
            succeeded.add(number % completions if is_indexed(job) else number)
        elif phase == "Failed":
            if is_deleting(pod) and number not in failed:
                continue
            broken[number] = pod
            judgement = failure_policy.judge(job, pod)
            if judgement.action == failure_policy.IGNORE:
                ignored.add(number)
                continue
            failed.add(number)
            fatal = fatal or judgement.message
            if judgement.action == failure_policy.FAIL_INDEX:
                failed_indexes.add(number % completions)
        elif is_deleting(pod):
            terminating.append(pod)
        else:
            active.append(pod)
    return Count(
        frozenset(succeeded),
        frozenset(failed),
        tuple(active),
        tuple(terminating),
        frozenset(numbers),
        frozenset(failed_indexes | indexes.past_their_limit(job, failed)),
        frozenset(ignored),
        broken,
        fatal,
    )


def _ended(job: Object) -> tuple[set[int], set[int]]:
    """What earlier looks counted; earlier versions kept it in the status, for Jobs of every mode."""
    status = job.get("status") or {}
    old = {"succeeded": status.get("completedIndexes"), "failed": status.get("failedIndexes")}
    noted = (job["metadata"].get("annotations") or {}).get(ENDED_ATTEMPTS)
    kept = dict(part.split("=", 1) for part in noted.split(";")) if noted else old
    succeeded = old["succeeded"] if is_indexed(job) else kept.get("succeeded")
    return parse_ranges(succeeded or ""), parse_ranges(kept.get("failed") or "")


def _failed_indexes(job: Object) -> set[int]:
    if not is_limited_per_index(job) or ENDED_ATTEMPTS not in (job["metadata"].get("annotations") or {}):
        return set()
    return parse_ranges((job.get("status") or {}).get("failedIndexes") or "")


def note_of(job: Object, counted: Count) -> str:
    """What `count` reads again from the annotation `ENDED_ATTEMPTS`: `succeeded=0-3;failed=4`."""
    ranges = {"succeeded": () if is_indexed(job) else counted.succeeded, "failed": counted.failed}
    return ";".join(f"{name}={format_ranges(found)}" for name, found in ranges.items() if found)


def with_failed_actives(counted: Count) -> Count:
    """What still runs when a Job fails is going to be ended, and counts as failed."""
    ended = {number for pod in counted.active if (number := attempt(pod)) is not None}
    return replace(counted, failed=counted.failed | ended)


def verdict_of(job: Object, counted: Count, now: datetime) -> Verdict | None:
    """The verdict, or None while the Job goes on. Done work counts before limits that were passed."""
    spec = job["spec"]
    completions = spec.get("completions")
    succeeded = len(counted.succeeded)
    if completions is None:
        if succeeded and not counted.active:
            return Verdict(True, "CompletionsReached", "A Pod succeeded and none is left")
    elif succeeded >= int(completions):
        return Verdict(True, "CompletionsReached", "Reached expected number of succeeded pods")
    rule = indexes.met_rule(job, counted.succeeded)
    if rule is not None:
        return Verdict(True, "SuccessPolicy", f"Matched rules at index {rule}")
    if counted.fatal:
        return Verdict(False, "PodFailurePolicy", counted.fatal)
    if _has_passed_backoff_limit(spec, counted):
        return Verdict(False, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    left_s = deadline_left_s(job, now)
    if left_s is not None and left_s <= 0:
        return Verdict(False, "DeadlineExceeded", "Job was active longer than specified deadline")
    return _verdict_of_indexes(job, counted)


def _verdict_of_indexes(job: Object, counted: Count) -> Verdict | None:
    most, failed = job["spec"].get("maxFailedIndexes"), len(counted.failed_indexes)
    if not is_limited_per_index(job) or not failed:
        return None
    if most is not None and failed > int(most):
        message = "Job has exceeded the specified maximal number of failed indexes"
        return Verdict(False, "MaxFailedIndexesExceeded", message)
    if failed + len(counted.succeeded - counted.failed_indexes) >= indexes.completions(job):
        return Verdict(False, "FailedIndexes", "Job has failed indexes")
    return None


def _has_passed_backoff_limit(spec: dict[str, Any], counted: Count) -> bool:
    limit = int(spec.get("backoffLimit", 6))
    if len(counted.failed) > limit:
        return True
    if spec["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    # Containers that restart in place fail without a failed Pod. Source: Kubernetes counts restarts
    # against the limit with >=, except that a limit of 0 allows no restart at all.
    restarts = sum(pod_control.restarts(pod) for pod in counted.active)
    return restarts > 0 if limit == 0 else restarts >= limit


def deadline_left_s(job: Object, now: datetime) -> float | None:
    """Seconds until activeDeadlineSeconds passes; None when there is no deadline or no start yet."""
    deadline_s = job["spec"].get("activeDeadlineSeconds")
    started = (job.get("status") or {}).get("startTime")
    if deadline_s is None or not started:
        return None
    return float(deadline_s) - (now - parse_time(started)).total_seconds()


def backoff_left_s(pods: Iterable[Object], now: datetime, ignored: Collection[int] = ()) -> float:
    """Seconds to wait before the next Pod: 10 s after a failure, doubling up to 6 min; a success resets.

    Attempts whose failure is `ignored` are made again after a second, the pace of Kubernetes' controller.
    """
    pods = list(pods)
    success = max(
        (pod_control.finished_at(pod) for pod in pods if pod_control.phase(pod) == "Succeeded"), default=None
    )
    failures = {
        number: pod_control.finished_at(pod)
        for pod in pods
        if pod_control.phase(pod) == "Failed"
        and not is_deleting(pod)
        and (number := attempt(pod)) is not None
    }
    counted = [at for number, at in failures.items() if number not in ignored]
    recent = [at for at in counted if success is None or at > success]
    waits = [(at, IGNORED_S) for number, at in failures.items() if number in ignored]
    if recent:
        waits.append((max(recent), indexes.delay_s(len(recent))))
    return max((left_s for at, s in waits if (left_s := (at - now).total_seconds() + s) > 0), default=0.0)


def on_hold(job: Object, counted: Count, now: datetime) -> dict[int, float]:
    """Seconds that indexes still wait, where each has a limit of its own; an ignored failure delays too."""
    if not is_limited_per_index(job):
        return {}
    failures = indexes.by_index(job, counted.failed | counted.ignored)
    return indexes.on_hold(job, failures, counted.broken, now)


def wanted(job: Object, counted: Count) -> int:
    """How many Pods should be active now."""
    spec = job["spec"]
    parallelism = int(spec.get("parallelism", 1))
    completions = spec.get("completions")
    if completions is not None:
        done = counted.succeeded | counted.failed_indexes
        return min(parallelism, int(completions) - len(done))
    return min(parallelism, len(counted.active)) if counted.succeeded else parallelism


def surplus(job: Object, counted: Count) -> list[Object]:
    """Active Pods beyond what is wanted: those that are not ready, then the youngest."""
    over = len(counted.active) - max(wanted(job, counted), 0)
    by_worth = sorted(
        counted.active, key=lambda pod: (pod_control.is_ready(pod), -pod_control.created_at(pod).timestamp())
    )
    return by_worth[: max(over, 0)]


def replaces_failed_only(job: Object) -> bool:
    return bool(job["spec"].get("podReplacementPolicy") == "Failed")


def next_attempts(job: Object, counted: Count, most: int, held: Collection[int] = ()) -> list[int]:
    """The numbers of the Pods to create now, at most so many, never one that was used before, and
    none for an index that is `held`.

    A Job may ask for two thousand million of them: no more are counted up than are created.
    """
    occupied = len(counted.active)
    if replaces_failed_only(job):
        occupied += len(counted.terminating)
    missing = min(max(wanted(job, counted) - occupied, 0), most)
    if is_indexed(job):
        return list(islice(_next_indexed(job, counted, held), missing))
    first = max(counted.numbers, default=-1) + 1
    return list(range(first, first + missing))


def _next_indexed(job: Object, counted: Count, held: Collection[int]) -> Iterator[int]:
    completions = indexes.completions(job)
    replaced = (*counted.active, *(counted.terminating if replaces_failed_only(job) else ()))
    taken = {number % completions for pod in replaced if (number := attempt(pod)) is not None}
    taken |= counted.failed_indexes | set(held)
    tries: dict[int, int] = {}
    for number in counted.numbers:
        index = number % completions
        tries[index] = max(tries.get(index, 0), number // completions + 1)
    free = (index for index in range(completions) if index not in taken and index not in counted.succeeded)
    return (index + completions * tries.get(index, 0) for index in free)
