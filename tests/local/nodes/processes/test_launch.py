"""The launcher by itself, as whoever runs the tests and, under root, as an ordinary user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tidegate.local.nodes.processes import instance as instances
from tidegate.local.nodes.processes.instance import LAUNCHER, Bind, Instance, Plan, Record

NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
SHOWS = (
    "cat /app/data/f; echo new > /app/data/g; cat /etc/hosts; hostname; id -u; pwd; "
    "touch /ro/x || echo ro; env"
)


def python_of_everybody() -> str | None:
    """An interpreter that an ordinary user may start."""
    for candidate in ("/usr/bin/python3", sys.executable):
        probe = [*AS_NOBODY, candidate, "-c", ""]
        if (
            shutil.which(candidate)
            and subprocess.run(probe, stderr=subprocess.DEVNULL, check=False).returncode == 0
        ):
            return candidate
    return None


@pytest.fixture(params=["as we are", "as an ordinary user"])
def launch(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[list[str], Path]:
    """The command that launches, and a directory that whoever it runs as may write."""
    folder = tmp_path / "work"
    folder.mkdir()
    if request.param == "as we are":
        return [sys.executable, "-I", "-S", str(LAUNCHER), "run"], folder
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can become another user (the other case is the ordinary user then)")
    python = python_of_everybody()
    if python is None:
        pytest.skip("no interpreter that an ordinary user may start")
    launcher = folder / "launch"
    shutil.copytree(LAUNCHER, launcher)
    return [*AS_NOBODY, python, "-I", "-S", str(launcher), "run"], folder


def hand_over(folder: Path) -> None:
    """Gives the directory to the ordinary user, and a way to it."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    for parent in folder.parents:
        if parent.stat().st_uid == os.geteuid() and parent.stat().st_mode & 0o1 == 0:
            parent.chmod(0o711)


def run(launch: tuple[list[str], Path], plan: Plan) -> tuple[int, Instance]:
    command, folder = launch
    instance = instances.write(folder / "c", 0, plan, Record())
    if command[0] == "setpriv":
        hand_over(folder)
    # A session of its own, as the server gives it: it counts as alive as long as its leader is.
    done = subprocess.run(
        [*command, str(instance.path)], stderr=subprocess.DEVNULL, check=False, start_new_session=True
    )
    return done.returncode, instance


def test_mounts_are_private_and_what_they_hide_comes_back(launch: tuple[list[str], Path]) -> None:
    folder = launch[1]
    (folder / "volume").mkdir()
    (folder / "volume" / "f").write_text("content\n")
    (folder / "hosts").write_text("127.0.0.1 localhost\n")
    binds = [
        Bind(str(folder / "volume"), "/app/data"),
        Bind(str(folder / "hosts"), "/etc/hosts", is_read_only=True),
        Bind(str(folder / "volume"), "/ro", is_read_only=True),
    ]
    env = {"PATH": "/usr/bin:/bin", "A_B": "x y"}
    code, instance = run(launch, Plan(["sh", "-c", SHOWS], env, "/deep/work", "pod-1", binds))
    lines = instance.log.read_text().splitlines()
    assert code == 0
    user = NOBODY if launch[0][0] == "setpriv" else os.geteuid()
    assert lines[:5] == ["content", "127.0.0.1 localhost", "pod-1", str(user), "/deep/work"]
    assert "ro" in lines
    assert "A_B=x y" in lines
    assert (folder / "volume" / "g").read_text() == "new\n"
    assert not {"app", "ro", "deep"} & set(os.listdir("/"))
    assert Path("/etc/hosts").read_text() != "127.0.0.1 localhost\n"


def test_names_of_variables_may_be_what_no_shell_would_take(tmp_path: Path) -> None:
    shows = "import os; print(os.environ['spring.url'], sorted(os.environ))"
    plan = Plan([sys.executable, "-I", "-S", "-c", shows], {"spring.url": "x"}, "/", is_private=False)
    _, instance = run(([sys.executable, "-I", "-S", str(LAUNCHER), "run"], tmp_path), plan)
    assert instance.log.read_text().startswith("x [")


@pytest.mark.parametrize(
    ("args", "cwd", "told"),
    [
        (["no-such"], "/", 'exec: "no-such": executable file not found in $PATH'),
        (["/no/such"], "/", 'exec: "/no/such": no such file or directory'),
        (["/etc/passwd"], "/", 'exec: "/etc/passwd": permission denied'),
        (["true"], "/no/such/place", "working directory /no/such/place: No such file or directory"),
    ],
)
def test_what_cannot_start_says_why(tmp_path: Path, args: list[str], cwd: str, told: str) -> None:
    plan = Plan(args, {"PATH": "/usr/bin:/bin"}, cwd, is_private=False)
    code, instance = run(([sys.executable, "-I", "-S", str(LAUNCHER), "run"], tmp_path), plan)
    assert (code, instance.inspect().failure) == (128, ("StartError", told))


def test_a_mount_that_cannot_be_made_says_which(launch: tuple[list[str], Path]) -> None:
    code, instance = run(launch, Plan(["true"], {}, "/", "h", [Bind("/no/such/source", "/m")]))
    told = "cannot mount at /m: mount /no/such/source at"
    failure = instance.inspect().failure
    assert failure is not None
    assert (code, failure[0], failure[1][: len(told)]) == (128, "FailedMount", told)
