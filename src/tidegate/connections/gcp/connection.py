"""The adapter for one service of Google Cloud, as one account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tidegate.base.errors import Denied, TidegateError, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.gcp.calls import Calls
from tidegate.connections.gcp.monitoring import Monitoring
from tidegate.kit.question import Question
from tidegate.kit.systems.gcp import GcpServer, NewestPoint

_GRACE_S = 1.0


class GcpConnection:
    """Answers the questions of one service: together where the service allows, a few calls at a time."""

    batch = 1000
    wake_gap_s = 30.0
    """Points come once a minute, and reading them is billed."""

    def __init__(self, server: GcpServer, surroundings: Surroundings) -> None:
        self._calls = Calls(server, surroundings)
        self.client = self._calls.client
        waves = -(-self.batch // self.client.concurrency)
        # A token first, and a page or two.
        self.patience_s = (waves + 3) * self.client.timeout_s + _GRACE_S
        self._monitoring = Monitoring(self._calls)

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        asked = await self._placed([one for one in questions if isinstance(one, NewestPoint)])
        points = [one for one in asked.values() if isinstance(one, NewestPoint)]
        found: dict[Any, Any] = dict(await self._monitoring.values(points)) if points else {}
        answers: list[Any] = []
        for question in questions:
            placed = asked[question] if isinstance(question, NewestPoint) else _unknown(question)
            answers.append(placed if isinstance(placed, TidegateError) else found[placed])
        if answers and all(isinstance(answer, Denied) for answer in answers):
            # The account is refused, not a metric: the service rests until somebody changes it.
            raise answers[0]
        return answers

    async def _placed(
        self, questions: Sequence[NewestPoint]
    ) -> dict[NewestPoint, NewestPoint | TidegateError]:
        """Those that name no project, in that of the identity that asks."""
        placed: dict[NewestPoint, NewestPoint | TidegateError] = {one: one for one in questions}
        homeless = [one for one in placed if not one.project]
        if homeless:
            try:
                project = await self._calls.project()
            except TidegateError as error:
                return placed | dict.fromkeys(homeless, error)
            placed |= {one: replace(one, project=project) for one in homeless}
        return placed

    async def close(self) -> None:
        await self._calls.close()


def _unknown(question: Question) -> Unsupported:
    return Unsupported(f"answer {type(question).__name__}", on=question.server.label())
