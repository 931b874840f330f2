from __future__ import annotations

import logging
from datetime import UTC, datetime

from tidegate.telemetry.logs import formatter
from tidegate.telemetry.recent import LINE_BYTES, Recent, RecentLines

NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


def texts(lines: RecentLines, after: int = 0) -> list[str]:
    return [line.text.decode() for line in lines.after(after)]


def test_the_oldest_lines_go_first_and_numbers_count_on():
    lines = RecentLines(most=6)
    for text in ("aa", "bb\ncc", "dd"):
        lines.add(1.0, text)
    assert texts(lines) == ["bb", "cc", "dd"]
    assert [line.number for line in lines.after(2)] == [3, 4]
    assert lines.after(4) == lines.after(99) == []


def test_a_line_without_end_is_cut():
    lines = RecentLines()
    lines.add(1.0, "x" * 20_000)
    assert [len(text) for text in texts(lines)] == [LINE_BYTES]


def test_records_go_to_whom_their_logger_belongs():
    mine = RecentLines()
    recent = Recent(lambda name: mine if name == "tidegate.mine" else None, lambda: NOW, formatter("text"))
    for name in ("tidegate.mine", "tidegate.other"):
        recent.handle(logging.makeLogRecord({"name": name, "levelname": "INFO", "msg": "seen", "size": 7}))
    [line] = mine.after(0)
    assert line.at == NOW.timestamp()
    assert line.text.endswith(b"INFO mine: seen size=7")
