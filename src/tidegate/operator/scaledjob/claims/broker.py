"""Asking a broker: a decision's actions as commands, and what comes back as answers."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from tidegate.base.errors import Failure, TidegateError, Unreachable
from tidegate.connections.claims.writers import Writers
from tidegate.core.claims.values import (
    Acknowledge,
    Answer,
    Ask,
    DeadLetter,
    GiveBack,
    Message,
    Release,
    Renew,
    Renewed,
    Settled,
    Take,
    Taken,
)
from tidegate.kit.systems.claims import Command, Deliveries, Renewals, Result
from tidegate.operator.reconcile.claim_state import ClaimState
from tidegate.runtime.clock import Clock

log = logging.getLogger(__name__)

# Longer than any writer takes by itself.
_PATIENCE_S = 10.0


class Broker:
    """Asks in the name of ScaledJobs; `holder` is the uid of one."""

    def __init__(self, writers: Writers, clock: Clock) -> None:
        self.writers = writers
        self.clock = clock

    async def ask(
        self, holder: str, state: ClaimState, lease_s: float, asks: Sequence[Ask], known: tuple[str, ...]
    ) -> list[Answer]:
        """One answer per action. The bodies of messages that came are kept in `state`."""
        sent_at = self.clock.now()
        commands = [Command(state.source, holder, lease_s, one, known, secrets.token_hex(6)) for one in asks]
        results = await self._results(holder, commands)
        answers = []
        for ask, result in zip(asks, results, strict=True):
            answers.append(_answer(state, result, sent_at, lease_s))
            _count(state, ask, answers[-1])
        return answers

    async def _results(self, holder: str, commands: list[Command]) -> Sequence[Result | TidegateError]:
        on = commands[0].source.server.label()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self.writers.carry_out(holder, commands)
        except TidegateError as error:
            failed: TidegateError = error
        except TimeoutError:
            failed = Unreachable("claim messages", on=on, answer=f"no answer within {_PATIENCE_S:g} s")
        failed.__traceback__ = None
        return [failed] * len(commands)


def _answer(state: ClaimState, result: Result | TidegateError, sent_at: datetime, lease_s: float) -> Answer:
    # By our clock a lease begins when it was asked for: it never looks longer than it is.
    until = sent_at + timedelta(seconds=lease_s)
    if isinstance(result, TidegateError):
        return Failure.of(result)
    if isinstance(result, Deliveries):
        state.bodies.update((one.id, one) for one in result.items)
        messages = tuple(Message(one.id, until, sent_at, one.finished, len(one.body)) for one in result.items)
        retry = sent_at + timedelta(seconds=result.retry_s) if result.retry_s is not None else None
        return Taken(messages, result.has_more, retry, result.gone)
    if isinstance(result, Renewals):
        return Renewed(until, result.lost)
    return Settled(result.is_elsewhere)


_COUNTED = {Acknowledge: "acknowledged", Release: "released", DeadLetter: "dead_lettered"}


def _count(state: ClaimState, ask: Ask, answer: Answer) -> None:
    """Counts what was done, for metrics."""
    counts = state.counts
    if isinstance(answer, Failure):
        counts["failed"] += 1
    elif isinstance(ask, Take) and isinstance(answer, Taken):
        counts["claimed"] += len(answer.messages)
    elif isinstance(ask, Renew) and isinstance(answer, Renewed):
        counts["renewed"] += len(ask.ids) - len(answer.lost)
        counts["lost"] += len(answer.lost)
    elif isinstance(ask, GiveBack):
        counts["given_back"] += len(ask.ids)
    elif isinstance(answer, Settled) and type(ask) in _COUNTED:
        counts["lost" if answer.is_elsewhere else _COUNTED[type(ask)]] += 1
