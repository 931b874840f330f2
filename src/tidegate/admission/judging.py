"""A question of the API server, answered: by the object alone, by its neighbours, by its target."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

from tidegate.admission.counters import Counters
from tidegate.admission.reviews import Question, allowed, denied
from tidegate.admission.workloads import Seen
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.problems import Problem
from tidegate.review.judge import Verdict

log = logging.getLogger(__name__)

Object = dict[str, Any]

SYNC_S = 2.0
"""How long the first question waits for the first list of its neighbours."""
AT_ONCE = 4
"""Objects that are read at the same moment; a large one takes a while, and others wait their turn."""


class Neighbours(Protocol):
    @property
    def lacks(self) -> list[str]: ...

    async def synced(self) -> None: ...

    def problems(self, object: ScaledObject) -> list[Problem]: ...


class Targets(Protocol):
    async def look(self, object: ScaledObject) -> Seen: ...


class Judging:
    """`judge` is that of `review/judge.py`, with what else there is to say. Several questions at a time."""

    def __init__(
        self,
        judge: Callable[[Object | None, Object | None], Verdict],
        neighbours: Neighbours,
        targets: Targets,
        counters: Counters,
    ) -> None:
        self._judge = judge
        self._neighbours = neighbours
        self._targets = targets
        self._counters = counters
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._is_patient = True

    async def answer(self, question: Question) -> bytes:
        """The whole AdmissionReview."""
        if question.new is None:
            return allowed(question.uid)
        async with self._turns:
            # In a thread: a hostile object must not hold the probes, nor what others ask.
            verdict = await asyncio.to_thread(self._judge, question.new, question.old)
        warnings = verdict.warnings
        if verdict.object is not None:
            verdict, warnings = await self._beside(verdict, verdict.object)
        self._count(question, verdict.problems)
        if not verdict.problems:
            return allowed(question.uid, warnings)
        log.info(
            "refused",
            extra={
                "kind": question.new.get("kind"),
                "object": f"{question.namespace}/{question.name}",
                "problems": len(verdict.problems),
                "dry_run": question.is_dry_run,
            },
        )
        return denied(question.uid, verdict.problems)

    async def _beside(self, verdict: Verdict, object: ScaledObject) -> tuple[Verdict, tuple[str, ...]]:
        unsure: tuple[str, ...] = ()
        if not await self._knows_neighbours():
            unsure = (
                "spec.scaleTargetRef: whether somebody else scales the workload was not looked at: "
                "the webhook has not listed the cluster's ScaledObjects and HPAs yet",
            )
        found = [] if unsure else self._neighbours.problems(object)
        seen = await self._targets.look(object)
        verdict = verdict.beside([*found, *seen.problems])
        return verdict, (*unsure, *seen.warnings, *verdict.warnings)

    async def _knows_neighbours(self) -> bool:
        """One question waits a little for the first list; what cannot be listed may never be."""
        if self._is_patient:
            try:
                async with asyncio.timeout(SYNC_S):
                    await self._neighbours.synced()
            except TimeoutError:
                self._is_patient = False
        return not self._neighbours.lacks

    def _count(self, question: Question, problems: tuple[Problem, ...]) -> None:
        assert question.new is not None
        kind = question.new.get("kind")
        if kind == "ScaledObject":
            self._counters.judged(question.namespace, question.action)
        if kind in ("ScaledObject", "ScaledJob") and problems:
            self._counters.refused(question.namespace, question.action, problems)
