from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.local.nodes.pods import pod_status as lifecycle
from tidegate.local.nodes.pods.pod_status import (
    ContainerView,
    Role,
    next_delay,
    phase,
    pod_status,
    restarts_after,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WAITS = lifecycle.waiting("ContainerCreating")
RUNS = lifecycle.running(0)


def ended(code: int) -> dict[str, Any]:
    return lifecycle.terminated(code, 0, 1)


def view(
    state: dict[str, Any], role: Role = "main", last: dict[str, Any] | None = None, **more: Any
) -> ContainerView:
    return ContainerView("c", "i", role, state, last or {}, **more)


@pytest.mark.parametrize(
    ("policy", "views", "expected"),
    [
        ("Always", [view(WAITS)], "Pending"),
        ("Always", [view(RUNS)], "Running"),
        ("Always", [view(RUNS), view(WAITS)], "Pending"),
        ("Always", [view(ended(0))], "Running"),
        ("Always", [view(WAITS, last=ended(1))], "Running"),
        ("OnFailure", [view(ended(0))], "Succeeded"),
        ("OnFailure", [view(ended(1))], "Running"),
        ("OnFailure", [view(ended(0)), view(RUNS)], "Running"),
        ("Never", [view(ended(0))], "Succeeded"),
        ("Never", [view(ended(0)), view(ended(2))], "Failed"),
        ("Never", [view(ended(2)), view(RUNS)], "Running"),
        ("Never", [view(ended(1), "init"), view(WAITS)], "Failed"),
        ("OnFailure", [view(ended(1), "init"), view(WAITS)], "Pending"),
        ("Never", [view(RUNS, "init"), view(WAITS)], "Pending"),
        ("Never", [view(ended(0), "init"), view(RUNS)], "Running"),
        ("Never", [view(RUNS, "sidecar", is_started=True), view(ended(0))], "Succeeded"),
        ("Never", [view(RUNS, "sidecar"), view(WAITS)], "Pending"),
        ("Never", [view(ended(143), "sidecar"), view(ended(0))], "Succeeded"),
    ],
)
def test_the_phase_follows_from_the_containers(
    policy: str, views: list[ContainerView], expected: str
) -> None:
    assert phase(policy, views) == expected


def test_the_first_restart_is_at_once_then_ten_seconds_doubling_to_five_minutes() -> None:
    delays, delay_s = [], 0.0
    for restarts in range(9):
        delay_s = next_delay(restarts, delay_s, ran_s=1)
        delays.append(delay_s)
    assert delays == [0, 10, 20, 40, 80, 160, 300, 300, 300]


def test_ten_minutes_of_running_forget_the_delay() -> None:
    assert next_delay(7, 300, ran_s=600) == 0
    assert next_delay(8, 0, ran_s=1) == 10


@pytest.mark.parametrize(
    ("policy", "role", "code", "expected"),
    [
        ("Always", "main", 0, True),
        ("Always", "main", 1, True),
        ("OnFailure", "main", 0, False),
        ("OnFailure", "main", 1, True),
        ("Never", "main", 1, False),
        ("Always", "init", 0, False),
        ("Always", "init", 1, True),
        ("Never", "init", 1, False),
        ("Never", "sidecar", 0, True),
    ],
)
def test_the_policy_decides_about_restarts(policy: str, role: Role, code: int, expected: bool) -> None:
    assert restarts_after(policy, role, code) is expected


def test_a_signal_is_named_beside_its_exit_code() -> None:
    assert lifecycle.terminated(137, 0, 1)["terminated"] == {
        "exitCode": 137,
        "signal": 9,
        "reason": "Error",
        "startedAt": "1970-01-01T00:00:00Z",
        "finishedAt": "1970-01-01T00:00:01Z",
    }


def status(views: list[ContainerView], before: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return pod_status({"spec": spec, "status": before or {}}, views, "127.96.0.1", NOW)


def condition(found: dict[str, Any], kind: str) -> tuple[str, str]:
    one = next(c for c in found["conditions"] if c["type"] == kind)
    return one["status"], one.get("reason", "")


def test_a_running_unready_container_keeps_the_pod_unready() -> None:
    found = status([view(RUNS, is_started=True)])
    assert condition(found, "Initialized") == ("True", "")
    assert condition(found, "ContainersReady") == ("False", "ContainersNotReady")
    assert condition(found, "Ready") == ("False", "ContainersNotReady")


def test_a_finished_pod_is_not_ready() -> None:
    assert condition(status([view(ended(0))], restartPolicy="Never"), "Ready") == ("False", "PodCompleted")


def test_a_readiness_gate_has_to_be_opened_by_somebody() -> None:
    gate = {"readinessGates": [{"conditionType": "example.com/ok"}]}
    ready = [view(RUNS, is_ready=True)]
    assert condition(status(ready, **gate), "Ready") == ("False", "ReadinessGatesNotReady")
    opened = {"conditions": [{"type": "example.com/ok", "status": "True"}]}
    assert condition(status(ready, opened, **gate), "Ready") == ("True", "")


def test_a_transition_time_moves_only_with_its_status_and_others_conditions_stay() -> None:
    old = "2026-01-01T00:00:00Z"
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": old}
    before = {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": old}, scheduled]}
    times = {
        c["type"]: c["lastTransitionTime"] for c in status([view(RUNS, is_ready=True)], before)["conditions"]
    }
    assert times["Ready"] == times["PodScheduled"] == old
    assert times["ContainersReady"] == "2026-03-01T12:00:00Z"


def test_the_status_of_a_pod_at_rest_is_the_same_again() -> None:
    views = [view(RUNS, is_ready=True)]
    first = status(views)
    again = pod_status({"spec": {}, "status": first}, views, "127.96.0.1", NOW.replace(hour=13))
    assert again == first


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        ([view(ended(0), "init"), view(WAITS)], "True"),
        ([view(RUNS, "init"), view(WAITS)], "False"),
        ([view(RUNS, "sidecar", is_started=True), view(WAITS)], "True"),
        ([view(RUNS, "sidecar"), view(WAITS)], "False"),
        ([view(WAITS, "sidecar", ended(1)), view(WAITS)], "False"),
        ([view(WAITS, "sidecar", ended(1)), view(RUNS)], "True"),
        ([view(WAITS, "sidecar", ended(1)), view(WAITS, last=ended(1))], "True"),
    ],
)
def test_a_pod_is_initialized_once_its_main_containers_may_begin(
    views: list[ContainerView], expected: str
) -> None:
    assert condition(status(views), "Initialized")[0] == expected


def test_conditions_stand_in_the_order_that_describe_shows() -> None:
    before = {"conditions": [{"type": "PodScheduled", "status": "True"}]}
    found = [one["type"] for one in status([view(RUNS)], before)["conditions"]]
    assert found == ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]
