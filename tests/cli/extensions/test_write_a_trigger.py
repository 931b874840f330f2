"""docs/write-a-trigger.md, word for word: what it says to type is typed, what it says to save is saved."""

from __future__ import annotations

import os
import re
import site
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.loopback import free_port, missing
from parts.waiting import wait_until

PAGE = Path(__file__).parents[3] / "docs" / "write-a-trigger.md"
_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.M | re.S)

pytestmark = [pytest.mark.e2e, pytest.mark.real]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """A new environment that sees what is installed here, and nothing of what is installed in it later."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, timeout=120)
    (packages,) = (venv / "lib").glob("python*/site-packages")
    (packages / "outer.pth").write_text(
        "\n".join(f"import site; site.addsitedir({one!r})" for one in site.getsitepackages())
    )
    program = venv / "bin" / "tidegate"
    program.write_text(f"#!{venv}/bin/python\nfrom tidegate.cli.main import main\nmain()\n")
    program.chmod(0o755)
    (venv / "bin" / "pytest").write_text(
        f"#!{venv}/bin/python\nimport pytest\nraise SystemExit(pytest.main())\n"
    )
    (venv / "bin" / "pytest").chmod(0o755)
    shell = Shell(tmp_path, venv / "bin")
    yield shell
    shell.end()


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


class Shell:
    """Where the walk is done. What runs in the background ends with it."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "NO_COLOR": "1"}
        self._others: list[subprocess.Popen[str]] = []

    def type(self, line: str) -> subprocess.CompletedProcess[str]:
        if line.endswith("&"):
            command = line.removesuffix("&").split()
            self._others.append(subprocess.Popen(command, cwd=self.folder, env=self._environment, text=True))
            wait_until(lambda: accepts(self.port), "it listens", 20)
            return subprocess.CompletedProcess(command, 0, "", "")
        return subprocess.run(
            line,
            shell=True,
            cwd=self.folder,
            env=self._environment,
            text=True,
            capture_output=True,
            timeout=300,
            check=False,
        )

    def end(self) -> None:
        for one in self._others:
            one.terminate()
            one.wait(10)


def patched(folder: Path, diff: str) -> None:
    """Apply a diff whose hunks are placed by their context, as a reader does."""
    place = folder
    for part in re.split(r"^--- a/\S+\n\+\+\+ b/(\S+)\n", diff, flags=re.M):
        if "\n" not in part:
            place = folder / part
            continue
        for hunk in filter(None, re.split(r"^@@\n", part, flags=re.M)):
            lines = hunk.splitlines()
            old = "\n".join(line[1:] for line in lines if line[:1] != "+")
            new = "\n".join(line[1:] for line in lines if line[:1] != "-")
            text = place.read_text()
            assert text.count(old) == 1, f"{place.name}: {old}"
            place.write_text(text.replace(old, new))


def timeless(table: str) -> list[list[str]]:
    """The cells but for the last column, which says how long it took."""
    return [re.split(r"\s{2,}", line.rstrip())[:-1] for line in table.strip().splitlines()]


def test_the_page_is_walked_word_for_word(shell: Shell) -> None:
    printed = ""
    steps = {"sh": 0, "text": 0, "diff": 0, "python": 0, "yaml": 0}
    for language, name, text in _BLOCK.findall(PAGE.read_text().replace("7000", str(shell.port))):
        if language in steps:
            steps[language] += 1
        if language in ("python", "yaml"):
            (shell.folder / name).write_text(text)
        elif language == "diff":
            patched(shell.folder / "tidegate-tickets", text)
        elif language == "sh":
            for line in text.splitlines():
                done = shell.type(line)
                if "pip install" in line and done.returncode and "hatchling" in done.stderr:
                    missing("pip cannot fetch the build tool hatchling")
                assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
                printed = done.stdout
        elif language == "text":
            assert timeless(printed) == timeless(text)
    assert steps == {"sh": 3, "text": 2, "diff": 1, "python": 1, "yaml": 1}
