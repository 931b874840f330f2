"""Images with an entrypoint, in pods: what is prepared, for whom, and where data lies.

The server is a shell that tells what it finds; the real ones run in the examples.
"""

from __future__ import annotations

import getpass
import importlib
import os
import pwd
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from parts.machine import Machine, own_objects
from tidegate.kube.resource import PODS
from tidegate.local.entrypoints import rabbitmq
from tidegate.local.entrypoints.box import Box, Refused
from tidegate.local.nodes.images.table import entrypoints
from tidegate.local.nodes.processes.instance import View

TABLE = (
    "images: [{images: [acme], command: [sh], entrypoint: rabbitmq, data: /srv/acme, env: {A: $(POD_IP)}}]"
)


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "images.yaml").write_text(TABLE)
    one = Machine(folder, own_objects())
    one.start()
    yield one
    await one.stop()


def expected_user() -> str:
    """Whom a server of ours runs as: itself a user of its own only where we are root."""
    if os.geteuid() != 0:
        return getpass.getuser()
    return "rabbitmq" if "rabbitmq" in {one.pw_name for one in pwd.getpwall()} else "nobody"


def acme(script: str, **more: Any) -> dict[str, Any]:
    return {"image": "acme", "command": [], "args": ["-c", script], **more}


async def said(machine: Machine, name: str) -> list[str]:
    await machine.phase(name, "Succeeded", "Failed")
    return (await machine.log(name)).splitlines()


async def test_the_server_is_prepared_and_runs_as_a_user_of_its_own(machine: Machine) -> None:
    script = 'id -un; pwd; echo "$A $SECRET"; cat tidegate/rabbitmq.conf; test -O . && echo mine; env'
    await machine.apply("a", container=acme(script, env=[{"name": "SECRET", "value": "x y"}]))
    lines = await said(machine, "a")
    address = machine.pod("a")["status"]["podIP"]
    assert lines[:4] == [expected_user(), "/srv/acme", f"{address} x y", f"listeners.tcp.1 = {address}:5672"]
    assert "mine" in lines
    assert not [line for line in lines if line.startswith("TIDEGATE_DATA")]
    assert "acme" not in os.listdir("/srv")


async def test_its_exit_code_is_the_containers(machine: Machine) -> None:
    await machine.apply("a", container=acme("exit 7"))
    await machine.phase("a", "Failed")
    assert machine.container("a")["state"]["terminated"]["exitCode"] == 7


async def test_data_live_as_long_as_the_pod(machine: Machine) -> None:
    script = "test -f kept && echo again && exit 0; touch kept; exit 1"
    await machine.apply("a", container=acme(script), restartPolicy="OnFailure")
    assert await said(machine, "a") == ["again"]
    await machine.objects.delete(PODS, "default", "a")
    await machine.gone("a")
    await machine.apply("a", container=acme("ls kept || echo none"))
    assert (await said(machine, "a"))[-1] == "none"


@pytest.mark.parametrize("place", ["/srv/acme", "/srv"])
async def test_a_volume_where_the_image_keeps_data_is_used(
    machine: Machine, tmp_path: Path, place: str
) -> None:
    mount = {"volumeMounts": [{"name": "v", "mountPath": place}]}
    kept = tmp_path / "kept"
    kept.mkdir()
    for name in ("a", "b"):
        volume = {"name": "v", "hostPath": {"path": str(kept)}}
        script = "test -f kept && echo again; touch kept"
        await machine.apply(name, container=acme(script, **mount), volumes=[volume])
        await machine.phase(name, "Succeeded")
    assert (await said(machine, "b"))[-1] == "again"


async def test_without_private_mounts_data_lie_in_the_pods_folder_and_the_user_is_ours(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "images.yaml").write_text(TABLE)
    machine = Machine(folder, own_objects(), View("none", "no"))
    machine.start()
    try:
        uid = await machine.apply("a", container=acme("id -un; pwd"))
        assert await said(machine, "a") == [getpass.getuser(), f"{folder}/pods/{uid}/.data/c"]
    finally:
        await machine.stop()


# --- the entrypoints themselves


def box(folder: Path, **env: str) -> Box:
    return Box("/usr/bin/server", ["--own"], dict(env), folder, "127.96.0.9")


@pytest.mark.parametrize("name", sorted(entrypoints()))
def test_each_entrypoint_says_whom_it_runs_as(name: str) -> None:
    module = importlib.import_module(f"tidegate.local.entrypoints.{name}")
    assert isinstance(module.USER, str)
    assert callable(module.prepare)
    assert module.__doc__


def test_a_step_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="false ended with 1"):
        box(tmp_path, PATH=os.defpath).run(["false"])


def test_what_is_written_is_for_the_server_alone(tmp_path: Path) -> None:
    path = box(tmp_path).write("deep/er/secret", "x")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("x", 0o600)


def test_rabbitmq_listens_on_the_pods_address_and_keeps_its_cookie(tmp_path: Path) -> None:
    first = box(tmp_path)
    assert rabbitmq.prepare(first) == ["/usr/bin/server", "--own"]
    written = Path(first.env["RABBITMQ_CONFIG_FILE"]).read_text()
    assert "listeners.tcp.1 = 127.96.0.9:5672" in written
    assert "management.tcp.ip = 127.96.0.9" in written
    # Nothing of its is written to the machine's /var/log.
    assert Path(first.env["RABBITMQ_LOG_BASE"]).is_relative_to(tmp_path)
    assert Path(first.env["ERL_CRASH_DUMP"]).is_relative_to(tmp_path)
    cookie = (tmp_path / ".erlang.cookie").read_text()
    rabbitmq.prepare(box(tmp_path))
    assert (tmp_path / ".erlang.cookie").read_text() == cookie
    given = box(tmp_path, RABBITMQ_ERLANG_COOKIE="mine", RABBITMQ_CONFIG_FILE="/etc/mine.conf")
    rabbitmq.prepare(given)
    assert (tmp_path / ".erlang.cookie").read_text() == "mine"
    assert given.env["RABBITMQ_CONFIG_FILE"] == "/etc/mine.conf"
    assert "RABBITMQ_ERLANG_COOKIE" not in given.env
