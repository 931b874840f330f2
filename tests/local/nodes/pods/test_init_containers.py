"""Init containers and sidecars: what waits for what, what is begun again, what ends a pod."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parts.doomed import Doomed
from parts.machine import Machine, pod, processes, until
from tidegate.kube.resource import EVENTS


def one(name: str, line: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "image": "busybox", "command": ["sh", "-c", line], **more}


def sidecar(name: str, line: str, **more: Any) -> dict[str, Any]:
    return one(name, line, restartPolicy="Always", **more)


def status(machine: Machine, name: str) -> dict[str, Any]:
    found = machine.pod("a")["status"]
    every = [*(found.get("initContainerStatuses") or []), *(found.get("containerStatuses") or [])]
    return next((one for one in every if one["name"] == name), {"state": {}})


def condition(machine: Machine, kind: str) -> str:
    found = machine.pod("a")["status"].get("conditions") or []
    return next((str(one["status"]) for one in found if one["type"] == kind), "")


async def test_a_sidecar_holds_up_what_comes_after_it_until_it_has_started(
    machine: Machine, tmp_path: Path
) -> None:
    gate, marks = tmp_path / "gate", tmp_path / "marks"
    probe = {"exec": {"command": ["test", "-e", str(gate)]}, "periodSeconds": 0.05, "failureThreshold": 1000}
    inits = [
        sidecar("s", "echo s >> $M; sleep 60", startupProbe=probe),
        one("i", "echo i >> $M"),
        sidecar("t", "echo t >> $M; sleep 60"),
    ]
    for container in inits:
        container["env"] = [{"name": "M", "value": str(marks)}]
    main = one("c", f"echo c >> {marks}; sleep 60")
    await machine.apply("a", initContainers=inits, containers=[main])
    await until(lambda: "running" in status(machine, "s")["state"])
    await until(lambda: [e for e in machine.objects.list(EVENTS) if e["reason"] == "Unhealthy"])
    assert condition(machine, "Initialized") == "False"
    assert condition(machine, "PodReadyToStartContainers") == "True"
    assert status(machine, "i")["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert status(machine, "c")["state"] == {"waiting": {"reason": "PodInitializing"}}
    assert machine.pod("a")["status"]["phase"] == "Pending"
    gate.touch()
    await machine.phase("a", "Running")
    await until(lambda: len(marks.read_text().split()) == 4)
    assert marks.read_text().split()[:2] == ["s", "i"]
    assert condition(machine, "Initialized") == "True"


@pytest.mark.parametrize("policy", ["Always", "OnFailure"])
async def test_a_failed_init_container_is_begun_again(machine: Machine, tmp_path: Path, policy: str) -> None:
    mark = tmp_path / "mark"
    init = one("i", f"[ -e {mark} ] && exit 0; touch {mark}; exit 3")
    await machine.apply("a", "sleep", "60", initContainers=[init], restartPolicy=policy)
    await machine.phase("a", "Running")
    found = status(machine, "i")
    assert (found["restartCount"], found["ready"]) == (1, True)
    assert found["state"]["terminated"]["exitCode"] == 0
    assert found["lastState"]["terminated"]["exitCode"] == 3


async def test_where_nothing_is_begun_again_a_failed_init_container_ends_its_sidecars(
    machine: Machine,
) -> None:
    inits = [sidecar("s", "sleep 60"), one("i", "exit 3")]
    uid = await machine.apply("a", "true", initContainers=inits)
    await machine.phase("a", "Failed")
    assert processes(uid) == []
    assert "terminated" in status(machine, "s")["state"]
    assert status(machine, "c")["state"] == {"waiting": {"reason": "PodInitializing"}}


async def test_a_sidecar_that_ends_is_begun_again_beside_those_that_run(
    machine: Machine, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    ends = f"until [ -e {gate} ]; do sleep 0.02; done; rm {gate}; exit 0"
    await machine.apply("a", "sleep", "60", initContainers=[sidecar("s", ends)])
    await machine.phase("a", "Running")
    gate.touch()
    await until(lambda: status(machine, "s").get("restartCount") == 1)
    assert status(machine, "c")["restartCount"] == 0
    assert condition(machine, "Initialized") == "True"


async def test_a_main_container_is_begun_again_while_a_sidecar_waits(
    machine: Machine, tmp_path: Path
) -> None:
    gate, broken = tmp_path / "gate", tmp_path / "broken"
    fails = sidecar("s", f"[ -e {broken} ] && exit 1; until [ -e {broken} ]; do sleep 0.02; done; exit 1")
    main = one("c", f"until [ -e {gate} ]; do sleep 0.02; done; rm {gate}; exit 1")
    await machine.apply("a", initContainers=[fails], containers=[main], restartPolicy="Always")
    await machine.phase("a", "Running")
    broken.touch()
    await until(lambda: status(machine, "s")["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff")
    gate.touch()
    await until(lambda: status(machine, "c").get("restartCount") == 1)


async def test_sidecars_end_when_the_work_is_done_and_do_not_count(machine: Machine) -> None:
    uid = await machine.apply(
        "a", "true", initContainers=[sidecar("s", "trap 'exit 9' TERM; while :; do sleep 0.02; done")],
        restartPolicy="OnFailure",
    )  # fmt: skip
    await machine.phase("a", "Succeeded")
    assert status(machine, "s")["state"]["terminated"]["exitCode"] in (9, 143)
    assert status(machine, "s")["restartCount"] == 0
    assert processes(uid) == []
    assert condition(machine, "PodReadyToStartContainers") == "False"


async def test_without_init_containers_one_waits_to_be_created(machine: Machine) -> None:
    volumes = [{"name": "v", "configMap": {"name": "none"}}]
    await machine.apply("a", "true", volumes=volumes)
    await until(lambda: status(machine, "c")["state"].get("waiting"))
    assert status(machine, "c")["state"]["waiting"]["reason"] == "ContainerCreating"


async def test_a_deadline_counts_from_the_beginning_also_for_the_next_server(doomed: Doomed) -> None:
    body = pod("a", "sleep", "60", activeDeadlineSeconds=3600)
    (uid,) = await doomed.create(body)
    doomed.serve()
    await until(lambda: doomed.is_running("a"))
    await doomed.kill()
    doomed.change("a", {"status": {"startTime": "2026-01-01T00:00:00Z"}})
    machine = doomed.again()
    found = await machine.phase("a", "Failed")
    assert found["status"]["reason"] == "DeadlineExceeded"
    assert processes(uid) == []
