"""Which Python containers find, and what they install in it."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from parts.loopback import missing
from parts.machine import Machine, own_objects
from tidegate.kube.resource import EVENTS
from tidegate.local.nodes.images.machine_python import Python, find_python
from tidegate.local.nodes.processes.machine_view import Host

OURS = str(Path(sys.prefix) / "bin")
MACHINES = shutil.which("python3", path="/usr/local/bin:/usr/bin") or ""


def prefix(program: str) -> str:
    return subprocess.run(
        [program, "-I", "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True
    ).stdout.strip()


needs_another = pytest.mark.skipif(
    not MACHINES or os.path.realpath(prefix(MACHINES)) == os.path.realpath(sys.prefix),
    reason="the machine has no other Python than the one that runs the tests",
)


@needs_another
def test_the_first_python_that_is_not_ours_is_theirs(tmp_path: Path) -> None:
    folder = os.path.dirname(MACHINES)
    found = find_python({"PATH": f"{OURS}:/no/such:{folder}"}, tmp_path)
    assert (found.program, found.dropped) == (MACHINES, OURS)
    shown = found.path(f"{OURS}:{folder}").split(":")
    assert OURS not in shown
    for name in ("python", "python3"):
        program = shutil.which(name, path=":".join(shown))
        assert program is not None
        assert prefix(program) == prefix(MACHINES)


@needs_another
def test_what_came_with_this_installation_is_found_last_without_its_python(tmp_path: Path) -> None:
    bin_folder = tmp_path / "env" / "bin"
    bin_folder.mkdir(parents=True)
    (tmp_path / "env" / "pyvenv.cfg").touch()
    for name in ("python", "python3.12", "pip", "pip3", "activate.fish", "redis-server"):
        (bin_folder / name).write_text("#!/bin/sh\necho ours\n")
        (bin_folder / name).chmod(0o755)
    found = find_python({"PATH": str(bin_folder)}, tmp_path / "cache", str(tmp_path / "env"))
    last = found.path(f"{bin_folder}:/usr/bin").split(":")[-1]
    assert os.listdir(last) == ["redis-server"]
    (bin_folder / "redis-server").rename(bin_folder / "redis-cli")
    find_python({"PATH": str(bin_folder)}, tmp_path / "cache", str(tmp_path / "env"))
    assert os.listdir(last) == ["redis-cli"]


@pytest.mark.real
def test_where_there_is_no_other_python_they_get_a_bare_one(tmp_path: Path) -> None:
    base = str(getattr(sys, "_base_executable", sys.executable))
    alone = tmp_path / "alone"
    alone.mkdir()
    # Everything on PATH is ours, if the interpreter of everything is.
    wrapper = f'#!/bin/sh\nexec {base} "$@"\n'
    (alone / "python3").write_text(wrapper)
    (alone / "python3").chmod(0o755)
    found = find_python({"PATH": str(alone)}, tmp_path / "cache", prefix(base))
    asks = "import sys, importlib.util as u; print(sys.prefix != sys.base_prefix, u.find_spec('msgspec'))"
    program = shutil.which("python", path=found.path(str(alone)))
    assert program is not None
    said = subprocess.run([program, "-c", asks], capture_output=True, text=True, check=True).stdout
    assert said == "True None\n"


@pytest.mark.parametrize(
    ("image", "is_told"),
    [
        ("python:3.11", False),
        ("python:3.11.2-slim", False),
        ("python:3", False),
        ("python:3.1", True),
        ("python:3.12-alpine", True),
        ("docker.io/library/python:3.9@sha256:00", True),
        ("python:slim", False),
        ("python", False),
        ("acme/worker:3.12", False),
    ],
)
def test_another_version_than_the_tag_names_is_told(image: str, is_told: bool) -> None:
    assert bool(Python("/usr/bin/python3", "3.11.2").differs(image)) is is_told
    assert Python().differs(image) == ""


def wheel(folder: Path) -> Path:
    file = folder / "tidegate_test_wheel-1.0-py3-none-any.whl"
    about = "tidegate_test_wheel-1.0.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("tidegate_test_wheel.py", "SAID = 'imported'\n")
        archive.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: tidegate-test-wheel\nVersion: 1.0\n"
        )
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return file


@pytest.mark.real
async def test_what_a_pod_installs_is_there_in_it_alone(machine: Machine, tmp_path: Path) -> None:
    file = wheel(tmp_path)
    installs = f"pip install -q --no-index --no-deps {file} || exit 9"
    imports = "python -c 'import tidegate_test_wheel as t; print(t.SAID)' && sleep 60"
    await machine.apply("a", "sh", "-c", f"{installs}; {imports}", container={"image": "python:3.1"})
    said = ""
    while "imported" not in said and machine.pod("a")["status"].get("phase") != "Failed":
        await asyncio.sleep(0.05)
        said = await machine.log("a") if machine.container("a")["state"].get("running") else said
    if "No module named pip" in (said := await machine.log("a")):
        missing("the machine's Python has no pip")
    assert said.splitlines()[-1:] == ["imported"]
    asks = "import importlib.util as u; print(u.find_spec('tidegate_test_wheel'), u.find_spec('tidegate'))"
    await machine.apply("b", "python3", "-c", asks, container={"image": "python:3.1"})
    await machine.phase("b", "Succeeded")
    assert await machine.log("b") == "None None\n"
    told = [one for one in machine.objects.list(EVENTS) if one["reason"] == "OtherVersion"]
    assert [one["involvedObject"]["name"] for one in told] == ["a"]


async def test_pods_inherit_no_environment_of_python(tmp_path: Path) -> None:
    own = dict.fromkeys(("PYTHONPATH", "VIRTUAL_ENV", "PYTHONHOME"), str(tmp_path))
    host = Host(environment={**os.environ, **own, "PATH": f"{OURS}:{os.environ['PATH']}"})
    machine = Machine(tmp_path / "state", own_objects(), host=host)
    machine.start()
    try:
        await machine.apply("a", "env")
        await machine.phase("a", "Succeeded")
        shown = await machine.log("a")
        assert not [name for name in own if f"{name}=" in shown]
        path = next(line for line in shown.splitlines() if line.startswith("PATH="))
        assert OURS not in path.removeprefix("PATH=").split(":")
    finally:
        await machine.stop()
