"""Readers of plain answers: a value of the promised shape, or `Malformed`. Never a silent zero."""

from __future__ import annotations

from typing import Any

from tidegate.base.errors import Malformed
from tidegate.kit.question import Question


def count(answer: Any, question: Question) -> int:
    """`answer` if it is a whole number, not below zero. Malformed when it is anything else."""
    if type(answer) is int and answer >= 0:
        return answer
    shown = f"{answer!r:.60}" if isinstance(answer, (int, float)) else f"a {type(answer).__name__}"
    raise Malformed(
        f"read the answer to {type(question).__name__}",
        on=question.server.label(),
        answer=f"{shown} where a count was expected",
        next_step="this is a defect of the connection or of the server behind it",
    )
