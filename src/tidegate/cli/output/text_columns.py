"""Columns of text, as wide as their longest cell."""

from __future__ import annotations

import re
from collections.abc import Sequence

_BREAK = re.compile(r"[\n\r\f]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def cell(value: object) -> str:
    """A value as one line: nothing for None, cut at its first line break, nothing a terminal would obey."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value)
    broken = _BREAK.search(text)
    if broken is not None:
        text = text[: broken.start()] + "..."
    return _CONTROL.sub("?", text)


def widths(rows: Sequence[Sequence[str]], gap: int = 3, least: int = 6) -> list[int]:
    """Each column's width, its gap included. kubectl's tables have a gap of 3 and a least width of 6."""
    count = max((len(row) for row in rows), default=0)
    return [
        max([least, *(len(row[at]) + gap for row in rows if at < len(row))]) if count else least
        for at in range(count)
    ]


def line(row: Sequence[str], wide: Sequence[int]) -> str:
    """One row; the last cell has no blanks behind it."""
    if not row:
        return ""
    return "".join(text.ljust(width) for text, width in zip(row[:-1], wide, strict=False)) + row[-1]


def lines(rows: Sequence[Sequence[str]], gap: int = 3, least: int = 6) -> list[str]:
    wide = widths(rows, gap, least)
    return [line(row, wide) for row in rows]
