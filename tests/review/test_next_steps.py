"""What admission and validate add to KEDA's words."""

from __future__ import annotations

from tidegate.base.problems import Problem
from tidegate.review.next_steps import with_next_step


def told(message: str) -> str:
    return with_next_step(Problem("spec.triggers[0].type", message)).message


def test_a_type_that_there_is_not_says_what_was_meant_or_where_all_are_listed() -> None:
    for type in ("horoscope", "redis-of-mine", "redis-sentinel-lists"):
        assert told(f"no scaler found for type: {type}") == (
            f"no scaler found for type: {type}; `tidegate triggers` lists the types that there are"
        )
    assert told("no scaler found for type: Redis").endswith('; did you mean "redis"?')
    assert told("anything else") == "anything else"
