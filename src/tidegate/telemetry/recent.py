"""The newest lines of our own log, kept in memory to be read while the program runs."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

MOST_BYTES = 1024 * 1024
LINE_BYTES = 8192


class Line(NamedTuple):
    """`number` counts up from 1; `at` is the moment in seconds since 1970; `text` is without its end."""

    number: int
    at: float
    text: bytes


class RecentLines:
    """Lines up to a megabyte; the oldest ones go first. Written by any thread, read by any."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._lines: deque[Line] = deque()
        self._bytes = self._count = 0
        self._lock = threading.Lock()

    def add(self, at: float, text: str) -> None:
        """Each line of `text`, cut to 8 KiB."""
        with self._lock:
            for line in text.split("\n"):
                self._count += 1
                kept = line.encode()[:LINE_BYTES]
                self._lines.append(Line(self._count, at, kept))
                self._bytes += len(kept)
            while self._bytes > self._most:
                self._bytes -= len(self._lines.popleft().text)

    def after(self, number: int) -> list[Line]:
        """What is kept of the lines behind this one, oldest first."""
        with self._lock:
            if number >= self._count:
                return []
            return [line for line in self._lines if line.number > number]


class Recent(logging.Handler):
    """Hands each record, formatted, to the lines that `choose` names for its logger; None: to nobody."""

    def __init__(
        self,
        choose: Callable[[str], RecentLines | None],
        now: Callable[[], datetime],
        formatter: logging.Formatter,
    ) -> None:
        super().__init__()
        self._choose = choose
        self._now = now
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        lines = self._choose(record.name)
        if lines is None:
            return
        try:
            lines.add(self._now().timestamp(), self.format(record))
        except Exception:
            self.handleError(record)
