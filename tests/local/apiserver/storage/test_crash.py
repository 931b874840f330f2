from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tidegate.base.errors import Misconfigured
from tidegate.kube.resource import CONFIG_MAPS
from tidegate.local.apiserver.control_plane import DATABASE_FILE, open_plane
from tidegate.local.apiserver.storage.database import read_journal
from tidegate.local.apiserver.storage.directory_lock import Hold
from tidegate.local.objects import AUTHORITY
from tidegate.runtime.clock import SystemClock

WRITER = Path(__file__).with_name("crash_writer.py")
SEED = int(os.environ.get("CRASH_SEED", "20260131"))


def killed_after(directory: Path, seed: int, seconds: float) -> list[list[str]]:
    """The whole lines a writer said before it was killed, `seconds` after it had opened the directory."""
    command = [sys.executable, str(WRITER), str(directory), str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        first = writer.stdout.readline()
        assert first.startswith("open"), first
        time.sleep(seconds)
        if seed == 0:
            with pytest.raises(Misconfigured, match=f"pid {writer.pid}"):
                Hold(directory)
        writer.send_signal(signal.SIGKILL)
        said = first + writer.stdout.read()
    return [line.split() for line in said.split("\n")[:-1]]


@pytest.mark.real
async def test_kill_9_loses_no_acknowledged_write_and_moves_no_counter_back(tmp_path: Path) -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    expected: dict[str, str] = {}
    created: dict[str, str] = {}
    deleted: set[str] = set()
    unsure: set[str] = set()
    version = 0
    for seed in range(3):
        lines = killed_after(tmp_path, seed, chance.uniform(0.02, 0.3))
        assert int(lines[0][1]) >= version
        last: dict[str, str] = {}
        for verb, name, rv, *rest in lines[1:]:
            version = max(version, int(rv))
            last[name.rsplit("-", 1)[0]] = name
            if verb == "create":
                created[name], expected[name] = rest[0], "0"
            elif verb == "update":
                expected[name] = rest[0]
            else:
                deleted.add(name)
                del expected[name]
        # What a task was doing with its last object when it was killed may or may not be stored.
        unsure |= set(last.values())
    plane = await open_plane(tmp_path, SystemClock())
    assert plane.reads.version >= version
    assert len(created) > 20
    listed = {body["metadata"]["name"]: body for body in plane.objects.list(CONFIG_MAPS, "default")}
    stored = {name: body for name, body in listed.items() if name != AUTHORITY}
    for name, value in expected.items():
        if name not in unsure:
            assert stored[name]["data"]["v"] == value, name
            assert stored[name]["metadata"]["uid"] == created[name]
    assert not (deleted & stored.keys())
    journal = [
        line
        for line in read_journal(tmp_path / DATABASE_FILE)
        if line.resource == "configmaps" and line.name != AUTHORITY
    ]
    births = {line.name: line for line in journal if line.verb == "create"}
    assert len(births) == sum(line.verb == "create" for line in journal)
    for name, uid in created.items():
        assert births[name].uid == uid
        assert births[name].annotations == f'{{"tidegate.dev/step":"{name.rsplit("-", 1)[1]}"}}'
    assert stored.keys() <= births.keys()
    assert births.keys() - stored.keys() == {line.name for line in journal if line.verb == "delete"}
    await plane.close()
