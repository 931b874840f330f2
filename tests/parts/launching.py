"""The launcher by itself, as whoever runs the tests and, under root, as an ordinary user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tidegate.local.nodes.processes import instance as instances
from tidegate.local.nodes.processes.instance import LAUNCHER, Instance, Plan, Record, View
from tidegate.local.nodes.processes.machine_view import read

NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
WHO = ["as we are", "as an ordinary user"]


@dataclass(frozen=True)
class Launching:
    """`command` launches (without its words); whoever it runs as may write `folder`."""

    command: list[str]
    folder: Path

    @property
    def is_other(self) -> bool:
        return self.command[0] == "setpriv"

    @property
    def user(self) -> int:
        return NOBODY if self.is_other else os.geteuid()

    def view(self, **env: str) -> View:
        """The view of the machine that a container gets from who runs it."""
        self._hand_over()
        done = subprocess.run(
            [*self.command, "probe", str(self.folder / "probe")], capture_output=True, env=env, check=True
        )
        return read(os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1])

    def run(self, plan: Plan, number: int = 0) -> tuple[int, Instance]:
        instance = instances.write(self.folder / "c", number, plan, Record())
        self._hand_over()
        # A session of its own, as the server gives it: it counts as alive as long as its leader is.
        command = [*self.command, "run", str(instance.path)]
        done = subprocess.run(command, stderr=subprocess.DEVNULL, check=False, start_new_session=True)
        return done.returncode, instance

    def _hand_over(self) -> None:
        """Gives the directory to the ordinary user."""
        if not self.is_other:
            return
        for path in (self.folder, *self.folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


@contextmanager
def launching(who: str) -> Iterator[Launching]:
    # Not below pytest's own directory, which each run of it closes to others.
    folder = Path(tempfile.mkdtemp(prefix="tidegate-test-", dir="/var/tmp"))
    folder.chmod(0o755)
    try:
        yield _launching(who, folder)
    finally:
        shutil.rmtree(folder)


def _launching(who: str, folder: Path) -> Launching:
    if who == WHO[0]:
        return Launching([sys.executable, "-I", "-S", str(LAUNCHER)], folder)
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can become another user (the other case is the ordinary user then)")
    python = python_of_everybody()
    if python is None:
        pytest.skip("no interpreter that an ordinary user may start")
    launcher = folder / "launch"
    shutil.copytree(LAUNCHER, launcher)
    return Launching([*AS_NOBODY, python, "-I", "-S", str(launcher)], folder)


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
