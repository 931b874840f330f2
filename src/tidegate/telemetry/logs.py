"""Own logs: one line per change, as text for people or JSON for programs.

The message is constant; what varies travels as fields (`extra=`), shown as key=value or as members.
"""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import msgspec

from tidegate.base.times import format_time

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def fields_of(record: logging.LogRecord) -> dict[str, str]:
    """What the caller gave as `extra`, as text."""
    return {key: str(value) for key, value in vars(record).items() if key not in _STANDARD}


class TextLines(logging.Formatter):
    """`2026-01-02T03:04:05Z WARNING measure: server failed server=redis:6379`"""

    def format(self, record: logging.LogRecord) -> str:
        room = record.name.removeprefix("tidegate.")
        line = f"{moment(record)} {record.levelname} {room}: {record.getMessage()}"
        for key, value in fields_of(record).items():
            line += f" {key}={value!r}" if " " in value or not value else f" {key}={value}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, str] = {
            "time": moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(entry).decode()


def formatter(form: str) -> logging.Formatter:
    """Of `text` or `json`."""
    return JsonLines() if form == "json" else TextLines()


def moment(record: logging.LogRecord) -> str:
    from datetime import UTC, datetime

    return format_time(datetime.fromtimestamp(record.created, UTC))


def start(level: str = "info", form: str = "text", stream: TextIO | None = None) -> None:
    """Send everybody's logs to `stream` (standard error) from `level` up; `form` is text or json."""
    target = logging.StreamHandler(stream or sys.stderr)
    # Where a logger lets more through for somebody else, this is still what is shown.
    target.setLevel(level.upper())
    target.setFormatter(formatter(form))
    root = logging.getLogger()
    root.handlers[:] = [target]
    root.setLevel(level.upper())
    for chatty in ("aiohttp.access", "asyncio", "aiohttp.server"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
