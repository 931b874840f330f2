"""The hold on a data directory: one control plane per directory, however the last one ended."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from tidegate.base.errors import Misconfigured

LOCK_FILE = "lock"


class Hold:
    """A held directory. The kernel lets go of it when the process ends, kill -9 included."""

    def __init__(self, directory: Path) -> None:
        """Makes the directory (0700) if need be. Misconfigured when we cannot, or another one holds it."""
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Misconfigured(
                "open the data directory",
                on=str(directory),
                answer=(error.strerror or str(error)).lower(),
                next_step="choose a directory that you may write to with --data-dir",
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._file, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise Misconfigured(
                "open the data directory",
                on=str(directory),
                answer=f"the process with pid {holder} holds it",
                next_step="stop that process, or choose another directory with --data-dir",
            ) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode("ascii"), 0)

    def release(self) -> None:
        """Safe to call twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
