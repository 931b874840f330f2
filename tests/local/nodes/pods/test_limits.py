"""Whom containers run as, and how much memory they may take."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from parts.doomed import Doomed
from parts.machine import Machine, own_objects, pod, processes, until
from tidegate.kube.resource import EVENTS
from tidegate.local.nodes.processes.cgroups import find_groups, kills
from tidegate.local.nodes.processes.environment import Incomplete
from tidegate.local.nodes.processes.instance import instances
from tidegate.local.nodes.processes.machine_view import Host
from tidegate.local.nodes.processes.run_as import RunAs, ignored, run_as

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
SHELL = ["sh", "-c"]
TAKES = "a=$(head -c 80000000 /dev/zero | tr '\\0' x); sleep 60; echo $a"


def body(of_pod: dict[str, Any], of_container: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    container = {"name": "c", "securityContext": of_container}
    metadata = {"name": "a", "namespace": "n", "uid": "u"}
    return {"metadata": metadata, "spec": {"securityContext": of_pod, "containers": [container]}}, container


@pytest.mark.parametrize(
    ("of_pod", "of_container", "found"),
    [
        ({}, {}, RunAs()),
        ({}, {"allowPrivilegeEscalation": False}, RunAs(is_sealed=True)),
        ({"runAsUser": 4321}, {"allowPrivilegeEscalation": False}, RunAs(4321, 0, (), True)),
        ({}, {"allowPrivilegeEscalation": True}, RunAs()),
        ({"runAsUser": 4321}, {}, RunAs(4321, 0)),
        ({"runAsUser": 4321, "runAsGroup": 5}, {"runAsUser": 4322}, RunAs(4322, 5)),
        ({"runAsUser": 4321, "fsGroup": 7, "supplementalGroups": [9, 8]}, {}, RunAs(4321, 0, (7, 8, 9))),
        ({"fsGroup": 7}, {"runAsGroup": 6}, RunAs(None, 6, (7,))),
        ({"runAsNonRoot": True}, {"runAsUser": 4321}, RunAs(4321, 0)),
        ({"runAsNonRoot": True, "runAsUser": 0}, {"runAsNonRoot": False}, RunAs(0, 0)),
    ],
)
def test_the_container_says_more_than_the_pod(
    of_pod: dict[str, Any], of_container: dict[str, Any], found: RunAs
) -> None:
    assert run_as(*body(of_pod, of_container), me=0) == found or found.user == 0


def test_root_is_refused_where_the_pod_forbids_it() -> None:
    pod = body({"runAsNonRoot": True}, {"runAsUser": 0})
    with pytest.raises(Incomplete) as refused:
        run_as(*pod, me=0)
    assert str(refused.value) == (
        'container\'s runAsUser breaks non-root policy (pod: "a_n(u)", container: c)'
    )
    assert run_as(*pod, me=1000) == RunAs()


def test_who_forbids_root_and_names_nobody_is_nobody() -> None:
    pod = body({"runAsNonRoot": True}, {})
    assert run_as(*pod, me=0).user == 65_534
    assert run_as(*pod, me=0, drops_root=True) == run_as(*pod, me=1000) == RunAs()


def test_what_an_ordinary_user_cannot_give_is_told() -> None:
    pod = body({"runAsUser": 1000, "fsGroup": 7}, {"runAsGroup": 8})
    assert ignored(*pod, me=0) == ""
    assert ignored(*pod, me=1000).startswith("runAsGroup, fsGroup: not honoured")
    assert ignored(*body({"runAsUser": 1000}, {}), me=1000) == ""


@needs_root
async def test_container_exec_and_volumes_are_the_users(machine: Machine) -> None:
    machine.shares = None
    context = {"runAsUser": 4321, "runAsGroup": 4322, "fsGroup": 4323, "supplementalGroups": [4324]}
    says = "id -u; id -g; id -G; echo $HOME; touch /v/mine && stat -c %u:%g /v/mine; echo x >>/dev/stdout"
    mounts = [{"name": "v", "mountPath": "/v"}]
    await machine.apply(
        "a",
        *SHELL,
        f"{says}; touch /etc/x || sleep 60",
        container={"volumeMounts": mounts},
        securityContext=context,
        volumes=[{"name": "v", "emptyDir": {}}],
    )
    await machine.phase("a", "Running")
    ids = ["4321", "4322", "4322 4323 4324"]
    await until(lambda: machine.container("a")["state"].get("running"))
    for _ in range(200):
        if "x\n" in (said := await machine.log("a")):
            break
        await asyncio.sleep(0.02)
    assert said.splitlines()[:6] == [*ids, "/", "4321:4323", "x"]
    code, out, _ = await machine.exec("a", *SHELL, "id -u; id -g; id -G")
    assert (code, out.splitlines()) == (0, ids)


@needs_root
async def test_a_user_who_may_not_run_the_command_is_told_so(machine: Machine) -> None:
    await machine.apply("a", "/root/no/such", securityContext={"runAsUser": 4321})
    await machine.phase("a", "Failed")
    assert machine.container("a")["state"]["terminated"]["reason"] == "StartError"


@needs_root
async def test_a_container_that_must_not_be_root_is_somebody_else(machine: Machine) -> None:
    await machine.apply("a", "id", "-u", securityContext={"runAsNonRoot": True})
    await machine.phase("a", "Succeeded", "Failed")
    assert await machine.log("a") == "65534\n"


@pytest.fixture(params=["by a group", "by watching"])
async def limited(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Machine]:
    is_watched = request.param == "by watching"
    host = Host(find=lambda *_: None) if is_watched else Host()
    one = Machine(tmp_path / "state", own_objects(), host=host)
    one.start()
    await until(lambda: one.node._is_open)
    groups = one.node._context.groups
    if not is_watched and groups is None:
        await one.stop()
        pytest.skip("this machine lets us make no control groups")
    yield one
    await one.stop()
    assert groups is None or not groups.parent.exists()


@pytest.mark.real
async def test_who_takes_more_than_the_limit_is_killed_for_it(limited: Machine) -> None:
    wants = {"resources": {"limits": {"memory": "40Mi"}}}
    await limited.apply("a", *SHELL, TAKES, container=wants)
    await limited.apply("b", "true", container=wants)
    await limited.phase("a", "Failed", "Succeeded")
    ended = limited.container("a")["state"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    told = [one["message"] for one in limited.objects.list(EVENTS) if one["reason"] == "OOMKilling"]
    assert told == ["Container c was killed: it took more memory than its limit, 40Mi"]
    assert (await limited.phase("b", "Succeeded", "Failed"))["status"]["phase"] == "Succeeded"


# Version 2 is tested against a folder of files: what a kernel does with them is not.
def test_groups_of_version_2_are_made_where_memory_is_given_on(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    groups = find_groups("tidegate-x", "0::/own\n", tmp_path)
    assert groups is not None
    assert (groups.parent, groups.version) == (tmp_path / "own" / "tidegate-x", 2)
    group = groups.make("u.c.0", 1 << 20)
    assert (group / "memory.max").read_text() == "1048576"
    assert (group / "memory.oom.group").read_text() == "1"
    assert kills(group) == 0
    (group / "memory.events").write_text("low 0\noom 2\noom_kill 1\n")
    assert kills(group) == 1


def test_where_no_group_can_be_made_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "tidegate-x").touch()
    assert find_groups("tidegate-x", "4:memory:/own\n0::/\n", tmp_path) is None
    assert find_groups("tidegate-x", "", tmp_path) is None


@pytest.mark.real
async def test_what_dies_with_the_server_leaves_no_group(doomed: Doomed) -> None:
    (uid,) = await doomed.create(
        pod("a", "sleep", "60", container={"resources": {"limits": {"memory": "64Mi"}}})
    )
    doomed.serve()
    await until(lambda: doomed.is_running("a"))
    head = instances(doomed.folder / "state" / "pods" / uid / "c")[0].head()
    if "cgroup" not in head:
        pytest.skip("this machine lets us make no control groups")
    group = Path(head["cgroup"][0])
    await until(group.is_dir)
    await doomed.kill()
    await until(lambda: len(processes(uid)) == 2)
    for pid in processes(uid):
        os.kill(pid, signal.SIGKILL)
    machine = doomed.again()
    await machine.phase("a", "Failed")
    assert machine.container("a")["state"]["terminated"]["reason"] == "Error"
    assert not group.parent.exists()


def test_groups_that_a_crash_left_are_removed(tmp_path: Path) -> None:
    groups = find_groups("tidegate-x", "0::/\n", tmp_path)
    assert groups is not None
    for name in ("old.c.0", "new.c.0"):
        (groups.parent / name).mkdir()
    groups.clear(lambda name: name.startswith("new"))
    assert not (groups.parent / "old.c.0").exists()
    assert (groups.parent / "new.c.0").exists()
