"""Why a pod does not run, from its status."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.operator.explain.pod_problems import counts, is_ready, problem_of

Object = dict[str, Any]
READY = {"type": "Ready", "status": "True"}


def pod(phase: str = "Running", *, metadata: Object | None = None, **status: Any) -> Object:
    return {"metadata": metadata or {}, "status": {"phase": phase, **status}}


def container(**state: Any) -> Object:
    return {"containerStatuses": [{"name": "c", **state}]}


CRASHED = container(
    state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting c"}},
    lastState={"terminated": {"exitCode": 3, "reason": "Error"}},
    restartCount=12,
)
PULLING = container(state={"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}})
UNSCHEDULED = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
UNREADY = {"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "unready: [c]"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (pod(conditions=[READY]), ""),
        (pod("Succeeded"), ""),
        (pod("Pending", metadata={"deletionTimestamp": "now"}, **PULLING), ""),
        (pod("Pending", **PULLING), "ImagePullBackOff: no such image"),
        (pod(**CRASHED), "CrashLoopBackOff: exit code 3, 12 restarts"),
        (
            pod("Failed", **container(state={"terminated": {"exitCode": 3, "reason": "Error"}})),
            "Error: exit code 3",
        ),
        (
            pod(
                "Failed",
                **container(
                    state={
                        "terminated": {"exitCode": 128, "reason": "StartError", "message": "exec:\n no file"}
                    }
                ),
            ),
            "StartError: exec: no file",
        ),
        (pod("Failed", reason="Evicted", message="low on memory"), "Evicted: low on memory"),
        (pod("Pending", conditions=[UNSCHEDULED]), "Unschedulable: 0/3 nodes"),
        (pod(conditions=[UNREADY]), "ContainersNotReady: unready: [c]"),
        (pod("Pending", **container(state={"waiting": {"reason": "ContainerCreating"}})), "not ready yet"),
        (pod("Pending"), "not ready yet"),
        ({"metadata": {}}, "not ready yet"),
    ],
)
def test_the_nearest_cause_is_told(given: Object, told: str) -> None:
    assert problem_of(given) == told


def test_equal_problems_are_counted_together_and_the_healthy_are_left_out() -> None:
    pods = [pod("Pending", **PULLING), pod(conditions=[READY]), pod(**CRASHED), pod("Pending", **PULLING)]
    assert counts(pods) == [
        (2, "ImagePullBackOff: no such image"),
        (1, "CrashLoopBackOff: exit code 3, 12 restarts"),
    ]


def test_a_pod_about_to_go_is_not_counted_as_ready() -> None:
    assert is_ready(pod(conditions=[READY]))
    assert not is_ready(pod(metadata={"deletionTimestamp": "now"}, conditions=[READY]))
    assert not is_ready(pod("Pending", conditions=[READY]))
