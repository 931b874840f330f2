"""Processes of the node are found by their marks, whatever they are doing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidegate.local.nodes.processes.process import NODE_VARIABLE, UID_VARIABLE, sweep, variables_of

NODE = "node-of-this-test"
MARKS = {NODE_VARIABLE: NODE, UID_VARIABLE: "pod"}
# Starts itself again and again, in one process: at most moments it is about to.
AGAIN = '#!/bin/sh\nexec "$0"\n'
LOOKS = 5000


@pytest.fixture
def restless(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    program = tmp_path / "again"
    program.write_text(AGAIN)
    program.chmod(0o755)
    with subprocess.Popen([str(program)], env={"PATH": os.environ["PATH"], **MARKS}) as process:
        yield process
        process.kill()


def test_a_process_between_two_programs_has_its_variables(restless: subprocess.Popen[bytes]) -> None:
    mark = f"{NODE_VARIABLE}={NODE}".encode()
    assert all(mark in variables_of(restless.pid) for _ in range(LOOKS))


def test_what_has_no_variables_is_not_waited_for() -> None:
    # The kernel's own, and one that has ended.
    assert variables_of(2) == b""
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    assert variables_of(ended.pid) == b""


def test_it_is_swept(restless: subprocess.Popen[bytes]) -> None:
    assert sweep(NODE, lambda marks: marks[UID_VARIABLE] == "pod") == 0
    assert restless.wait(5) == -9
