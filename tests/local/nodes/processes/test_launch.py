"""The launcher by itself, as whoever runs the tests and, under root, as an ordinary user."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.launching import WHO, Launching, launching
from tidegate.local.nodes.processes.instance import LAUNCHER, Bind, Plan, View

ALONE = View("none")
SHOWS = (
    "cat /app/data/f; echo new > /app/data/g; cat /etc/hosts; hostname; id -u; pwd; "
    "touch /ro/x || echo ro; env"
)


def alone(folder: Path) -> Launching:
    return Launching([sys.executable, "-I", "-S", str(LAUNCHER)], folder)


@pytest.fixture(params=WHO)
def launch(request: pytest.FixtureRequest) -> Iterator[Launching]:
    with launching(request.param) as one:
        yield one


def test_mounts_are_private_and_what_they_hide_comes_back(launch: Launching) -> None:
    folder = launch.folder
    (folder / "volume").mkdir()
    (folder / "volume" / "f").write_text("content\n")
    (folder / "hosts").write_text("127.0.0.1 localhost\n")
    binds = [
        Bind(str(folder / "volume"), "/app/data"),
        Bind(str(folder / "hosts"), "/etc/hosts", is_read_only=True),
        Bind(str(folder / "volume"), "/ro", is_read_only=True),
    ]
    env = {"PATH": "/usr/bin:/bin", "A_B": "x y"}
    code, instance = launch.run(Plan(["sh", "-c", SHOWS], env, "/deep/work", "pod-1", binds))
    lines = instance.log.read_text().splitlines()
    assert code == 0
    assert lines[:5] == ["content", "127.0.0.1 localhost", "pod-1", str(launch.user), "/deep/work"]
    assert "ro" in lines
    assert "A_B=x y" in lines
    assert (folder / "volume" / "g").read_text() == "new\n"
    assert not {"app", "ro", "deep"} & set(os.listdir("/"))
    assert Path("/etc/hosts").read_text() != "127.0.0.1 localhost\n"


def test_names_of_variables_may_be_what_no_shell_would_take(tmp_path: Path) -> None:
    shows = "import os; print(os.environ['spring.url'], sorted(os.environ))"
    plan = Plan([sys.executable, "-I", "-S", "-c", shows], {"spring.url": "x"}, "/", view=ALONE)
    _, instance = alone(tmp_path).run(plan)
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
    plan = Plan(args, {"PATH": "/usr/bin:/bin"}, cwd, view=ALONE)
    code, instance = alone(tmp_path).run(plan)
    assert (code, instance.inspect().failure) == (128, ("StartError", told))


def test_a_mount_that_cannot_be_made_says_which(launch: Launching) -> None:
    code, instance = launch.run(Plan(["true"], {}, "/", "h", [Bind("/no/such/source", "/m")]))
    told = "cannot mount at /m: mount /no/such/source at"
    failure = instance.inspect().failure
    assert failure is not None
    assert (code, failure[0], failure[1][: len(told)]) == (128, "FailedMount", told)
