"""What a failed Pod means to its Job: `podFailurePolicy`, rule by rule.

Source: Kubernetes documentation, "Jobs", Pod failure policy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tidegate.local.objects import Object

COUNT, IGNORE, FAIL_INDEX, FAIL_JOB = "Count", "Ignore", "FailIndex", "FailJob"


@dataclass(frozen=True, slots=True)
class Judgement:
    """`message` says which rule fails the whole Job, and why."""

    action: str
    message: str = ""


COUNTED = Judgement(COUNT)


def judge(job: Object, pod: Object) -> Judgement:
    """The first rule that matches decides; a failure that none matches is counted."""
    policy = job["spec"].get("podFailurePolicy") or {}
    for index, rule in enumerate(policy.get("rules") or ()):
        why = _matching(rule, pod)
        if why is None:
            continue
        action = str(rule.get("action"))
        if action == FAIL_INDEX and job["spec"].get("backoffLimitPerIndex") is None:
            continue
        if action == FAIL_JOB:
            return Judgement(action, f"{why} matching {action} rule at index {index}")
        return Judgement(action)
    return COUNTED


def _matching(rule: dict[str, Any], pod: Object) -> str | None:
    place = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    status = pod.get("status") or {}
    if (codes := rule.get("onExitCodes")) is not None:
        found = next(_exit_codes(status, codes), None)
        return (
            None
            if found is None
            else f"Container {found[0]} for pod {place} failed with exit code {found[1]}"
        )
    present = {(one.get("type"), one.get("status")) for one in status.get("conditions") or ()}
    for pattern in rule.get("onPodConditions") or ():
        if (pattern.get("type"), pattern.get("status") or "True") in present:
            return f"Pod {place} has condition {pattern['type']}"
    return None


def _exit_codes(status: dict[str, Any], codes: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """The containers that failed as the rule says; a container that succeeded matches none."""
    name, values = codes.get("containerName"), codes.get("values") or ()
    for one in (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())):
        code = int(((one.get("state") or {}).get("terminated") or {}).get("exitCode") or 0)
        if code and name in (None, one.get("name")) and (code in values) == (codes.get("operator") == "In"):
            yield str(one.get("name")), code
