"""The processes that are measured or measured against: a real Redis, and `tidegate up`."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import msgspec
import redis

from bench.load import Load

PATIENCE_S = 60.0


@contextmanager
def redis_server(folder: Path) -> Iterator[redis.Redis]:
    """A redis-server of our own, in memory only, on a free port; the client's pool tells the port."""
    program = shutil.which("redis-server", path=f"{Path(sys.executable).parent}") or shutil.which(
        "redis-server"
    )
    if program is None:
        raise SystemExit("redis-server is missing; `make demo` installs one on x86-64")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    arguments = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    arguments += ["--save", "", "--appendonly", "no", "--logfile", str(folder / "redis.log")]
    process = subprocess.Popen([program, *arguments])
    client = redis.Redis(port=port)
    try:
        _until_answers(client, process)
        yield client
    finally:
        client.close()
        end(process)


def port_of(client: redis.Redis) -> int:
    return int(client.connection_pool.connection_kwargs["port"])


@contextmanager
def api_server(folder: Path, objects: int, load: Load) -> Iterator[str]:
    """The embedded API in a process of its own (`bench.api`); the path of its kubeconfig."""
    arguments = [str(folder / "state"), str(objects), msgspec.json.encode(load).decode()]
    api = subprocess.Popen(
        [sys.executable, "-m", "bench.api", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert api.stdout is not None
        kubeconfig = api.stdout.readline().decode().strip()
        if not kubeconfig:
            raise SystemExit("the API process ended before it served")
        yield kubeconfig
    finally:
        end(api)
        if api.stdin is not None:
            api.stdin.close()


def _until_answers(client: redis.Redis, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            client.ping()
        except redis.ConnectionError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


class Up:
    """A `tidegate up` that serves; its output is a pipe, hence no terminal."""

    def __init__(self, folder: Path, *flags: str) -> None:
        began_s = time.monotonic()
        self.kubeconfig = folder / "kubeconfig"
        self.process = subprocess.Popen(
            [tidegate(), "up", "--data-dir", str(folder), "--port", "0", *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(b"export KUBECONFIG="):
                break
        else:
            raise SystemExit(f"`tidegate up` ended with code {self.process.wait()} before it served")
        self.ready_s = time.monotonic() - began_s
        # It tells of every change: a pipe that nobody empties would hold it up.
        threading.Thread(target=_read_on, args=(self.process.stdout,), daemon=True).start()

    def stop(self) -> float:
        """Asks it to stop; the seconds that took."""
        began_s = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        end(self.process)
        return time.monotonic() - began_s


def _read_on(output: IO[bytes]) -> None:
    with suppress(ValueError):  # closed, after the end of the process
        deque(output, maxlen=0)


def tidegate() -> str:
    """The command as it is installed beside this interpreter."""
    return str(Path(sys.executable).parent / "tidegate")


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process of ours; by force when it does not within a minute."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()
