"""Kubernetes questions, answered from the autoscaler's own watch caches: no request is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from tidegate.base.errors import TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.kit.question import Question
from tidegate.kit.systems.kubernetes import KubernetesServer


def connect(server: KubernetesServer, surroundings: Surroundings) -> Adapter:
    """The adapter; what it answers with is `surroundings.objects`."""
    return KubernetesConnection(server, surroundings)


class KubernetesConnection:
    """Asks `surroundings.objects` each question.

    That returns an answer or raises a TidegateError: until the caches have their first list, an
    Unreachable.
    """

    batch = 1000
    wake_gap_s = 0.25

    def __init__(self, server: KubernetesServer, surroundings: Surroundings) -> None:
        self._server = server
        self._surroundings = surroundings

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        deadline = asyncio.get_running_loop().time() + self._surroundings.timeout_s
        return [await self._one(question, deadline) for question in questions]

    async def watch(self, question: Question, pushed: Callable[[], None]) -> None:
        """See `Watchable`: whether what answers the question changes, as the caches hear of it."""
        changes, attempted = self._surroundings.changes, f"watch {type(question).__name__}"
        if changes is None:
            raise Unsupported(attempted, on=self._server.label(), answer="nothing of it is watched here")
        await changes.watch(question, pushed)

    def is_watching(self, question: Question) -> bool:
        """Whether the caches would hear of a change."""
        changes = self._surroundings.changes
        return changes is not None and changes.is_watching(question)

    async def close(self) -> None:
        """Nothing is held open."""

    async def _one(self, question: Question, deadline: float) -> Any:
        """The answer or the failure; past `deadline` only what needs no waiting is answered."""
        objects, attempted = self._surroundings.objects, f"answer {type(question).__name__}"
        if objects is None:
            return Unreachable(
                attempted,
                on=self._server.label(),
                answer="there is no connection to it",
                next_step="run the autoscaler, or name a kubeconfig",
            )
        try:
            async with asyncio.timeout_at(deadline):
                return await objects(question)
        except TidegateError as error:
            return error
        except TimeoutError:
            return Unreachable(
                attempted,
                on=self._server.label(),
                answer=f"the watch has not delivered within {self._surroundings.timeout_s:g} s",
            )
