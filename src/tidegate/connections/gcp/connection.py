"""The adapter for one service of Google Cloud, as one account."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from tidegate.base.errors import Denied, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.gcp.calls import Calls
from tidegate.connections.gcp.filters import Filters
from tidegate.connections.gcp.monitoring import Monitoring
from tidegate.connections.gcp.secrets import Secrets
from tidegate.connections.gcp.spanner import Spanner
from tidegate.connections.gcp.storage import Storage
from tidegate.kit.question import Question
from tidegate.kit.systems.gcp import GcpServer
from tidegate.kit.systems.gcp_monitoring import FilteredPoint, NewestPoint
from tidegate.kit.systems.gcp_secrets import SecretVersion
from tidegate.kit.systems.gcp_spanner import SpannerQuery
from tidegate.kit.systems.gcp_storage import ObjectCount

_GRACE_S = 1.0

Values = Callable[[Sequence[Any]], Awaitable[Mapping[Any, Any]]]


class GcpConnection:
    """Answers the questions of one service: together where the service allows, a few calls at a time."""

    batch = 1000

    def __init__(self, server: GcpServer, surroundings: Surroundings) -> None:
        self._calls = Calls(server, surroundings)
        self.client = self._calls.client
        # Points come once a minute, and reading them is billed, as listing is.
        self.wake_gap_s = 0.25 if server.service in ("secretmanager", "spanner") else 30.0
        waves = -(-self.batch // self.client.concurrency)
        # A token first, and a page or two.
        self.patience_s = (waves + 3) * self.client.timeout_s + _GRACE_S
        self._values: dict[type, Values] = {
            FilteredPoint: Filters(self._calls).values,
            NewestPoint: Monitoring(self._calls).values,
            ObjectCount: Storage(self._calls).values,
            SecretVersion: Secrets(self._calls).values,
            SpannerQuery: Spanner(self._calls).values,
        }

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        found: dict[Question, Any] = {}
        for kind, values in self._values.items():
            if alike := [one for one in questions if type(one) is kind]:
                found.update(await values(alike))
        answers = [found[one] if one in found else _unknown(one) for one in questions]
        if answers and all(isinstance(answer, Denied) for answer in answers):
            # The account is refused, not a metric: the service rests until somebody changes it.
            raise answers[0]
        return answers

    async def close(self) -> None:
        await self._calls.close()


def _unknown(question: Question) -> Unsupported:
    return Unsupported(f"answer {type(question).__name__}", on=question.server.label())
