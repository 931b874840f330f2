"""What a program leaves behind for its container's status, as it ends.

It may write to the file at `terminationMessagePath`, which is a file of its instance; where it leaves
nothing and fails, the end of its log may speak for it.
"""

from __future__ import annotations

import os
from pathlib import Path

FILE = "message"
MESSAGE_BYTES, LOG_BYTES, LOG_LINES = 4096, 2048, 80
FALLBACK = "FallbackToLogsOnError"


def last_words(instance: Path, policy: str, has_failed: bool) -> str:
    """Source: Kubernetes documentation, "Determine the Reason for Pod Failure"."""
    left = _end(instance / FILE, MESSAGE_BYTES)
    if left or policy != FALLBACK or not has_failed:
        return left
    return "".join(_end(instance / "log", LOG_BYTES).splitlines(keepends=True)[-LOG_LINES:])


def _end(file: Path, most: int) -> str:
    try:
        with file.open("rb") as one:
            size = one.seek(0, os.SEEK_END)
            one.seek(max(0, size - most))
            return one.read(most).decode("utf-8", "replace")
    except OSError:
        return ""
