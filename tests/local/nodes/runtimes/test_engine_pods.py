"""Images, and what only an engine has: its own containers, limits and errors. With a real podman."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parts.machine import until
from parts.podman import IMAGE, USER_IMAGE, Podman
from parts.runs import Run
from tidegate.kube.resource import PODS, SECRETS
from tidegate.local.nodes.processes.process import marked
from tidegate.local.streams import LogOptions

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("podman")]
BOX = {"image": IMAGE}
BY_IMAGE = {"image": USER_IMAGE, "command": None}


@pytest.fixture
async def run(podman: Podman, tmp_path: Path) -> AsyncIterator[Run]:
    one = Run(tmp_path / "state", "podman", {**os.environ, **podman.environment})
    one.start()
    yield one
    await one.stop()


async def test_an_image_says_itself_what_runs(run: Run) -> None:
    await run.apply("own", container={**BY_IMAGE, "args": ["and", "its arguments"]})

    await run.phase("own", "Succeeded")

    assert await run.log("own") == "from the image and its arguments\n"


async def test_an_image_says_itself_who_runs_and_the_pod_may_say_it_otherwise(run: Run) -> None:
    who = {"image": USER_IMAGE, "command": ["sh", "-c", "echo $(id -u) $(id -g)"]}
    security = {"runAsUser": 7, "runAsGroup": 8}
    await run.apply("image", container=who)
    await run.apply("pod", container={**who, "securityContext": security})
    await run.apply("checked", container={**who, "securityContext": {"runAsNonRoot": True}})

    for name in ("image", "pod", "checked"):
        await run.phase(name, "Succeeded")

    assert [await run.log(name) for name in ("image", "pod", "checked")] == ["1000 0\n", "7 8\n", "1000 0\n"]


async def test_root_is_refused_where_the_pod_forbids_it(run: Run) -> None:
    await run.apply("root", "true", container={**BOX, "securityContext": {"runAsNonRoot": True}})

    state = await run.waiting("root", "CreateContainerConfigError")

    assert "container has runAsNonRoot and image will run as root" in state["message"]


async def test_an_image_that_is_nowhere_is_told_as_a_kubelet_tells_it(run: Run) -> None:
    await run.apply("far", "true", container={"image": "localhost/not/there:1"})
    await run.apply("never", "true", container={"image": "localhost/not/there:1", "imagePullPolicy": "Never"})

    state = await run.waiting("never", "ErrImageNeverPull")
    assert "is not present with pull policy of Never" in state["message"]
    state = await run.waiting("far", "ErrImagePull")
    assert 'failed to pull image "localhost/not/there:1": ' in state["message"]
    state = await run.waiting("far", "ImagePullBackOff")
    assert state["message"] == 'Back-off pulling image "localhost/not/there:1"'
    assert {"Pulling", "Failed", "BackOff"} <= set(run.events("far"))


async def test_a_pull_secret_that_is_none_is_told_without_its_content(run: Run) -> None:
    secret = {"metadata": {"name": "login", "namespace": "default"}, "type": "Opaque", "data": {"a": "c2Vj"}}
    await run.objects.create(SECRETS, secret)
    pulls = [{"name": "login"}]
    await run.apply("far", "true", container={"image": "localhost/not/there:1"}, imagePullSecrets=pulls)

    await run.waiting("far", "ErrImagePull")

    assert "FailedToRetrieveImagePullSecret" in run.events("far")
    assert not any("c2Vj" in str(one) for one in run.objects.list(PODS))


async def test_what_the_engine_refuses_is_told_in_its_words(run: Run) -> None:
    more = {"securityContext": {"capabilities": {"add": ["NO_SUCH_RIGHT"]}}}
    await run.apply("more", "true", container={**BOX, **more})

    state = await run.waiting("more", "CreateContainerError")

    assert "no_such_right" in state["message"].lower()
    assert "Failed" in run.events("more")


async def test_who_takes_too_much_memory_is_killed_for_that(run: Run) -> None:
    limits = {"resources": {"limits": {"memory": "16Mi"}}}
    await run.apply("hungry", "tail", "/dev/zero", container={**BOX, **limits})

    pod = await run.phase("hungry", "Failed")

    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert ended["exitCode"] == 137
    # Not every engine sees on every kernel why its container was killed.
    assert ended["reason"] in ("OOMKilled", "Error")
    assert ("OOMKilling" in run.events("hungry")) is (ended["reason"] == "OOMKilled")


async def test_an_image_says_how_its_program_is_ended(run: Run) -> None:
    script = "trap 'echo usr1; exit 0' USR1; trap '' TERM; echo on; while :; do sleep 0.1; done"
    await run.apply("ends", container={"image": USER_IMAGE, "command": ["sh", "-c", script]})
    await until(lambda: "Started" in run.events("ends"))
    logs = run.node.streams.logs("default", "ends", "", LogOptions(follow=True))
    assert await anext(logs) == b"on\n"

    await run.objects.delete(PODS, "default", "ends", grace_s=30)

    assert await anext(logs) == b"usr1\n"
    await run.gone("ends")


async def test_a_container_whose_command_is_killed_alone_follows_it(run: Run, podman: Podman) -> None:
    await run.apply("alone", "sleep", "100", container=BOX)
    await run.phase("alone", "Running")

    name = next(iter(podman.containers()))
    words = f"start\0--attach\0{name}\0".encode()
    found = [pid for pid, _ in marked(_node_id(run)) if _words_of(pid).endswith(words)]
    for pid in found:
        os.kill(pid, signal.SIGKILL)

    await run.phase("alone", "Failed")
    assert found != []
    assert podman.containers() == []


async def test_containers_without_a_pod_are_swept_and_those_of_others_left_alone(
    run: Run, podman: Podman
) -> None:
    await run.apply("kept", "sleep", "100", container=BOX, terminationGracePeriodSeconds=1)
    await run.phase("kept", "Running")
    await run.stop(kill_pods=False)
    label = f"--label=tidegate.dev/node={_node_id(run)}"
    for name, *more in (("tg-lost", label), ("tg-of-others", "--label=tidegate.dev/node=another"), ("mine",)):
        podman("create", f"--name={name}", "--network=host", *more, IMAGE, "true")

    after = run.again()
    try:
        await until(lambda: "tg-lost" not in podman.containers())
        assert {"tg-of-others", "mine"} <= set(podman.containers())
        assert await after.inside("kept", "echo", "on") == (0, "on\n", "")
    finally:
        await after.stop()
        podman("rm", "tg-of-others", "mine")


async def test_a_pod_chooses_its_runtime_by_annotation(run: Run) -> None:
    await run.apply("there", "sh", "-c", "ls /usr/bin/env || echo no", container=BOX)
    body = run.pod("there")
    own = {"name": "here", "namespace": "default", "annotations": {"tidegate.dev/runtime": "process"}}
    status = {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]}
    await run.objects.create(PODS, {"metadata": own, "spec": body["spec"], "status": status})

    await run.phase("there", "Succeeded")
    await run.phase("here", "Succeeded")

    assert "no" in (await run.log("there")).splitlines()
    assert await run.log("here") == "/usr/bin/env\n"
    assert run.container("here")["containerID"].startswith("process://")


async def test_an_engine_that_is_not_there_keeps_its_pods_waiting_and_says_so(tmp_path: Path) -> None:
    one = Run(tmp_path / "state", "nerdctl", {"PATH": str(tmp_path)})
    one.start()
    try:
        await one.apply("waits", "true", container=BOX)
        state = await one.waiting("waits", "CreateContainerError")
        assert "nerdctl is not there" in state["message"]
        assert "Failed" in one.events("waits")
        assert "nerdctl is not there" in await one.node.engine_problem()
    finally:
        await one.stop()


def _node_id(run: Run) -> str:
    return (run.folder / "node-id").read_text().strip()


def _words_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()
