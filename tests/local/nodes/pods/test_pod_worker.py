"""Pods with real processes: what they see, how they end, what the status says."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from parts.machine import Machine, own_objects, pod, processes, until
from tidegate.base.errors import Failure
from tidegate.kube.resource import CONFIG_MAPS, EVENTS, PODS, SECRETS
from tidegate.local.nodes.pods.container_plan import names
from tidegate.local.nodes.processes.instance import View
from tidegate.local.streams import LogOptions


def terminated(machine: Machine, name: str) -> dict[str, Any]:
    state: dict[str, Any] = machine.container(name)["state"]["terminated"]
    return state


def events(machine: Machine, reason: str) -> list[str]:
    return [one["message"] for one in machine.objects.list(EVENTS) if one["reason"] == reason]


@pytest.mark.parametrize(
    ("command", "phase", "code", "reason"),
    [
        (["true"], "Succeeded", 0, "Completed"),
        (["sh", "-c", "exit 3"], "Failed", 3, "Error"),
        (["sh", "-c", "kill -9 $$$$"], "Failed", 137, "Error"),
        (["sh", "-c", "kill -TERM $$$$"], "Failed", 143, "Error"),
        (["no-such-program"], "Failed", 128, "StartError"),
        (["/etc/hostname"], "Failed", 128, "StartError"),
    ],
)
async def test_the_exit_code_decides(
    machine: Machine, command: list[str], phase: str, code: int, reason: str
) -> None:
    await machine.apply("a", *command)
    await machine.phase("a", phase)
    assert (terminated(machine, "a")["exitCode"], terminated(machine, "a")["reason"]) == (code, reason)


async def test_a_command_that_is_not_there_is_told(machine: Machine) -> None:
    await machine.apply("a", "no-such-program")
    await machine.phase("a", "Failed")
    told = 'exec: "no-such-program": executable file not found in $PATH'
    assert terminated(machine, "a")["message"] == told
    assert events(machine, "Failed") == [f"Error: {told}"]
    assert events(machine, "Started") == []


async def test_a_run_is_told_however_short_it_was(machine: Machine) -> None:
    names = [f"a{number}" for number in range(12)]
    for name in names:
        await machine.apply(name, "true", container={"name": name})
    for name in names:
        await machine.phase(name, "Succeeded")
    assert sorted(events(machine, "Started")) == sorted(f"Started container {name}" for name in names)


async def test_a_life_is_told_in_events(machine: Machine) -> None:
    await machine.apply("a", "sleep", "60")
    await machine.phase("a", "Running")
    await machine.objects.delete(PODS, "default", "a")
    await machine.gone("a")
    told = [(reason, events(machine, reason)) for reason in ("Created", "Started", "Killing")]
    assert told == [
        ("Created", ["Created container: c"]),
        ("Started", ["Started container c"]),
        ("Killing", ["Stopping container c"]),
    ]


SEALED = "grep -q '^NoNewPrivs:[[:space:]]*1$' /proc/self/status"


@pytest.mark.parametrize(("allowed", "code"), [(False, 0), (True, 1)])
async def test_a_container_and_its_commands_gain_no_rights_where_that_is_forbidden(
    machine: Machine, allowed: bool, code: int
) -> None:
    own = {"securityContext": {"allowPrivilegeEscalation": allowed}}
    await machine.apply("a", "sh", "-c", f"{SEALED}; echo $? > sealed; exec sleep 60", container=own)
    await machine.phase("a", "Running")
    assert (await machine.exec("a", "sh", "-c", SEALED))[0] == code
    _, out, _ = await machine.exec("a", "sh", "-c", "until [ -s sealed ]; do sleep 0.1; done; cat sealed")
    assert out.strip() == str(code)


@pytest.mark.parametrize("is_closed", [True, False])
async def test_a_container_with_a_read_only_root_writes_to_its_volumes_alone(
    machine: Machine, is_closed: bool
) -> None:
    own = {
        "securityContext": {"readOnlyRootFilesystem": is_closed},
        "volumeMounts": [{"name": "v", "mountPath": "/scratch/here"}],
    }
    await machine.apply("a", "sleep", "60", container=own, volumes=[{"name": "v", "emptyDir": {}}])
    await machine.phase("a", "Running")
    tries = (
        "for at in /tmp /scratch /scratch/here /dev/shm; do touch $at/x 2>/dev/null && echo $at; done; true"
    )
    _, out, _ = await machine.exec("a", "sh", "-c", tries)
    written = (
        ["/scratch/here", "/dev/shm"] if is_closed else ["/tmp", "/scratch", "/scratch/here", "/dev/shm"]
    )
    assert out.split() == written


async def test_what_nobody_honours_of_a_pod_is_told_once_in_an_event(machine: Machine) -> None:
    machine.node.tell_of(
        lambda pod: [f"{name} has no effect" for name in pod["spec"].get("nodeSelector") or ()]
    )
    await machine.apply("a", "true", nodeSelector={"disk": "ssd", "zone": "b"})
    await machine.apply("b", "true")
    await machine.phase("a", "Succeeded")
    await machine.phase("b", "Succeeded")
    assert events(machine, "NotHonoured") == ["disk has no effect; zone has no effect"]


@pytest.mark.parametrize(("image", "is_told"), [("acme/web:3", True), ("python:3", False)])
async def test_an_unknown_image_whose_script_is_not_here_is_told_once_in_an_event(
    machine: Machine, image: str, is_told: bool
) -> None:
    await machine.apply("a", "sh", "manage.py", container={"image": image}, restartPolicy="OnFailure")
    await until(lambda: machine.container("a").get("restartCount"))
    told = (
        'image "acme/web:3" is not known here: its command runs with this machine\'s files, and "manage.py" '
        "is not among them; tidegate images add acme/web --dockerfile Dockerfile, or a volume with its files"
    )
    assert events(machine, "UnknownImage") == ([told] if is_told else [])


async def test_a_pod_has_an_address_of_its_own_and_its_name(machine: Machine) -> None:
    reads = "hostname; python3 -c 'import socket; print(socket.gethostbyname(socket.gethostname()))'"
    for name in ("a", "b"):
        await machine.apply(name, "sh", "-c", reads)
        await machine.phase(name, "Succeeded")
    said = {name: (await machine.log(name)).split() for name in ("a", "b")}
    assert said == {name: [name, machine.pod(name)["status"]["podIP"]] for name in ("a", "b")}
    assert said["a"][1] != said["b"][1]


async def test_volumes_appear_where_the_machine_has_no_such_path(machine: Machine) -> None:
    mounts = [
        {"name": "work", "mountPath": "/app/data"},
        {"name": "files", "mountPath": "/etc/deep/er/config", "readOnly": True},
        {"name": "files", "mountPath": "/usr/share/one.txt", "subPath": "one"},
        {"name": "work", "mountPath": "/app/data/inner", "subPath": "other"},
    ]
    volumes = [{"name": "work", "emptyDir": {}}, {"name": "files", "configMap": {"name": "cfg"}}]
    metadata = {"name": "cfg", "namespace": "default"}
    await machine.objects.create(CONFIG_MAPS, {"metadata": metadata, "data": {"one": "1\n", "two": "2\n"}})
    shows = (
        "echo kept > /app/data/file; touch /app/data/inner/x; "
        "cat /etc/deep/er/config/two /usr/share/one.txt; "
        "touch /etc/deep/er/config/new 2>/dev/null || echo read-only; mkdir /of-my-own && echo writable; pwd"
    )
    uid = await machine.apply("a", "sh", "-c", shows, container={"volumeMounts": mounts}, volumes=volumes)
    await machine.phase("a", "Succeeded")
    assert (await machine.log("a")).split() == ["2", "1", "read-only", "writable", "/"]
    work = machine.folder / "pods" / uid / ".volumes" / "work"
    assert (work / "file").read_text() == "kept\n"
    assert (work / "other" / "x").exists()
    assert not {"app", "of-my-own"} & set(os.listdir("/"))
    assert "deep" not in os.listdir("/etc")


async def test_a_working_directory_is_created_when_it_is_missing(machine: Machine) -> None:
    await machine.apply("a", "pwd", container={"workingDir": "/opt/no/such/place"})
    await machine.phase("a", "Succeeded")
    assert await machine.log("a") == "/opt/no/such/place\n"


async def test_term_reaches_the_whole_session_and_the_exit_code_is_the_programs_own(machine: Machine) -> None:
    uid = await machine.apply(
        "a", "sh", "-c", "trap 'exit 5' TERM; sleep 60 & echo up; wait", restartPolicy="Always"
    )
    await until(lambda: len(processes(uid)) >= 3)
    await until(lambda: (machine.folder / "pods" / uid / "c" / "0" / "log").read_text())
    seen: list[int] = []

    def on_change(change: Any) -> None:
        state = change.object["status"]["containerStatuses"][0]["state"]
        if "terminated" in state:
            seen.append(state["terminated"]["exitCode"])

    machine.objects.subscribe([PODS], on_change)
    await machine.objects.delete(PODS, "default", "a")
    await machine.gone("a")
    assert seen[-1] == 5
    assert processes(uid) == []
    await until(lambda: not (machine.folder / "pods" / uid).exists())


async def test_what_ignores_term_or_left_the_session_is_killed_after_the_grace(machine: Machine) -> None:
    away = "setsid sh -c \"trap '' TERM; sleep 60; sleep 60\""
    stubborn = f"trap '' TERM; {away} & while :; do sleep 60; done"
    uid = await machine.apply("a", "sh", "-c", stubborn, terminationGracePeriodSeconds=1)
    await until(lambda: len(processes(uid)) >= 5)
    await machine.objects.delete(PODS, "default", "a")
    await machine.gone("a")
    assert processes(uid) == []


async def test_what_a_finished_container_leaves_behind_is_ended(machine: Machine) -> None:
    uid = await machine.apply("a", "sh", "-c", "setsid sleep 60 & sleep 60 & exit 0")
    await machine.phase("a", "Succeeded")
    assert processes(uid) == []


async def test_a_pod_removed_by_force_leaves_no_process(machine: Machine) -> None:
    uid = await machine.apply("a", "sleep", "60")
    await machine.phase("a", "Running")
    await machine.objects.delete(PODS, "default", "a", grace_s=0)
    await until(lambda: not processes(uid))
    await until(lambda: not (machine.folder / "pods" / uid).exists())


async def test_a_shorter_grace_cuts_a_running_one_short(machine: Machine) -> None:
    uid = await machine.apply("a", "sh", "-c", "trap '' TERM; sleep 60", terminationGracePeriodSeconds=300)
    await until(lambda: len(processes(uid)) >= 3)
    await machine.objects.delete(PODS, "default", "a")
    await until(lambda: events(machine, "Killing"))
    await machine.objects.delete(PODS, "default", "a", grace_s=1)
    await machine.gone("a")
    assert processes(uid) == []


@pytest.mark.parametrize(
    ("command", "phase"), [("sleep 60", "Failed"), ("trap 'exit 0' TERM; sleep 60 & wait", "Succeeded")]
)
async def test_a_deleted_pod_that_a_finalizer_holds_says_how_it_ended_and_rests(
    machine: Machine, command: str, phase: str
) -> None:
    body = pod("a", "sh", "-c", f"echo on; {command}", restartPolicy="Always")
    body["metadata"]["finalizers"] = ["example.com/hold"]
    uid = (await machine.objects.create(PODS, body))["metadata"]["uid"]
    await machine.phase("a", "Running")
    await until(lambda: (machine.folder / "pods" / uid / "c/0/log").read_bytes())
    await machine.objects.delete(PODS, "default", "a")
    await machine.phase("a", phase)
    await until(lambda: machine.pod("a")["metadata"]["deletionGracePeriodSeconds"] == 0)
    version = machine.objects.version
    for _ in range(5):
        await machine.objects.patch(PODS, "default", "a", {"metadata": {"labels": {"told": str(version)}}})
    assert processes(uid) == []
    assert machine.pod("a")["status"]["phase"] == phase
    assert machine.objects.version == version + 1
    assert await machine.log("a") == "on\n"
    await machine.objects.patch(PODS, "default", "a", {"metadata": {"finalizers": None}})
    await machine.gone("a")
    await until(lambda: not (machine.folder / "pods" / uid).exists())


async def test_a_pod_deleted_before_it_could_start_rests_too(machine: Machine) -> None:
    body = pod("a", "sleep", "60", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "none"}}])
    body["metadata"]["finalizers"] = ["example.com/hold"]
    await machine.objects.create(PODS, body)
    await until(lambda: events(machine, "FailedMount"))
    await machine.objects.delete(PODS, "default", "a")
    await machine.phase("a", "Failed")


async def test_a_crash_is_restarted_at_once_and_then_waits(machine: Machine) -> None:
    await machine.apply("a", "sh", "-c", "echo run $TIDEGATE_INSTANCE; exit 1", restartPolicy="OnFailure")
    waiting = await machine.waiting("a", "CrashLoopBackOff")
    assert waiting["message"].startswith("back-off 10s restarting failed container=c pod=a_default(")
    container = machine.container("a")
    assert (container["restartCount"], container["lastState"]["terminated"]["exitCode"]) == (1, 1)
    assert machine.pod("a")["status"]["phase"] == "Running"
    assert await machine.log("a") == "run c/1\n"
    assert await machine.log("a", LogOptions(previous=True)) == "run c/1\n"
    assert len(events(machine, "BackOff")) == 1


async def test_init_containers_run_one_after_the_other_and_then_the_rest(machine: Machine) -> None:
    def step(name: str) -> dict[str, Any]:
        writes = f"echo {name} >> /out/order"
        mounts = [{"name": "out", "mountPath": "/out"}]
        return {"name": name, "image": "busybox", "command": ["sh", "-c", writes], "volumeMounts": mounts}

    spec = {"initContainers": [step("first"), step("second")], "volumes": [{"name": "out", "emptyDir": {}}]}
    mounts = {"volumeMounts": [{"name": "out", "mountPath": "/out"}]}
    await machine.apply("a", "cat", "/out/order", container=mounts, **spec)
    await machine.phase("a", "Succeeded")
    assert await machine.log("a") == "first\nsecond\n"
    inits = machine.pod("a")["status"]["initContainerStatuses"]
    assert [one["state"]["terminated"]["exitCode"] for one in inits] == [0, 0]


async def test_a_failed_init_container_fails_the_pod_before_anything_else_runs(machine: Machine) -> None:
    init = {"name": "i", "image": "busybox", "command": ["sh", "-c", "exit 6"]}
    await machine.apply("a", "true", initContainers=[init])
    await machine.phase("a", "Failed")
    assert machine.container("a")["state"]["waiting"]["reason"] == "PodInitializing"


async def test_a_sidecar_ends_with_the_container_it_serves(machine: Machine) -> None:
    sidecar = {"name": "s", "image": "busybox", "command": ["sleep", "60"], "restartPolicy": "Always"}
    uid = await machine.apply("a", "true", initContainers=[sidecar])
    await machine.phase("a", "Succeeded")
    assert processes(uid) == []


async def test_a_missing_secret_is_waited_for_and_named(machine: Machine) -> None:
    env = [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "late", "key": "p"}}}]
    await machine.apply("a", "sh", "-c", "echo $P", container={"env": env})
    waiting = await machine.waiting("a", "CreateContainerConfigError")
    assert waiting["message"] == 'secret "late" not found'
    assert events(machine, "Failed") == ['Error: secret "late" not found']
    body = {"metadata": {"name": "late", "namespace": "default"}, "data": {"p": "b2s="}}
    await machine.objects.create(SECRETS, body)
    await machine.phase("a", "Succeeded")
    assert await machine.log("a") == "ok\n"


async def test_a_missing_volume_is_waited_for_and_told(machine: Machine) -> None:
    mounts = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    await machine.apply(
        "a", "cat", "/v/k", container=mounts, volumes=[{"name": "v", "configMap": {"name": "late"}}]
    )
    await until(lambda: events(machine, "FailedMount"))
    assert 'configmap "late" not found' in events(machine, "FailedMount")[0]
    body = {"metadata": {"name": "late", "namespace": "default"}, "data": {"k": "v"}}
    await machine.objects.create(CONFIG_MAPS, body)
    await machine.phase("a", "Succeeded")


async def test_an_image_that_names_nothing_runnable_waits_with_what_to_configure(machine: Machine) -> None:
    await machine.apply("a", container={"image": "ghcr.io/acme/worker:1"})
    waiting = await machine.waiting("a", "ErrImagePull", "ImagePullBackOff")
    assert "ghcr.io/acme/worker:1" in waiting["message"]
    assert str(machine.folder / "images.yaml") in waiting["message"]
    assert machine.pod("a")["status"]["phase"] == "Pending"


async def test_a_pod_that_outlives_its_deadline_fails(machine: Machine) -> None:
    uid = await machine.apply("a", "sleep", "60", activeDeadlineSeconds=1)
    await machine.phase("a", "Failed")
    assert machine.pod("a")["status"]["reason"] == "DeadlineExceeded"
    assert processes(uid) == []


async def test_a_readiness_probe_decides_about_readiness(machine: Machine) -> None:
    probe = {"exec": {"command": ["test", "-e", "/ok"]}, "periodSeconds": 0.05, "timeoutSeconds": 5}
    await machine.apply("a", "sleep", "60", container={"readinessProbe": probe})
    await until(lambda: events(machine, "Unhealthy"))
    assert machine.container("a")["ready"] is False
    assert (await machine.exec("a", "touch", "/ok"))[0] == 0
    await until(lambda: machine.container("a")["ready"])


async def test_a_failed_liveness_probe_restarts_the_container(machine: Machine) -> None:
    probe = {
        "exec": {"command": ["false"]},
        "periodSeconds": 0.05,
        "failureThreshold": 2,
        "timeoutSeconds": 5,
    }
    await machine.apply("a", "sleep", "60", container={"livenessProbe": probe}, restartPolicy="Always")
    await until(lambda: machine.container("a").get("restartCount"))
    assert "failed liveness probe" in events(machine, "Killing")[0]


async def test_pods_of_other_nodes_are_left_alone(machine: Machine) -> None:
    uid = (await machine.objects.create(PODS, pod("a", "true", nodeName="elsewhere")))["metadata"]["uid"]
    await machine.apply("b", "true")
    await machine.phase("b", "Succeeded")
    assert not (machine.folder / "pods" / uid).exists()
    assert "podIP" not in machine.pod("a")["status"]


async def test_many_pods_start_at_once(machine: Machine) -> None:
    await asyncio.gather(*(machine.apply(f"p{n}", "sh", "-c", f"exit {n % 2}") for n in range(12)))
    for n in range(12):
        await machine.phase(f"p{n}", "Failed" if n % 2 else "Succeeded")


async def test_mounted_files_follow_their_config_map(machine: Machine) -> None:
    metadata = {"name": "cfg", "namespace": "default"}
    await machine.objects.create(CONFIG_MAPS, {"metadata": metadata, "data": {"k": "old"}})
    mounts = {"volumeMounts": [{"name": "v", "mountPath": "/cfg"}]}
    waits = "until grep -q new /cfg/k; do sleep 0.02; done"
    volumes = [{"name": "v", "configMap": {"name": "cfg"}}]
    await machine.apply("a", "sh", "-c", waits, container=mounts, volumes=volumes)
    await machine.phase("a", "Running")
    await machine.objects.patch(CONFIG_MAPS, "default", "cfg", {"data": {"k": "new"}})
    await machine.phase("a", "Succeeded")


@pytest.mark.parametrize(
    ("spec", "container"),
    [
        ({"volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "wanted"}}]}}]}, {}),
        ({"volumes": [{"name": "v", "secret": {"secretName": "wanted"}}]}, {}),
        ({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "wanted"}}]}, {}),
        ({}, {"envFrom": [{"configMapRef": {"name": "wanted"}}]}),
        ({}, {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "wanted", "key": "k"}}}]}),
    ],
)
def test_a_pod_hears_of_all_that_it_refers_to(spec: dict[str, Any], container: dict[str, Any]) -> None:
    assert "wanted" in names(pod("a", "true", container=container, **spec)["spec"])
    assert "other" not in names(pod("a", "true", container=container, **spec)["spec"])


async def test_files_that_cannot_be_written_are_told_and_the_pod_goes_on(machine: Machine) -> None:
    metadata = {"name": "cfg", "namespace": "default"}
    await machine.objects.create(CONFIG_MAPS, {"metadata": metadata, "data": {"k": "old"}})
    await machine.apply("a", "sleep", "60", volumes=[{"name": "v", "configMap": {"name": "cfg"}}])
    await machine.phase("a", "Running")
    await machine.objects.patch(CONFIG_MAPS, "default", "cfg", {"data": {"k" * 300: "new"}})
    await until(lambda: any("refresh" in told for told in events(machine, "FailedMount")))
    assert machine.pod("a")["status"]["phase"] == "Running"


async def test_usage_is_measured_by_pod(machine: Machine) -> None:
    await machine.apply("busy", "sh", "-c", "while :; do :; done", labels={"app": "x"})
    await machine.apply("idle", "sleep", "60", labels={"app": "x"})
    await machine.apply("other", "sleep", "60")
    for name in ("busy", "idle", "other"):
        await machine.phase(name, "Running")
    cpu = await machine.node.usage("default", "app=x", "cpu")
    memory = await machine.node.usage("default", "app=x", "memory", "c")
    assert isinstance(cpu, dict)
    assert isinstance(memory, dict)
    assert set(cpu) == set(memory) == {"busy", "idle"}
    assert cpu["busy"] > 10 * cpu["idle"]
    assert 1 < min(memory.values()) / 100_000 < 1000
    assert isinstance(await machine.node.usage("default", "app=x", "disk"), Failure)


@pytest.fixture
async def unable(tmp_path: Path) -> AsyncIterator[Machine]:
    """A machine that refuses private mounts."""
    one = Machine(tmp_path / "state", own_objects(), View("none", "Operation not permitted"))
    one.start()
    yield one
    await one.stop()


async def test_without_private_mounts_a_pod_that_needs_none_runs(unable: Machine) -> None:
    await unable.service("svc", "127.64.255.1", 7001, 7000)
    env = [{"name": "URL", "value": "redis://svc.default.svc.cluster.local:7001"}]
    await unable.apply("a", "sh", "-c", "echo $URL; pwd", container={"env": env})
    await unable.phase("a", "Succeeded")
    url, directory = (await unable.log("a")).split()
    assert url == "redis://127.64.255.1:7001"
    assert directory.startswith(str(unable.folder))


async def test_without_private_mounts_a_pod_that_needs_them_says_what_to_do(unable: Machine) -> None:
    mounts = {"volumeMounts": [{"name": "v", "mountPath": "/app/data"}]}
    await unable.apply("a", "true", container=mounts, volumes=[{"name": "v"}])
    told = (await until(lambda: events(unable, "FailedMount")))[0]
    for word in ("/app/data", "Operation not permitted", "unprivileged_userns_clone", "root"):
        assert word in told
