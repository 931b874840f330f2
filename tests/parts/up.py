"""`tidegate up` as a process of its own, with kubectl as its client: for end-to-end tests."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from parts.loopback import free_port, missing
from parts.redis_servers import redis_program

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0


class Up:
    """One data directory, and the process that serves it now. `end()` leaves nothing behind.

    `inside` is put before every command: see `machine_namespace.py`.
    """

    def __init__(self, folder: Path, *flags: str, inside: Sequence[str] = ()) -> None:
        self.inside = inside
        self.folder = folder
        self.flags = flags
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.output = folder.parent / f"{folder.name}.out"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    def start(self) -> None:
        """Returns when the API serves."""
        begin = self.output.stat().st_size if self.output.exists() else 0
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(
                [
                    *(*self.inside, sys.executable, "-m", "tidegate.cli.main", "up"),
                    *("--data-dir", str(self.folder), "--port", str(self.port)),
                    *self.flags,
                ],
                stdout=out,
                stderr=out,
            )
        deadline = time.monotonic() + PATIENCE_S
        while b"export KUBECONFIG=" not in self.output.read_bytes()[begin:]:
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.05)

    def folder_for(self, name: str) -> Path:
        """A folder beside its own for a volume that somebody makes, open to all."""
        place = self.folder.parent / "by-hand" / name
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o777)
        return place

    def kill(self) -> None:
        """kill -9, as a crash does it."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def stop(self) -> int:
        """Asks it to stop; its exit code."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=PATIENCE_S)
        self.process = None
        return code

    def end(self) -> None:
        """Stops what runs, pods too; processes that nobody owns are a failure of the test."""
        if self.process is None and (self.folder / "node" / "node-id").exists():
            self.start()
        self.stop()
        left = self._marked()
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert left == {}, "processes outlived their pods"

    def processes(self) -> dict[int, str]:
        """Live processes of this directory's pods: pid → pod uid."""
        from tidegate.local.nodes.processes.process import UID_VARIABLE

        return {pid: marks[UID_VARIABLE] for pid, marks in self._marked().items() if UID_VARIABLE in marks}

    def _marked(self) -> dict[int, dict[str, str]]:
        """These, and the node's own."""
        from tidegate.local.nodes.processes.process import marked

        file = self.folder / "node" / "node-id"
        return dict(marked(file.read_text().strip())) if file.exists() else {}

    def kubectl(self, *words: str, stdin: str = "", check: bool = True) -> str:
        """Standard output of a kubectl; with `check` it must succeed."""
        run = subprocess.run(
            [*self.inside, kubectl(), *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S * 2,
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.folder.parent)},
        )
        if check:
            assert run.returncode == 0, f"kubectl {' '.join(words)}: {run.stderr}\n{self.tail()}"
        return run.stdout if check else run.stdout + run.stderr

    def tidegate(self, *words: str) -> str:
        """Standard output of a command of ours against this server."""
        run = subprocess.run(
            [*self.inside, sys.executable, "-m", "tidegate.cli.main", *words],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.folder.parent)},
        )
        assert run.returncode == 0, f"tidegate {' '.join(words)}: {run.stderr}\n{self.tail()}"
        return run.stdout

    def get(self, *words: str) -> Any:
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def tail(self) -> str:
        return self.output.read_text()[-3000:]

    def journal(self) -> list[tuple[str, str, str, str, Mapping[str, str]]]:
        """(verb, resource, name, uid, annotations) of every creation and deletion so far."""
        with sqlite3.connect(f"file:{self.folder / 'state.db'}?mode=ro", uri=True) as database:
            rows = database.execute(
                "SELECT verb, resource, name, uid, annotations FROM journal ORDER BY rv"
            ).fetchall()
        return [
            (verb, resource, name, uid, json.loads(text or "{}")) for verb, resource, name, uid, text in rows
        ]

    def until(self, what: str, is_true: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        """Waits for `is_true`; fails with `what` and the server's last words."""
        deadline = time.monotonic() + patience_s
        while not is_true():
            assert self.process is None or self.process.poll() is None, self.tail()
            assert time.monotonic() < deadline, f"not within {patience_s:g} s: {what}\n{self.tail()}"
            time.sleep(0.1)


def kubectl() -> str:
    own = Path(sys.prefix) / "bin" / "kubectl"
    return str(own) if own.exists() else shutil.which("kubectl") or "kubectl"


def needs_kubectl() -> None:
    if shutil.which(kubectl()) is None:
        missing("kubectl is missing; `make demo` installs one into .venv")


def needs_redis() -> None:
    redis_program()
