"""What admission and validate add to KEDA's words."""

from __future__ import annotations

from tidegate import scalers
from tidegate.base.problems import Problem
from tidegate.review.nextsteps import with_next_step


def told(message: str) -> str:
    return with_next_step(Problem("spec.triggers[0].type", message)).message


def test_a_type_that_there_is_not_names_those_that_there_are_or_the_nearest() -> None:
    types = ", ".join(scalers.types())
    assert told("no scaler found for type: horoscope") == (
        f"no scaler found for type: horoscope; this version has {types} (docs/reference/triggers)"
    )
    for type in ("redis-of-mine", "redis-sentinel-lists"):
        assert "did you mean" not in told(f"no scaler found for type: {type}"), "none of its typos"
    assert told("no scaler found for type: Redis").endswith('; did you mean "redis"?')
    assert told("anything else") == "anything else"
