"""Lines for a reader who may have stopped: that holds up nothing but the lines."""

from __future__ import annotations

import os
import queue
import threading
from contextlib import suppress

WAITING_MAX = 1000
LAST_S = 0.5


class Printer:
    """Writes lines to `fd` from a thread of its own, in their order.

    While the reader does not read, up to 1,000 lines wait; those that come then are left out, and how many
    stands in the next line that is written. A reader that is gone ends it.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._waiting: queue.Queue[str | None] = queue.Queue(WAITING_MAX)
        self._left_out = 0
        self._thread = threading.Thread(target=self._write, name="printer", daemon=True)
        self._thread.start()

    def line(self, text: str) -> None:
        """Never waits."""
        if self._left_out:
            told = f"… {self._left_out} lines were left out: nobody read them in time"
            with suppress(queue.Full):
                self._waiting.put_nowait(told)
                self._left_out = 0
        try:
            self._waiting.put_nowait(text)
        except queue.Full:
            self._left_out += 1

    def close(self) -> None:
        """Waits half a second at most for what is to be written."""
        with suppress(queue.Full):
            self._waiting.put_nowait(None)
            self._thread.join(LAST_S)

    def _write(self) -> None:
        # Past the buffers of `sys.stdout`, whose lock would be held at exit by a write that never ends.
        with suppress(OSError):
            while (text := self._waiting.get()) is not None:
                rest = f"{text}\n".encode("utf-8", "replace")
                while rest:
                    rest = rest[os.write(self._fd, rest) :]
