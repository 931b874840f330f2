"""Pods that our node runs: to a real control plane it says what it says to the embedded one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from parts.looks import Sides, compare, events, printed, status, status_lines
from parts.side import shown

MANIFESTS = Path(__file__).with_name("manifests.yaml")
FLAGS: tuple[str, ...] = ()


def begin(sides: Sides) -> None:
    for side in sides:
        side.kubectl("apply", "-f", str(MANIFESTS))


def end(sides: Sides) -> None:
    # Where a test has failed before it let go of it.
    for side in sides:
        side.release("pod", "lingers")


def container(pod: Any) -> Any:
    return ((pod.get("status") or {}).get("containerStatuses") or [{"state": {}}])[0]


def is_backing_off(pod: Any) -> bool:
    state = container(pod)["state"].get("waiting") or {}
    return bool(state.get("reason") == "CrashLoopBackOff")


def is_so(found: Any, condition: str) -> bool:
    conditions = (found.get("status") or {}).get("conditions") or []
    return any(one["type"] == condition and one["status"] == "True" for one in conditions)


def has_two(endpoints: Any) -> bool:
    subsets = endpoints.get("subsets") or [{}]
    return len(subsets[0].get("addresses") or []) == 2


def test_a_pod_that_crashes_is_restarted_with_pauses(sides: Sides) -> None:
    pods = [side.until("it is held back", "pod", "crashes", holds=is_backing_off) for side in sides]
    assert status_lines(*map(shown, pods)) == []
    compare(sides, events("crashes"))


def test_a_deployment_runs_behind_a_service(sides: Sides) -> None:
    for side in sides:
        side.kubectl("rollout", "status", "deployment/web", "--timeout=30s")
        side.until("both pods are endpoints", "endpoints", "web", holds=has_two)
    compare(
        sides,
        status("deploy", "web"),
        printed("get", "deploy,rs,pods,svc,endpoints,endpointslices", "-o", "wide", "-l", "app=web"),
        printed("get", "svc,endpoints,endpointslices", "-o", "wide"),
        printed("describe", "deployment", "web"),
        events("web"),
    )


def test_jobs_complete_and_fail(sides: Sides) -> None:
    for side in sides:
        side.until("the good job is complete", "job", "good", holds=lambda job: is_so(job, "Complete"))
        side.until("the bad job has failed", "job", "bad", holds=lambda job: is_so(job, "Failed"))
    pods = [side.kubectl("get", "pods", "-l", "job-name=bad", "-o", "name").strip() for side in sides]
    compare(
        sides,
        status("job", "good"),
        status("job", "bad"),
        lambda sides: status_lines(*(side.status(pod) for side, pod in zip(sides, pods, strict=True))),
        printed("get", "jobs"),
        printed("describe", "jobs"),
        events("good", "bad"),
    )


def test_files_follow_a_config_map(sides: Sides) -> None:
    for side in sides:
        assert not is_so(json.loads(side.kubectl("get", "pod", "reads", "-o", "json")), "Ready")
        side.kubectl("patch", "configmap", "settings", "-p", '{"data": {"color": "blue"}}')
    for side in sides:
        side.until("the file has followed", "pod", "reads", holds=lambda pod: is_so(pod, "Ready"))
    compare(sides, status("pod", "reads"), events("reads"))


def test_an_update_rolls_out(sides: Sides) -> None:
    for side in sides:
        side.kubectl("set", "env", "deployment/web", "VERSION=2")
    for side in sides:
        side.kubectl("rollout", "status", "deployment/web", "--timeout=40s")
        side.until(
            "the old pods are gone", "pods", "-l", "app=web", holds=lambda pods: len(pods["items"]) == 2
        )
    compare(
        sides,
        status("deploy", "web"),
        printed("get", "deploy,rs,pods", "-l", "app=web"),
        events("web"),
    )


def test_a_hook_runs_before_the_end(sides: Sides) -> None:
    for side in sides:
        side.until("the pod runs", "pod", "lingers", holds=lambda pod: is_so(pod, "Ready"))
        side.kubectl("delete", "pod", "lingers", "--wait=false")
    try:
        for side in sides:
            pod = side.until(
                "it has ended", "pod", "lingers", holds=lambda pod: "terminated" in container(pod)["state"]
            )
            assert container(pod)["state"]["terminated"]["exitCode"] == 7
        compare(sides, status("pod", "lingers"), events("lingers"))
    finally:
        for side in sides:
            side.release("pod", "lingers")
            side.kubectl("wait", "--for=delete", "pod/lingers", "--timeout=20s")
