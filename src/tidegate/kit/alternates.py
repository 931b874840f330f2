"""Several servers of which any can answer: asked one after the other until one does.

Whoever could not be reached rests for a while, as every server does, and is passed over at once meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tidegate.base.errors import Unreachable
from tidegate.kit.question import Ask, Question


async def first_answer(ask: Ask, questions: Sequence[Question]) -> tuple[Any, Question]:
    """The first answer, with the question that it is to. Raises what the first server said where none can
    be reached; what a server refuses is refused, whatever the others would say."""
    problem: Unreachable | None = None
    for question in questions:
        try:
            return await ask(question), question
        except Unreachable as error:
            problem = problem or error
    assert problem is not None, "there is at least one server"
    raise problem
