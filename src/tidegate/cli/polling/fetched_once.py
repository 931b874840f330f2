"""What vaults and their like keep, fetched once for `tidegate poll`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.base.errors import Failure, TidegateError

if TYPE_CHECKING:
    from tidegate.connections.adapter import Surroundings
    from tidegate.kit.fetched import Fetched, SourceQuestion

LIMIT_S = 10.0


class FetchedOnce:
    """Answers by question, whoever needs them; `missing` are those that were looked for and not fetched.

    Connections stay open until `close`: what was leased is given back then, and not before it is used.
    """

    def __init__(self, surroundings: Surroundings) -> None:
        from tidegate.connections.pool import Connections

        self._connections = Connections(surroundings)
        self._answers: dict[SourceQuestion, Fetched | Failure] = {}
        self.missing: dict[SourceQuestion, None] = {}

    def held(self, question: SourceQuestion) -> Fetched | Failure | None:
        found = self._answers.get(question)
        if found is None:
            self.missing[question] = None
        return found

    def told(self, question: SourceQuestion) -> str:
        """Which source was used, and for how long what it gave is good; "" where it gave nothing."""
        from tidegate.kit.fetched import where

        found = self._answers.get(question)
        if found is None or isinstance(found, Failure):
            return ""
        life = f", good for {found.life_s:.0f} s" if found.life_s is not None else ""
        return f"{where(question)}{life}"

    async def fetch(self) -> None:
        """Asks for all that is missing, each server once."""
        missing, self.missing = self.missing, {}
        for server in dict.fromkeys(question.server for question in missing):
            await self._ask([one for one in missing if one.server == server])

    async def close(self) -> None:
        """Safe when nothing was fetched, and safe twice."""
        await self._connections.close()

    async def _ask(self, questions: list[SourceQuestion]) -> None:
        from tidegate.measure.calling import call, open_adapter
        from tidegate.measure.connection import Connection

        connection = Connection(questions[0].server)
        error = open_adapter(connection, self._connections.adapter)
        for start in range(0, len(questions), connection.batch):
            batch = questions[start : start + connection.batch]
            answers = error or await call(connection, batch, LIMIT_S)
            each = [answers] * len(batch) if isinstance(answers, TidegateError) else answers
            for question, answer in zip(batch, each, strict=True):
                is_error = isinstance(answer, TidegateError)
                self._answers[question] = Failure.of(answer) if is_error else answer
