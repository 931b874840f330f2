"""What an Indexed Job knows of each of its indexes: failures, whether it has failed, its delay. Pure.

Attempt `n` works on index `n % completions`.
Source: Kubernetes documentation, "Jobs", Backoff limit per index, and Success policy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from tidegate.local.controllers import pod_control
from tidegate.local.controllers.jobs.ranges import parse_ranges
from tidegate.local.objects import Object

INDEX = "batch.kubernetes.io/job-completion-index"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED_FAILURES = "batch.kubernetes.io/job-index-ignored-failure-count"
BACKOFF_S, BACKOFF_MAX_S = 10, 360


def is_indexed(job: Object) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def is_limited_per_index(job: Object) -> bool:
    return is_indexed(job) and job["spec"].get("backoffLimitPerIndex") is not None


def completions(job: Object) -> int:
    return int(job["spec"].get("completions") or 1)


def by_index(job: Object, numbers: Iterable[int]) -> Counter[int]:
    """How many of these attempts worked on each index."""
    size = completions(job)
    return Counter(number % size for number in numbers)


def past_their_limit(job: Object, failed: Iterable[int]) -> set[int]:
    """The indexes that failed more often than `backoffLimitPerIndex`."""
    if not is_limited_per_index(job):
        return set()
    limit = int(job["spec"]["backoffLimitPerIndex"])
    return {index for index, failures in by_index(job, failed).items() if failures > limit}


def delay_s(failures: int) -> int:
    """10 s after a failure, doubling up to 6 minutes."""
    return int(min(BACKOFF_S * 2 ** min(failures - 1, 10), BACKOFF_MAX_S)) if failures > 0 else 0


def on_hold(
    job: Object, failures: Mapping[int, int], pods: Mapping[int, Object], now: datetime
) -> dict[int, float]:
    """Seconds that indexes still wait for their next attempt; `pods` are the failed ones by attempt."""
    size = completions(job)
    last: dict[int, datetime] = {}
    for number, pod in pods.items():
        at = pod_control.finished_at(pod)
        last[number % size] = max(last.get(number % size, at), at)
    waits = {
        index: (at + timedelta(seconds=delay_s(failures.get(index, 0))) - now).total_seconds()
        for index, at in last.items()
    }
    return {index: left_s for index, left_s in waits.items() if left_s > 0}


def met_rule(job: Object, succeeded: Collection[int]) -> int | None:
    """The first rule of `successPolicy` that these indexes meet."""
    policy = job["spec"].get("successPolicy") or {}
    if not succeeded or not is_indexed(job):
        return None
    for number, rule in enumerate(policy.get("rules") or ()):
        count, text = rule.get("succeededCount"), rule.get("succeededIndexes")
        if text is None:
            if count is not None and len(succeeded) >= int(count):
                return number
            continue
        among = parse_ranges(text)
        if len(among & set(succeeded)) >= (len(among) if count is None else int(count)):
            return number
    return None
