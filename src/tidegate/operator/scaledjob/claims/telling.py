"""What is told of claims as events of their ScaledJob: problems once, outcomes that somebody should know."""

from __future__ import annotations

from tidegate.base.errors import Failure
from tidegate.core.claims.values import (
    Answer,
    Ask,
    ClaimDecision,
    DeadLetter,
    Release,
    Renewed,
    Settled,
    Taken,
    Unguard,
)
from tidegate.core.reasons import Code
from tidegate.core.values import EmitEvent
from tidegate.operator.cluster.writer import Place, Writer
from tidegate.operator.reconcile.claim_state import ClaimState

_PROBLEMS = (Code.CLAIMS_UNANSWERED, Code.CLAIMS_REST, Code.CLAIMS_SPENT)


async def told(writer: Writer, place: Place, state: ClaimState, decision: ClaimDecision) -> None:
    """That claiming rests, and why; each cause once, until it is over. A date in it is no news."""
    present = {one.code: one.text for one in decision.reasons if one.code in _PROBLEMS}
    if Code.CLAIMS_UNANSWERED not in present:
        causes = frozenset(present)
    else:
        causes = frozenset(present.values())
    for code, text in present.items():
        if code not in state.told and text not in state.told:
            await writer.event(place, EmitEvent("Warning", "ClaimingRests", text))
    memory = decision.memory
    if (memory.trouble is None and memory.unasked is None) or present:
        state.told = causes


async def answered(writer: Writer, place: Place, state: ClaimState, ask: Ask, answer: Answer) -> None:
    """Dead letters, releases, what was lost, and what is to be known of the source, once."""
    if isinstance(answer, Failure):
        return
    if state.advice != state.advised:
        state.advised = state.advice
        await writer.event(place, EmitEvent("Warning", "ClaimsCutShort", state.advice))
    if isinstance(ask, DeadLetter) and isinstance(answer, Settled) and not answer.is_elsewhere:
        text = f"message {ask.id} was put aside in {state.source.aside()}: {ask.why}"
        await writer.event(place, EmitEvent("Warning", "ClaimDeadLettered", text))
    if isinstance(ask, Release) and isinstance(answer, Settled) and ask.delay_s and not answer.is_elsewhere:
        text = f"message {ask.id} rests for {ask.delay_s:g} s: Job {ask.job}, attempt {ask.finished}, failed"
        await writer.event(place, EmitEvent("Normal", "ClaimReleased", text))
    lost: tuple[str, ...] = ()
    if isinstance(answer, Renewed):
        lost = answer.lost
    elif isinstance(answer, Settled) and answer.is_elsewhere and hasattr(ask, "id"):
        lost = (ask.id,)
    for id in answer.gone if isinstance(answer, Taken) else ():
        text = f"message {id} is gone: it was removed from its source before a Job of it had succeeded"
        await writer.event(place, EmitEvent("Warning", "ClaimGone", text))
    for id in lost:
        text = f"the lease of message {id} was lost: somebody else may work on it, too"
        await writer.event(place, EmitEvent("Warning", "ClaimLost", text))


async def unanswered(writer: Writer, place: Place, action: Unguard) -> None:
    """A Job went without its outcome being told to the broker."""
    text = f"Job {action.job} goes, and its message comes again: {action.why}"
    await writer.event(place, EmitEvent("Warning", "ClaimUnanswered", text))
