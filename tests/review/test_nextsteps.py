"""What admission and validate add to KEDA's words."""

from __future__ import annotations

from tidegate.base.problems import Problem
from tidegate.review.nextsteps import with_next_step


def told(message: str) -> str:
    return with_next_step(Problem("spec.triggers[0].type", message)).message


def test_a_type_that_there_is_not_names_those_that_there_are_or_the_nearest() -> None:
    assert told("no scaler found for type: kafka") == (
        "no scaler found for type: kafka; this version has cpu, cron, kubernetes-workload, memory, redis, "
        "redis-cluster, redis-sentinel (docs/reference/triggers)"
    )
    assert told("no scaler found for type: Redis").endswith('; did you mean "redis"?')
    assert told("anything else") == "anything else"
