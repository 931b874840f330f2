"""What the API server asks of the node: a container's log, a command run inside it, its own input and
output, and connections to its ports.

`nodes/` implements `PodStreams`; `apiserver/` carries its bytes over HTTP and websockets.
Errors are `tidegate.kube.resource.ApiError`; raised before the first byte they become the answer's
Status: NotFound (404) for no such pod, BadRequest (400) for a container that cannot be read yet or
is not named (`container "c" in pod "p" is waiting to start: ContainerCreating`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Which part of a log is wanted; None means no restriction.

    `since_s` and `since_time` exclude each other; `limit_bytes` cuts the answer, even within a line.
    """

    follow: bool = False
    previous: bool = False
    tail_lines: int | None = None
    since_s: int | None = None
    since_time: datetime | None = None
    timestamps: bool = False
    limit_bytes: int | None = None


class Size(NamedTuple):
    """Of a terminal, in characters."""

    width: int
    height: int


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Command:
    """Words to run inside a container, and where its bytes come from and go to; without words, to attach.

    `stdin` ends when the client closes it; None is an empty input. Awaiting `stdout` and `stderr` is
    the back-pressure. With `has_terminal` everything comes out of `stdout`, and `sizes` are its terminal's.
    """

    words: tuple[str, ...]
    stdin: AsyncIterator[bytes] | None
    stdout: Callable[[bytes], Awaitable[None]]
    stderr: Callable[[bytes], Awaitable[None]]
    has_terminal: bool = False
    sizes: AsyncIterator[Size] | None = None


class PodStreams(Protocol):
    def logs(self, namespace: str, name: str, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        """The log's bytes as they are read. `container` "" is the only one of the pod.

        With `follow` the iterator ends when the container instance ends. Closing it early (`aclose`)
        frees whatever follows the file.
        """

    async def exec(self, namespace: str, name: str, container: str, command: Command) -> int:
        """The exit code of `command`, run as the container runs: its environment, directory, mounts.

        Cancelling the call ends the command.
        """

    async def attach(self, namespace: str, name: str, container: str, command: Command) -> int:
        """0 when the container's process has ended; until then its output from now on, and its input.

        Cancelling the call leaves the process alone.
        """

    async def connect(self, namespace: str, name: str, port: int) -> Ends:
        """A connection to a port of the pod, on its address or its loopback. OSError where nobody listens."""

    async def over(self, namespace: str, name: str) -> None:
        """Returns when the pod has ended or is gone; what was connected to it has no use any more."""
