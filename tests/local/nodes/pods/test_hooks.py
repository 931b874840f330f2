"""`postStart` and `preStop`, and the order in which a pod ends, with real processes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from parts.doomed import Doomed
from parts.http_server import answering
from parts.machine import Machine, pod, processes, until
from tidegate.kube.resource import EVENTS, PODS
from tidegate.local.nodes.processes.instance_life import Life

WAITS = "trap 'echo term >> {marks}; exit 0' TERM; echo up >> {marks}; while :; do sleep 0.02; done"


def events(machine: Machine, reason: str) -> list[str]:
    return [one["message"] for one in machine.objects.list(EVENTS) if one["reason"] == reason]


def shell(line: str) -> dict[str, Any]:
    return {"exec": {"command": ["sh", "-c", line]}}


def saying(status: int) -> Any:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status)

    return answering(answer)


async def test_a_container_is_told_running_when_its_hook_is_done(machine: Machine, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    hook = shell(f"echo hook; until [ -e {gate} ]; do sleep 0.02; done")
    other = {"name": "d", "image": "busybox", "command": ["sleep", "60"]}
    first = {"name": "c", "image": "busybox", "command": ["sleep", "60"], "lifecycle": {"postStart": hook}}
    await machine.apply("a", containers=[first, other])
    await until(lambda: events(machine, "Started"))
    assert machine.pod("a")["status"]["phase"] == "Pending"
    assert machine.container("a")["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert events(machine, "Started") == ["Started container c"]
    gate.touch()
    await machine.phase("a", "Running")
    assert sorted(events(machine, "Started")) == ["Started container c", "Started container d"]


async def test_a_failed_hook_kills_the_container_and_tells_nothing_of_its_output(machine: Machine) -> None:
    hook = shell("echo secret; exit 7")
    uid = await machine.apply("a", "sleep", "60", container={"lifecycle": {"postStart": hook}})
    await machine.phase("a", "Failed")
    assert events(machine, "FailedPostStartHook") == ["PostStartHook failed"]
    assert events(machine, "Killing") == ["FailedPostStartHook"]
    assert machine.container("a")["state"]["terminated"]["exitCode"] == 143
    assert processes(uid) == []


async def test_a_failed_hook_is_a_failure_like_others_where_the_policy_restarts(machine: Machine) -> None:
    lifecycle = {"postStart": {"httpGet": {"port": 1, "path": "/"}}}
    await machine.apply("a", "sleep", "60", container={"lifecycle": lifecycle}, restartPolicy="Always")
    waiting = await machine.waiting("a", "CrashLoopBackOff")
    assert waiting["message"].startswith("back-off 10s")
    assert len(events(machine, "FailedPostStartHook")) == 1  # told twice, counted as one


@pytest.mark.parametrize("status", [200, 500])
async def test_any_answer_is_a_good_one(machine: Machine, status: int) -> None:
    async with saying(status) as server:
        headers = [{"name": "X-Mine", "value": "1"}]
        get = {"host": "127.0.0.1", "port": server.port, "path": "/begin?x=1", "httpHeaders": headers}
        lifecycle = {"postStart": {"httpGet": get}}
        await machine.apply("a", "sleep", "60", container={"lifecycle": lifecycle})
        await machine.phase("a", "Running")
    assert server.paths() == ["/begin?x=1"]
    assert server.requests[0].headers["X-Mine"] == "1"
    assert server.requests[0].headers["User-Agent"].startswith("kube-lifecycle/")


async def test_a_server_without_tls_that_is_asked_with_is_asked_again(machine: Machine) -> None:
    async with saying(200) as server:
        get = {"host": "127.0.0.1", "port": server.port, "scheme": "HTTPS"}
        await machine.apply("a", "sleep", "60", container={"lifecycle": {"postStart": {"httpGet": get}}})
        await machine.phase("a", "Running")
    assert server.paths() == ["/"]


def has_begun(marks: Path) -> bool:
    """Whether a hook has written its line: the file is there a moment before."""
    return marks.exists() and marks.read_text().endswith("\n")


async def test_pre_stop_comes_before_term(machine: Machine, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    lifecycle = {"preStop": shell(f"echo hook >> {marks}")}
    await machine.apply("a", "sh", "-c", WAITS.format(marks=marks), container={"lifecycle": lifecycle})
    await until(lambda: has_begun(marks))
    await machine.objects.delete(PODS, "default", "a")
    await machine.gone("a")
    assert marks.read_text().split() == ["up", "hook", "term"]


async def test_a_failed_pre_stop_is_told_and_the_end_goes_on(machine: Machine, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    lifecycle = {"preStop": {"httpGet": {"port": 1}}}
    await machine.apply("a", "sh", "-c", WAITS.format(marks=marks), container={"lifecycle": lifecycle})
    await until(lambda: has_begun(marks))
    await machine.objects.delete(PODS, "default", "a")
    await machine.gone("a")
    assert marks.read_text().split() == ["up", "term"]
    assert events(machine, "FailedPreStopHook") == ["PreStopHook failed"]


async def test_a_hook_that_takes_the_whole_grace_leaves_time_for_term(
    machine: Machine, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    container = {"lifecycle": {"preStop": {"sleep": {"seconds": 60}}}}
    command = WAITS.replace("echo term", "sleep 0.5; echo term").format(marks=marks)
    await machine.apply("a", "sh", "-c", command, container=container, terminationGracePeriodSeconds=1)
    await until(lambda: has_begun(marks))
    await machine.objects.delete(PODS, "default", "a")
    await machine.gone("a")
    assert marks.read_text().split() == ["up", "term"]
    assert events(machine, "FailedPreStopHook") == []


async def test_no_hook_runs_where_there_is_no_grace(machine: Machine, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    lifecycle = {"preStop": shell(f"echo hook >> {marks}")}
    uid = await machine.apply(
        "a", "sh", "-c", WAITS.format(marks=marks), container={"lifecycle": lifecycle},
        terminationGracePeriodSeconds=0,
    )  # fmt: skip
    await until(lambda: has_begun(marks))
    await machine.objects.delete(PODS, "default", "a")
    await machine.gone("a")
    await until(lambda: not processes(uid))
    assert "hook" not in marks.read_text().split()


async def test_sidecars_end_last_and_in_reverse_but_their_hooks_begin_with_the_others(
    machine: Machine, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"

    def one(name: str, **more: Any) -> dict[str, Any]:
        slow = "sleep 0.2; " if name == "c" else ""
        traps = f"trap '{slow}echo {name} >> {marks}; exit 0' TERM; echo up >> {marks}; "
        command = ["sh", "-c", f"{traps} while :; do sleep 0.02; done"]
        return {"name": name, "image": "busybox", "command": command, **more}

    hook = {"lifecycle": {"preStop": shell(f"echo hook >> {marks}")}}
    sidecars = [one("s1", restartPolicy="Always", **hook), one("s2", restartPolicy="Always")]
    await machine.apply("a", containers=[one("c"), one("d")], initContainers=sidecars)
    await until(lambda: marks.exists() and marks.read_text().count("up") == 4)
    await machine.objects.delete(PODS, "default", "a")
    await machine.gone("a")
    said = marks.read_text().split()[4:]
    assert said[-2:] == ["s2", "s1"]
    assert said.index("hook") < said.index("c")


async def test_a_restart_for_its_health_runs_the_hook_too(machine: Machine, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    container = {
        "lifecycle": {"preStop": shell(f"echo hook >> {marks}")},
        "livenessProbe": {
            "exec": {"command": ["false"]}, "periodSeconds": 0.05, "failureThreshold": 1, "timeoutSeconds": 5
        },
    }  # fmt: skip
    command = WAITS.format(marks=marks)
    await machine.apply("a", "sh", "-c", command, container=container, restartPolicy="Always")
    await until(lambda: machine.container("a").get("restartCount"))
    assert marks.read_text().split()[:3] == ["up", "hook", "term"]


async def test_a_server_that_dies_in_the_middle_of_a_hook_runs_it_once(
    doomed: Doomed, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    lifecycle = {"postStart": shell(f"echo hook >> {marks}; sleep 60")}
    await doomed.create(pod("a", "sleep", "60", container={"lifecycle": lifecycle}))
    doomed.serve()
    await until(lambda: has_begun(marks))
    await doomed.kill()
    machine = doomed.again()
    await machine.phase("a", "Running")
    assert marks.read_text() == "hook\n"


async def test_the_next_server_goes_on_with_what_is_left_of_the_grace(doomed: Doomed, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    lifecycle = {"preStop": shell(f"echo hook >> {marks}; [ $(wc -l < {marks}) -gt 1 ] || sleep 60")}
    slow = "trap 'sleep 0.5; exit 0' TERM; while :; do sleep 0.02; done"
    container = {"lifecycle": lifecycle}
    body = pod("a", "sh", "-c", slow, container=container, terminationGracePeriodSeconds=300)
    (uid,) = await doomed.create(body)
    doomed.serve()
    await until(lambda: doomed.is_running("a"))
    await doomed.kill()
    instance = doomed.folder / "state" / "pods" / uid / "c" / "0"
    await doomed.delete("a")
    doomed.serve()
    await until(lambda: has_begun(marks))
    await doomed.kill()
    before = Life.read(instance)
    assert before.pre_stop_at
    assert not before.signalled_at
    kept: list[Life] = []
    machine = doomed.again()
    while machine.objects.get(PODS, "default", "a"):
        if (instance / "life").exists():
            kept.append(Life.read(instance))
        await asyncio.sleep(0.02)
    assert marks.read_text() == "hook\nhook\n"
    assert {(one.until, one.pre_stop_at) for one in kept} == {(before.until, before.pre_stop_at)}
    assert kept[-1].is_pre_stop_done


def marking(marks: Path) -> dict[str, Any]:
    return {
        "postStart": shell(f"echo begin $TIDEGATE_INSTANCE >> {marks}"),
        "preStop": shell(f"echo end $TIDEGATE_INSTANCE >> {marks}"),
    }


@pytest.mark.real
@pytest.mark.parametrize("die_at", range(1, 18, 3))
async def test_killed_at_any_write_of_a_start_a_hook_runs_once_for_each_instance(
    doomed: Doomed, tmp_path: Path, die_at: int
) -> None:
    marks = tmp_path / "marks"
    await doomed.create(pod("a", "sleep", "60", container={"lifecycle": marking(marks)}))
    doomed.serve(die_at)
    await until(lambda: doomed.is_dead or doomed.is_running("a"), within_s=30.0)
    await doomed.kill()
    machine = doomed.again()
    await machine.phase("a", "Running")
    begun = marks.read_text().splitlines() if marks.exists() else []
    assert len(begun) == len(set(begun))


@pytest.mark.real
@pytest.mark.parametrize("die_at", range(1, 10, 2))
async def test_killed_at_any_write_of_an_end_the_next_server_brings_it_about(
    doomed: Doomed, tmp_path: Path, die_at: int
) -> None:
    marks = tmp_path / "marks"
    (uid,) = await doomed.create(pod("a", "sleep", "60", container={"lifecycle": marking(marks)}))
    doomed.serve()
    await until(lambda: doomed.is_running("a"))
    await doomed.kill()
    await doomed.delete("a")
    doomed.serve(die_at)
    await until(lambda: doomed.is_dead or not processes(uid), within_s=30.0)
    await doomed.kill()
    machine = doomed.again()
    await machine.gone("a")
    assert processes(uid) == []
    assert marks.read_text().splitlines()[:2] == ["begin c/0", "end c/0"]
