"""A decision about counted Jobs where they are claimed instead: nothing is counted, all the rest stays."""

from __future__ import annotations

from dataclasses import replace

from tidegate.core.claims.values import ClaimDecision
from tidegate.core.memory import unclaimed
from tidegate.core.reasons import Code
from tidegate.core.values import CreateJobs, Decision, Memory

_OF_COUNTING = frozenset(
    {
        Code.QUEUED,
        Code.STRATEGY,
        Code.JOBS_HELD,
        Code.JOBS_CREATED,
        Code.MINIMUM_JOBS,
        Code.ENOUGH_JOBS,
        Code.JOBS_CAPPED,
        Code.JOBS_PACED,
        Code.JOBS_WAIT,
        Code.JOBS_REFUSED,
        Code.JOBS_PENDING,
    }
)


def with_claims(decision: Decision, claims: ClaimDecision, before: Memory) -> Decision:
    """The decision with the claims' part in place of what was counted."""
    memory = replace(unclaimed(decision.memory, before), is_full=claims.is_full)
    return Decision(
        memory,
        tuple(one for one in decision.actions if not isinstance(one, CreateJobs)),
        (*(one for one in decision.reasons if one.code not in _OF_COUNTING), *claims.reasons),
        decision.due,
    )
