"""Commands run inside a container: same mounts, environment and directory as its own process."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import pty
import signal
import socket
import struct
import sys
import termios
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tidegate.local.nodes.processes.instance import LAUNCHER
from tidegate.local.streams import Command, Size

CHUNK_BYTES = 65536
OUTPUT_BYTES = 10_240
LINGER_S = 1.0
Sink = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Inside:
    """The container to run in: its process, and what its instance was given.

    `through` makes a command of another program's that runs it there; the process is in its network then.
    """

    pid: int
    cwd: str
    env: Mapping[str, str]
    identity: str = ":::"
    through: Callable[[Sequence[str], bool], list[str]] | None = None

    def argv(self, command: Sequence[str], has_tty: bool) -> list[str]:
        if self.through is not None:
            return self.through(command, has_tty)
        cwd, tty = self.cwd or "/", "1" if has_tty else "0"
        words = ["enter", str(self.pid), cwd, tty, self.identity, *command]
        return [sys.executable, "-I", "-S", str(LAUNCHER), *words]


async def run(inside: Inside, command: Sequence[str], timeout_s: float | None) -> tuple[int, str]:
    """The exit code and the first part of the output. TimeoutError when it takes too long (it is killed)."""
    process = await asyncio.create_subprocess_exec(
        *inside.argv(command, False),
        env=inside.env,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    kept: list[bytes] = []

    async def keep(chunk: bytes) -> None:
        if sum(map(len, kept)) < OUTPUT_BYTES:
            kept.append(chunk)

    try:
        async with asyncio.timeout(timeout_s):
            code = await _finish(process, [_piped(process.stdout, keep)])
    finally:
        await _end(process)
    return code, b"".join(kept)[:OUTPUT_BYTES].decode("utf-8", "replace")


async def stream(
    inside: Inside,
    command: Sequence[str],
    stdin: AsyncIterator[bytes] | None,
    stdout: Sink,
    stderr: Sink,
) -> int:
    """The exit code; bytes go through pipes, as they come."""
    process = await asyncio.create_subprocess_exec(
        *inside.argv(command, False),
        env=inside.env,
        stdin=PIPE if stdin is not None else DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    feeding = asyncio.create_task(_feed(process.stdin, stdin)) if stdin is not None else None
    try:
        return await _finish(process, [_piped(process.stdout, stdout), _piped(process.stderr, stderr)])
    finally:
        await _end(process, feeding)


async def dial(inside: Inside, port: int) -> socket.socket:
    """A connection to a port of the container's loopback. OSError where nobody listens."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-I", "-S", str(LAUNCHER), "dial", str(inside.pid), str(port)],
            env={},
            stdin=theirs.fileno(),
            stdout=DEVNULL,
            stderr=DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        try:
            await _ready(ours.fileno(), is_reading=True)
            told, files, _, _ = socket.recv_fds(ours, 16, 1)
        finally:
            await _end(process)
    if files:
        made = socket.socket(fileno=files[0])
        made.setblocking(False)
        return made
    code = int(told or b"0") or errno.ECONNREFUSED
    raise OSError(code, os.strerror(code))


async def stream_tty(inside: Inside, command: Command) -> int:
    """The exit code; the command has a terminal of its own, and one output."""
    master, slave = pty.openpty()
    os.set_blocking(master, False)
    try:
        process = await asyncio.create_subprocess_exec(
            *inside.argv(command.words, True),
            env={"TERM": "xterm", **inside.env},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
    except BaseException:
        os.close(master)
        raise
    finally:
        os.close(slave)
    inputs = [] if command.stdin is None else [_type(master, command.stdin)]
    if command.sizes is not None:
        inputs.append(_resize(master, command.sizes))
    feeding = asyncio.gather(*inputs)
    try:
        return await _finish(process, [Drain(lambda: _typed(master), command.stdout)])
    finally:
        await _end(process, feeding)
        os.close(master)


async def _resize(master: int, sizes: AsyncIterator[Size]) -> None:
    async for size in sizes:
        with suppress(OSError):
            fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", size.height, size.width, 0, 0))


async def _finish(process: Process, drains: Sequence[Drain]) -> int:
    """The exit code once the command has ended and its output is out (or somebody else holds it open).

    A client that takes its time gets all of it: only the wait for more output is cut short.
    """
    draining = [asyncio.ensure_future(drain.run()) for drain in drains]
    try:
        code = await process.wait()
        for drain, task in zip(drains, draining, strict=True):
            while not task.done():
                seen = drain.chunks
                done, _ = await asyncio.wait({task}, timeout=LINGER_S)
                if not done and drain.is_idle and drain.chunks == seen:
                    break
            if task.done():
                task.result()
    finally:
        for task in draining:
            task.cancel()
        await asyncio.gather(*draining, return_exceptions=True)
    return code if code >= 0 else 128 - code


class Drain:
    """Passes on output until its end; `read` gives the next piece, b"" at the end."""

    def __init__(self, read: Callable[[], Awaitable[bytes]], sink: Sink) -> None:
        self.chunks = 0
        self.is_idle = False
        self._read = read
        self._sink = sink

    async def run(self) -> None:
        while True:
            self.is_idle = True
            chunk = await self._read()
            self.is_idle = False
            if not chunk:
                return
            self.chunks += 1
            await self._sink(chunk)


def _piped(source: asyncio.StreamReader, sink: Sink) -> Drain:
    return Drain(lambda: source.read(CHUNK_BYTES), sink)


async def _feed(target: asyncio.StreamWriter | None, source: AsyncIterator[bytes]) -> None:
    assert target is not None
    with suppress(ConnectionError):
        async for chunk in source:
            target.write(chunk)
            await target.drain()
    target.close()


async def _typed(master: int) -> bytes:
    while True:
        await _ready(master, is_reading=True)
        try:
            return os.read(master, CHUNK_BYTES)
        except BlockingIOError:
            continue
        except OSError:  # EIO: nobody holds the other side any more
            return b""


async def _type(master: int, source: AsyncIterator[bytes]) -> None:
    async for chunk in source:
        left = memoryview(chunk)
        while left:
            await _ready(master, is_reading=False)
            with suppress(BlockingIOError):
                left = left[os.write(master, left) :]
    with suppress(OSError):
        os.write(master, b"\x04")


async def _ready(fd: int, is_reading: bool) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def done() -> None:
        if not ready.done():
            ready.set_result(None)

    (loop.add_reader if is_reading else loop.add_writer)(fd, done)
    try:
        await ready
    finally:
        (loop.remove_reader if is_reading else loop.remove_writer)(fd)


async def _end(process: Process, feeding: asyncio.Future[Any] | None = None) -> None:
    """Nothing of the command stays: its whole session is killed if it has not ended by itself."""
    if feeding is not None:
        feeding.cancel()
        with suppress(asyncio.CancelledError, OSError):
            await feeding
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
