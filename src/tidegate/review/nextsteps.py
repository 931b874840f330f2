"""The next step for problems whose words are KEDA's, and stay so in events and conditions."""

from __future__ import annotations

from dataclasses import replace

from tidegate import scalers
from tidegate.base.problems import Problem
from tidegate.base.spelling import hint
from tidegate.review.manifest import NO_SCALER

_PAGES = "docs/reference/triggers"


def with_next_step(problem: Problem) -> Problem:
    """The problem; one with a type that there is not says which there are."""
    if not problem.message.startswith(NO_SCALER):
        return problem
    types = scalers.types()
    near = hint(problem.message.removeprefix(NO_SCALER), types, is_slip=True)
    there_are = f"; this version has {', '.join(types)} ({_PAGES})"
    return replace(problem, message=problem.message + (near or there_are))
