"""What a pod is promised, whatever runs its containers: processes of this machine, or an engine."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from parts.machine import until
from parts.podman import IMAGE, Podman
from parts.runs import Run
from tidegate.kube.resource import CONFIG_MAPS, PODS
from tidegate.local.streams import LogOptions

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("podman")]
BOX = {"image": IMAGE}


@pytest.fixture(params=["process", "podman"])
async def run(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Run]:
    environment = dict(os.environ)
    if request.param == "podman":
        environment |= request.getfixturevalue("podman").environment
    one = Run(tmp_path / "state", request.param, environment)
    one.start()
    yield one
    await one.stop()


async def test_output_environment_and_exit_code_of_a_program_are_told(run: Run) -> None:
    lines = "first\nsecond"
    env = [{"name": "A", "value": "x y"}, {"name": "B", "value": lines}, {"name": "C", "value": "$(A)!"}]
    words = ["sh", "-c", 'echo "$A|$B|$C|$HOSTNAME|$1"; echo wrong >&2; exit 3', "sh", "given"]
    await run.apply("talks", *words, container={**BOX, "env": env})

    pod = await run.phase("talks", "Failed")

    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (3, "Error")
    assert sorted((await run.log("talks")).splitlines()) == sorted(
        f"x y|{lines}|x y!|talks|given\nwrong".splitlines()
    )
    assert {"Pulled", "Created", "Started"} <= set(run.events("talks"))


async def test_a_program_that_ends_well_is_completed(run: Run) -> None:
    await run.apply("good", "true", container=BOX)

    pod = await run.phase("good", "Succeeded")

    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"


async def test_what_ends_is_started_again_and_then_waits_and_its_log_before_is_kept(run: Run) -> None:
    await run.apply("again", "sh", "-c", "echo here; exit 2", container=BOX, restartPolicy="Always")

    await run.waiting("again", "CrashLoopBackOff")

    assert run.container("again")["restartCount"] == 1
    assert run.container("again")["lastState"]["terminated"]["exitCode"] == 2
    assert await run.log("again", LogOptions(previous=True)) == "here\n"


async def test_a_command_that_is_not_there_cannot_start(run: Run) -> None:
    await run.apply("none", "/no/such/program", container=BOX)

    pod = await run.phase("none", "Failed")

    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (128, "StartError")
    assert "/no/such/program" in ended["message"]
    assert "Started" not in run.events("none")


async def test_further_commands_have_its_files_its_input_and_their_own_exit_code(run: Run) -> None:
    await run.apply("inner", "sleep", "100", terminationGracePeriodSeconds=1, container=BOX)
    await run.phase("inner", "Running")

    code, out, err = await run.exec("inner", "sh", "-c", "cat; echo no >&2; exit 5", stdin=b"typed")

    assert (code, out, err) == (5, "typed", "no\n")


async def test_volumes_are_where_they_are_mounted_and_init_containers_come_first(run: Run) -> None:
    settings = {"metadata": {"name": "s", "namespace": "default"}, "data": {"key": "value", "other": "o"}}
    await run.objects.create(CONFIG_MAPS, settings)
    volumes = [
        {"name": "given", "configMap": {"name": "s", "defaultMode": 0o644}},
        {"name": "own", "emptyDir": {}},
    ]
    own = {"name": "own", "mountPath": "/mnt"}
    given = {"name": "given", "mountPath": "/opt", "readOnly": True}
    part = {"name": "given", "mountPath": "/srv/part", "subPath": "other"}
    script = "cat /mnt/left /opt/key /srv/part; echo x > /opt/new || echo ' kept'"
    await run.apply(
        "files",
        *("sh", "-c", script),
        container={**BOX, "volumeMounts": [own, given, part]},
        volumes=volumes,
        initContainers=[
            {**BOX, "name": "i", "command": ["sh", "-c", "echo left > /mnt/left"], "volumeMounts": [own]}
        ],
    )

    await run.phase("files", "Succeeded")

    assert "left\nvalueo" in await run.log("files")
    assert "kept" in await run.log("files")


async def test_what_a_program_leaves_behind_is_its_message(run: Run) -> None:
    path = {"terminationMessagePath": "/dev/termination-log"}
    await run.apply("words", "sh", "-c", "echo last > /dev/termination-log", container={**BOX, **path})

    pod = await run.phase("words", "Succeeded")

    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"] == "last\n"


async def test_it_is_asked_to_end_and_has_its_grace(run: Run) -> None:
    script = "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.1; done"
    await run.apply("polite", "sh", "-c", script, container=BOX, terminationGracePeriodSeconds=30)
    await until(lambda: run.container("polite")["state"].get("running"))
    logs = run.node.streams.logs("default", "polite", "", LogOptions(follow=True))
    assert await anext(logs) == b"ready\n"

    await run.objects.delete(PODS, "default", "polite")

    assert "bye\n" in b"".join([chunk async for chunk in logs]).decode()
    await run.gone("polite")


async def test_who_does_not_end_is_killed(run: Run) -> None:
    await run.apply("deaf", "sh", "-c", "trap '' TERM; while :; do sleep 1; done", container=BOX)
    await run.phase("deaf", "Running")

    await run.objects.delete(PODS, "default", "deaf", grace_s=1)

    await run.gone("deaf")


async def test_a_probe_by_command_makes_it_ready(run: Run) -> None:
    probe = {"exec": {"command": ["test", "-e", "/mnt/ready"]}, "periodSeconds": 1}
    mounts = {"volumeMounts": [{"name": "own", "mountPath": "/mnt"}]}
    container: dict[str, Any] = {**BOX, **mounts, "readinessProbe": probe}
    await run.apply(
        "probed",
        "sleep",
        "100",
        terminationGracePeriodSeconds=1,
        container=container,
        volumes=[{"name": "own", "emptyDir": {}}],
    )
    await run.phase("probed", "Running")
    assert not run.container("probed")["ready"]

    await run.exec("probed", "touch", "/mnt/ready")

    await until(lambda: run.container("probed")["ready"])


async def test_a_later_server_goes_on_with_what_runs(run: Run) -> None:
    await run.apply(
        "stays", "sh", "-c", "echo once; sleep 100", container=BOX, terminationGracePeriodSeconds=1
    )
    await run.phase("stays", "Running")
    began, events = run.started("stays"), run.events("stays")
    await run.stop(kill_pods=False)

    after = run.again()
    try:
        assert await after.inside("stays", "echo", "inside") == (0, "inside\n", "")
        assert after.started("stays") == began
        assert after.events("stays") == events
        assert await after.log("stays") == "once\n"
    finally:
        await after.stop()


async def test_a_later_server_tells_what_ended_meanwhile(run: Run) -> None:
    await run.apply("ends", "sh", "-c", "sleep 1; exit 6", container=BOX)
    await run.phase("ends", "Running")
    await run.stop(kill_pods=False)

    after = run.again()
    try:
        pod = await after.phase("ends", "Failed")
        assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 6
    finally:
        await after.stop()


async def test_what_ends_with_its_server_starts_anew_without_a_failure(run: Run) -> None:
    await run.apply("anew", "sleep", "100", terminationGracePeriodSeconds=1, container=BOX)
    await run.phase("anew", "Running")
    await run.stop()

    after = run.again()
    try:
        await until(lambda: after.events("anew").count("Started") >= 1 and after.started("anew"))
        await until(lambda: after.container("anew").get("containerID", "").endswith("/1"))
        assert after.container("anew")["restartCount"] == 0
    finally:
        await after.stop()


def test_no_container_is_left_behind(podman: Podman) -> None:
    """The last of this module: by now all of their pods are gone, or their servers."""
    assert podman.containers() == []
