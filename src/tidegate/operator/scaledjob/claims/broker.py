"""Asking a broker: a decision's actions as commands, and what comes back as answers."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile

from tidegate.base.errors import Failure, TidegateError, Unreachable
from tidegate.connections.claims.writers import Writers
from tidegate.core.claims.values import (
    Acknowledge,
    Answer,
    Ask,
    Awaited,
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
from tidegate.kit.systems.claims import Command, Deliveries, NotYet, Renewals, Result
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
        self,
        holder: str,
        state: ClaimState,
        lease_s: float,
        asks: Sequence[Ask],
        known: tuple[str, ...],
        receipts: Mapping[str, str],
    ) -> list[Answer]:
        """One answer per action. Bodies and receipts of messages that came are kept in `state`; `receipts`
        are those that Jobs carry.

        Leases that are renewed come first, in an exchange of their own: a command that fails, or that takes
        all the time there is, may take others of its exchange with it.
        """
        first = len(list(takewhile(lambda one: isinstance(one, Renew), asks)))
        if not 0 < first < len(asks):
            return await self._exchanged(holder, state, lease_s, asks, known, receipts)
        answers = await self._exchanged(holder, state, lease_s, asks[:first], known, receipts)
        failed = next((one for one in answers if isinstance(one, Failure)), None)
        if failed is not None and failed.kind == Unreachable.__name__:
            # Nobody is there, which takes long to find out.
            return [*answers, *[failed] * (len(asks) - first)]
        return [*answers, *await self._exchanged(holder, state, lease_s, asks[first:], known, receipts)]

    async def _exchanged(
        self,
        holder: str,
        state: ClaimState,
        lease_s: float,
        asks: Sequence[Ask],
        known: tuple[str, ...],
        receipts: Mapping[str, str],
    ) -> list[Answer]:
        sent_at = self.clock.now()
        commands = [
            Command(
                state.source,
                holder,
                lease_s,
                one,
                known,
                secrets.token_hex(6),
                _shown(one, known, {**receipts, **state.receipts}),
                _body(state, one),
            )
            for one in asks
        ]
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
        state.advice = result.told or state.advice
        state.bodies.update((one.id, one) for one in result.items)
        _keep(state, ((one.id, one.receipt) for one in result.items))
        _keep(state, result.held)
        messages = [Message(one.id, until, sent_at, one.finished, len(one.body)) for one in result.items]
        messages += (Message(id, until, sent_at) for id, _ in result.held)
        retry = sent_at + timedelta(seconds=result.retry_s) if result.retry_s is not None else None
        return Taken(tuple(messages), result.has_more, retry, result.gone)
    if isinstance(result, Renewals):
        _keep(state, result.receipts)
        return Renewed(until, result.lost, result.late)
    if isinstance(result, NotYet):
        return Awaited()
    return Settled(result.is_elsewhere, result.is_uncounted)


def _keep(state: ClaimState, receipts: Iterable[tuple[str, str]]) -> None:
    """What a later command has to show, in this process and the next."""
    for id, receipt in receipts:
        if receipt and state.receipts.get(id) != receipt:
            state.receipts[id] = receipt
            state.unwritten.add(id)


def _body(state: ClaimState, ask: Ask) -> bytes | None:
    """What is put aside, as it came."""
    found = state.bodies.get(ask.id) if isinstance(ask, DeadLetter) else None
    return found.body if found is not None else None


def _shown(ask: Ask, known: tuple[str, ...], receipts: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The receipts that a command needs: those of its messages; who knows nothing yet shows all others."""
    if isinstance(ask, Take):
        ids = [id for id in receipts if id not in known] if not ask.maximum else []
    else:
        ids = [id for id in (ask.ids if isinstance(ask, Renew | GiveBack) else (ask.id,)) if id in receipts]
    return tuple((id, receipts[id]) for id in ids)


_COUNTED = {Acknowledge: "acknowledged", Release: "released", DeadLetter: "dead_lettered"}


def _count(state: ClaimState, ask: Ask, answer: Answer) -> None:
    """Counts what was done, for metrics."""
    counts = state.counts
    if isinstance(answer, Failure):
        counts["failed"] += 1
    elif isinstance(ask, Take) and isinstance(answer, Taken):
        counts["claimed"] += len(answer.messages)
    elif isinstance(ask, Renew) and isinstance(answer, Renewed):
        counts["renewed"] += len(ask.ids) - len(answer.lost) - len(answer.late)
        counts["lost"] += len(answer.lost)
    elif isinstance(ask, GiveBack):
        counts["given_back"] += len(ask.ids)
    elif isinstance(answer, Settled) and type(ask) in _COUNTED:
        counts["lost" if answer.is_elsewhere else _COUNTED[type(ask)]] += 1
