"""Parameter files of ClusterTriggerAuthentications (`spec.filePath`).

Source: KEDA, flag `--filepath-auth-root-path`: a path is relative, contains no "..", and links are followed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec

from tidegate.base.errors import Denied, Malformed, Misconfigured

FILE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ParameterFiles:
    """The files below `root`, each a JSON object of texts, at most 1 MiB."""

    root: Path

    def read(self, path: str) -> dict[str, str]:
        """The parameters of one file; one of the five errors, which never quotes it."""
        attempted = f'read filePath "{path}" below {self.root}'
        place = self._place(path)
        if place is None:
            answer = "filePath must be relative and not contain '..'"
            raise Misconfigured(attempted, answer=answer, next_step="correct it")
        try:
            raw = _bytes(place)
        except (OSError, ValueError) as error:
            answer = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
            step = "put the file there, readable for this process"
            raise Denied(attempted, answer=answer, next_step=step) from error
        if raw is None:
            raise Malformed(attempted, answer="it is not a regular file")
        if len(raw) > FILE_BYTES:
            raise Malformed(attempted, answer="the file is larger than 1 MiB")
        try:
            return msgspec.json.decode(raw, type=dict[str, str])
        except (msgspec.DecodeError, UnicodeDecodeError):
            # The decoder's own words stay out: what it quotes may be a secret.
            step = 'write an object of texts, such as {"password": "…"}'
            raise Malformed(attempted, answer="it is not a JSON object of texts", next_step=step) from None

    def stamp(self, path: str) -> Hashable:
        """Of a file, what differs when it has been written, replaced, removed or opened to us since."""
        place = self._place(path)
        if place is None:
            return None
        try:
            found = place.stat()
        except OSError as error:
            return error.errno
        except ValueError:
            return None
        return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def _place(self, path: str) -> Path | None:
        parts = PurePosixPath(path)
        return None if parts.is_absolute() or ".." in path or not path else self.root / parts


def _bytes(place: Path) -> bytes | None:
    """The content, a byte beyond the limit at most; None for what is no regular file: pipes have no end."""
    descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return file.read(FILE_BYTES + 1)
