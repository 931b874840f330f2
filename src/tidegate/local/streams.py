"""What the API server asks of the node: a container's log, and a command run inside it.

`nodes/` implements `PodStreams`; `apiserver/` carries its bytes over HTTP and websockets.
Errors are `tidegate.kube.resource.ApiError`; raised before the first byte they become the answer's
Status: NotFound (404) for no such pod, BadRequest (400) for a container that cannot be read yet or
is not named (`container "c" in pod "p" is waiting to start: ContainerCreating`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


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


@dataclass(frozen=True, slots=True)
class Command:
    """Words to run inside a container, and where its bytes come from and go to.

    `stdin` ends when the client closes it; None is an empty input. Awaiting `stdout` and `stderr` is
    the back-pressure. With `has_terminal` everything comes out of `stdout`.
    """

    words: tuple[str, ...]
    stdin: AsyncIterator[bytes] | None
    stdout: Callable[[bytes], Awaitable[None]]
    stderr: Callable[[bytes], Awaitable[None]]
    has_terminal: bool = False


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
