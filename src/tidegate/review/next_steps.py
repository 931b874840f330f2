"""The next step for problems whose words are KEDA's, and stay so in events and conditions."""

from __future__ import annotations

from dataclasses import replace

from tidegate.base.problems import Problem
from tidegate.review.manifest import NO_SCALER
from tidegate.scalers.spellings import meant


def with_next_step(problem: Problem) -> Problem:
    """The problem; one with a type that there is not says what was perhaps meant."""
    if not problem.message.startswith(NO_SCALER):
        return problem
    trigger_type, _, why = problem.message.removeprefix(NO_SCALER).partition("; ")
    return problem if why else replace(problem, message=problem.message + meant(trigger_type))
