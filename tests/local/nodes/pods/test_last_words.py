"""What a program leaves for the status of its container, and what is told of ends."""

from __future__ import annotations

from typing import Any

import pytest

from parts.machine import Machine, until
from tidegate.kube.resource import EVENTS

PLACE = "/dev/termination-log"


def ended(machine: Machine) -> dict[str, Any]:
    state: dict[str, Any] = machine.container("a")["state"]["terminated"]
    return state


@pytest.mark.parametrize(
    ("line", "policy", "expected"),
    [
        ("echo log; printf 'gone wrong' > $P; exit 3", "File", "gone wrong"),
        ("printf well > $P", "File", "well"),
        ("echo log; exit 3", "File", None),
        ("echo log; exit 3", "FallbackToLogsOnError", "log\n"),
        ("echo log", "FallbackToLogsOnError", None),
        ("echo log; printf own > $P; exit 3", "FallbackToLogsOnError", "own"),
        ("seq 1 3000; exit 3", "FallbackToLogsOnError", "".join(f"{n}\n" for n in range(2921, 3001))),
        ("printf '%05000d' 7 > $P; exit 3", "File", "0" * 4095 + "7"),
    ],
)
async def test_a_program_may_say_why_it_ended(
    machine: Machine, line: str, policy: str, expected: str | None
) -> None:
    container = {
        "terminationMessagePath": PLACE,
        "terminationMessagePolicy": policy,
        "env": [{"name": "P", "value": PLACE}],
    }
    await machine.apply("a", "sh", "-c", line, container=container)
    await machine.phase("a", "Succeeded", "Failed")
    assert ended(machine).get("message") == expected


async def test_each_run_has_words_of_its_own(machine: Machine) -> None:
    container = {"terminationMessagePath": "/var/run/why/told"}
    line = "printf $TIDEGATE_INSTANCE >> /var/run/why/told; exit 1"
    await machine.apply("a", "sh", "-c", line, container=container, restartPolicy="OnFailure")
    await machine.waiting("a", "CrashLoopBackOff")
    last = machine.container("a")["lastState"]["terminated"]
    assert last["message"] == "c/1"
    assert last["containerID"].endswith("/c/1")


async def test_a_start_is_told_as_a_kubelet_tells_it(machine: Machine) -> None:
    await machine.apply("a", "true")
    await machine.phase("a", "Succeeded")
    await until(lambda: [e for e in machine.objects.list(EVENTS) if e["reason"] == "Started"])
    told = {one["reason"]: one["message"] for one in machine.objects.list(EVENTS)}
    assert told["Pulled"] == 'Container image "busybox" already present on machine'
