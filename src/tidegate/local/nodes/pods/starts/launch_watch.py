"""A launcher at work, until its command runs or it is certain that it will not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any

BEGUN = b"+"


class LaunchWatch:
    """Reads what the launcher tells. `begun` says whether the command runs, in a while; None: it does.

    `on_begun` is called once when the command runs, `on_over` once in any case, and before it.
    """

    def __init__(
        self,
        status_fd: int,
        begun: Callable[[], Coroutine[Any, Any, bool] | None],
        on_begun: Callable[[], None],
        on_over: Callable[[], None],
    ) -> None:
        self._fd: int | None = status_fd
        self._begun = begun
        self._on_begun = on_begun
        self._on_over: Callable[[], None] | None = on_over
        self._task: asyncio.Task[bool] | None = None
        asyncio.get_running_loop().add_reader(status_fd, self._told)

    def _told(self) -> None:
        is_well = self._fd is not None and os.read(self._fd, 1) == BEGUN
        self._close_fd()
        waiting = self._begun() if is_well else None
        if waiting is not None:
            self._task = asyncio.create_task(waiting)
            self._task.add_done_callback(self._waited)
            return
        self.close()
        if is_well:
            self._on_begun()

    def _waited(self, task: asyncio.Task[bool]) -> None:
        if self._task is task:
            self._task = None
            self.close()
            if task.result():
                self._on_begun()

    def close(self) -> None:
        """Lets go of the launcher; safe twice."""
        self._close_fd()
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
        if self._on_over is not None:
            told, self._on_over = self._on_over, None
            told()

    def _close_fd(self) -> None:
        if self._fd is not None:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = None
