"""kill -9 of the server at any line: nothing runs twice, nothing is lost, nothing is left over."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from parts.doomed import Doomed
from parts.kept_objects import KeptObjects
from parts.machine import Machine, pod, processes, until
from tidegate.kube.resource import PODS
from tidegate.local.nodes.processes import instance as instances
from tidegate.local.nodes.processes.instance import LAUNCHER, Instance, Plan, Record, View

pytestmark = pytest.mark.real

ALONE = View("none")


async def test_a_running_container_is_adopted_as_it_is(doomed: Doomed) -> None:
    (uid,) = await doomed.create(pod("a", "sleep", "60", restartPolicy="Always"))
    doomed.serve()
    await until(lambda: doomed.is_running("a"))
    await until(lambda: len(processes(uid)) == 2)
    before = processes(uid)
    await doomed.kill()
    machine = doomed.again()
    await until(lambda: machine.node._pods[uid].containers if uid in machine.node._pods else None)
    assert (await machine.exec("a", "sh", "-c", "echo $TIDEGATE_INSTANCE"))[1] == "c/0\n"
    assert processes(uid) == before
    assert machine.container("a")["restartCount"] == 0


async def test_a_container_that_cannot_be_looked_at_yet_is_not_started_beside_itself(
    doomed: Doomed, caplog: pytest.LogCaptureFixture
) -> None:
    (uid,) = await doomed.create(pod("a", "sleep", "60", restartPolicy="Always"))
    doomed.serve()
    await until(lambda: doomed.is_running("a"))
    # The shim and the command: a process shows no environment in the moment of its exec.
    await until(lambda: len(processes(uid)) == 2)
    before = processes(uid)
    await doomed.kill()
    claim = doomed.folder / "state" / "pods" / uid / "c" / "0" / "claim"
    claim.rename(claim.with_name("kept"))
    claim.mkdir()
    machine = doomed.again()
    await until(lambda: "pod step failed" in caplog.text)
    claim.rmdir()
    claim.with_name("kept").rename(claim)
    machine.node._pods[uid].wake()
    await until(lambda: machine.node._pods[uid].containers)
    assert (await machine.exec("a", "sh", "-c", "echo $TIDEGATE_INSTANCE"))[1] == "c/0\n"
    assert processes(uid) == before


async def test_the_exit_code_of_a_container_that_ended_meanwhile_is_known(
    doomed: Doomed, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    waits = f"while [ ! -e {gate} ]; do sleep 0.01; done; exit 9"
    (uid,) = await doomed.create(pod("a", "sh", "-c", waits))
    doomed.serve()
    await until(lambda: doomed.is_running("a"))
    await doomed.kill()
    gate.touch()
    await until(lambda: not processes(uid))
    machine = doomed.again()
    await machine.phase("a", "Failed")
    assert machine.container("a")["state"]["terminated"]["exitCode"] == 9


async def test_an_adopted_container_ends_under_the_new_server(doomed: Doomed, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    waits = f"while [ ! -e {gate} ]; do sleep 0.01; done; exit 4"
    (uid,) = await doomed.create(pod("a", "sh", "-c", waits))
    doomed.serve()
    await until(lambda: doomed.is_running("a"))
    await doomed.kill()
    machine = doomed.again()
    await until(lambda: uid in machine.node._pods)
    gate.touch()
    await machine.phase("a", "Failed")
    assert machine.container("a")["state"]["terminated"]["exitCode"] == 4


@pytest.mark.real
@pytest.mark.parametrize("die_at", range(1, 17))
async def test_a_server_killed_at_any_write_runs_nothing_twice(
    doomed: Doomed, tmp_path: Path, die_at: int
) -> None:
    marks = tmp_path / "marks"
    work = f"echo $HOSTNAME $TIDEGATE_INSTANCE >> {marks}; sleep 0.05"
    uids = await doomed.create(*(pod(name, "sh", "-c", work) for name in ("a", "b")))
    doomed.serve(die_at)
    await doomed.died()
    machine = doomed.again()
    for name in ("a", "b"):
        await machine.phase(name, "Succeeded")
    assert sorted(line.split()[0] for line in marks.read_text().splitlines()) == ["a", "b"]
    assert not [pid for uid in uids for pid in processes(uid)]


@pytest.mark.real
@pytest.mark.parametrize("delay_s", [0.0, 0.004, 0.008, 0.012, 0.016, 0.02, 0.03, 0.04])
async def test_a_server_killed_while_launchers_start_runs_nothing_twice(
    doomed: Doomed, tmp_path: Path, delay_s: float
) -> None:
    marks = tmp_path / "marks"
    work = f"echo $HOSTNAME $TIDEGATE_INSTANCE >> {marks}; sleep 0.05"
    await doomed.create(*(pod(name, "sh", "-c", work) for name in ("a", "b", "d")))
    doomed.serve()
    pods = doomed.folder / "state" / "pods"
    await until(lambda: any(pods.glob("*/c/*/record")))
    await asyncio.sleep(delay_s)
    await doomed.kill()
    machine = doomed.again()
    for name in ("a", "b", "d"):
        await machine.phase(name, "Succeeded")
    assert sorted(line.split()[0] for line in marks.read_text().splitlines()) == ["a", "b", "d"]


async def test_the_processes_of_a_pod_that_is_gone_are_ended_at_the_start(doomed: Doomed) -> None:
    (uid,) = await doomed.create(pod("a", "sh", "-c", "setsid sleep 60 & sleep 60"))
    doomed.serve()
    await until(lambda: doomed.is_running("a") and len(processes(uid)) >= 3)
    await doomed.kill()
    assert len(processes(uid)) >= 3
    await KeptObjects(doomed.file).delete(PODS, "default", "a", grace_s=0)
    doomed.again()
    await until(lambda: not processes(uid))
    await until(lambda: not (doomed.folder / "state" / "pods" / uid).exists())


async def test_a_deletion_is_finished_by_the_next_server(doomed: Doomed) -> None:
    (uid,) = await doomed.create(pod("a", "sleep", "60"))
    doomed.serve()
    await until(lambda: doomed.is_running("a"))
    await doomed.kill()
    await KeptObjects(doomed.file).delete(PODS, "default", "a")
    machine = doomed.again()
    await machine.gone("a")
    assert processes(uid) == []


def prepared(folder: Path, marks: Path) -> Instance:
    plan = Plan(["/bin/sh", "-c", f"echo ran >> {marks}"], {"PATH": os.defpath}, cwd="/", view=ALONE)
    return instances.write(folder, 0, plan, Record())


def late_launcher(instance: Instance) -> int:
    argv = [sys.executable, "-I", "-S", str(LAUNCHER), "run", str(instance.path)]
    # In a session of its own, as the server starts it: that of the tests may be led by a process that
    # is gone, or outside of our process namespace.
    return subprocess.run(argv, stderr=subprocess.DEVNULL, check=False, start_new_session=True).returncode


async def test_a_launcher_that_comes_after_the_server_gives_up(tmp_path: Path) -> None:
    instance = prepared(tmp_path / "c", tmp_path / "marks")
    assert instance.take()
    assert late_launcher(instance) == 75
    assert instance.inspect().state == "void"
    assert not (tmp_path / "marks").exists()


async def test_a_server_that_comes_after_the_launcher_does_not_take(tmp_path: Path) -> None:
    instance = prepared(tmp_path / "c", tmp_path / "marks")
    assert late_launcher(instance) == 0
    assert not instance.take()
    assert (tmp_path / "marks").read_text() == "ran\n"


async def test_of_many_that_race_for_an_instance_one_runs_it(tmp_path: Path) -> None:
    instance = prepared(tmp_path / "c", tmp_path / "marks")
    launchers = [asyncio.to_thread(late_launcher, instance) for _ in range(5)]
    taken, *codes = await asyncio.gather(asyncio.to_thread(instance.take), *launchers)
    assert taken + codes.count(0) == 1
    assert codes.count(75) == len(codes) - codes.count(0)
    assert (tmp_path / "marks").exists() != taken


async def test_an_instance_that_never_began_is_replaced_and_not_counted(doomed: Doomed) -> None:
    (uid,) = await doomed.create(pod("a", "true"))
    prepared(doomed.folder / "state" / "pods" / uid / "c", doomed.folder / "marks")
    machine = doomed.again()
    await machine.phase("a", "Succeeded")
    container = machine.container("a")
    assert container["containerID"].endswith("/c/1")
    assert container["restartCount"] == 0
    assert not (doomed.folder / "marks").exists()


async def test_a_process_lost_with_the_machine_starts_again_without_counting(doomed: Doomed) -> None:
    (uid,) = await doomed.create(pod("a", "true"))
    instance = prepared(doomed.folder / "state" / "pods" / uid / "c", doomed.folder / "marks")
    (instance.path / "claim").write_text("1 1 1 1 another-boot 1700000000.0\n")
    machine = doomed.again()
    await machine.phase("a", "Succeeded")
    assert machine.container("a")["restartCount"] == 0
    assert machine.container("a")["containerID"].endswith("/c/1")


async def test_files_left_empty_by_a_loss_of_power_are_a_lost_machine(doomed: Doomed) -> None:
    (uid,) = await doomed.create(pod("a", "true"))
    instance = prepared(doomed.folder / "state" / "pods" / uid / "c", doomed.folder / "marks")
    for name in ("claim", "record", "plan"):
        (instance.path / name).write_bytes(b"")
    machine = doomed.again()
    await machine.phase("a", "Succeeded")
    assert machine.container("a")["containerID"].endswith("/c/1")


@pytest.mark.parametrize(("marked_s", "state"), [(1, "ended"), (0, "lost"), (-1, "lost")])
def test_what_ended_by_itself_before_the_node_stopped_is_not_run_again(
    tmp_path: Path, marked_s: int, state: str
) -> None:
    instance = prepared(tmp_path / "c", tmp_path / "marks")
    (instance.path / "claim").write_text("1 1 1 1 another-boot 1700000000.0\n")
    (instance.path / "exit").write_text("0\n")
    instance.mark_lost()
    os.utime(instance.path / "exit", (1_700_000_000, 1_700_000_000))
    os.utime(instance.path / "lost", (1_700_000_000 + marked_s,) * 2)
    assert instance.inspect().state == state


def test_half_a_plan_is_never_run(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    plan = Plan(["/bin/sh", "-c", "x" * 2000], {}, cwd="/", view=ALONE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # takes a part, as a full disk does
    try:
        with pytest.raises(OSError, match="too large"):
            instances.write(tmp_path / "c", 0, plan, Record())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert instances.instances(tmp_path / "c") == []


def test_the_exit_code_is_kept_on_a_disk_that_is_full(tmp_path: Path) -> None:
    """On a small disk of its own, in namespaces of its own; skipped where the machine allows none."""
    full = (
        'mount -t tmpfs -o size=64k tmpfs "$1" || exit 99; cd "$1"; printf %s "$3" >exit;'
        ' cat /dev/zero >fill 2>/dev/null; sh -c "$2" "$1" sh -c "exit 7"; cat exit'
    )
    argv = [
        "unshare",
        "-rm",
        "sh",
        "-c",
        full,
        "sh",
        str(tmp_path),
        instances.SHIM,
        instances.NO_EXIT.decode(),
    ]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
    except FileNotFoundError:
        pytest.skip("no unshare on this machine")
    if done.returncode in (1, 99) and not done.stdout:
        pytest.skip(f"no disk of its own: {done.stderr}")
    assert done.stdout.startswith("7\n")


async def test_a_container_killed_with_its_shell_counts_as_killed(machine: Machine) -> None:
    uid = await machine.apply("a", "sleep", "60")
    await machine.phase("a", "Running")
    # While it becomes the command a process has no environment that could be read.
    await until(lambda: len(processes(uid)) == 2)
    for pid in processes(uid):
        os.kill(pid, signal.SIGKILL)
    await machine.phase("a", "Failed")
    assert machine.container("a")["state"]["terminated"]["exitCode"] == 137


async def test_pods_stopped_with_the_node_start_anew_and_do_not_count_as_failed(tmp_path: Path) -> None:
    objects = KeptObjects(tmp_path / "objects.json")
    first = Machine(tmp_path / "state", objects)
    first.start()
    uid = await first.apply("a", "sleep", "60")
    await first.phase("a", "Running")
    await first.stop(kill_pods=True)
    assert processes(uid) == []
    second = Machine(tmp_path / "state", KeptObjects(tmp_path / "objects.json"))
    second.start()
    await until(lambda: processes(uid))
    assert second.container("a")["restartCount"] == 0
    await second.stop()
