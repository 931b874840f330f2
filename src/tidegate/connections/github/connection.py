"""The adapter for one login at GitHub's API."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from tidegate.base.errors import TidegateError, Unreachable, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.github.api import Api
from tidegate.connections.github.crawl import Crawl, all_denied
from tidegate.kit.question import Question
from tidegate.kit.systems.github import GithubJobs, GithubServer

CRAWL_S = 60.0
"""A crawl of many repositories may take so long; what is not known then is too slow."""


class GithubConnection:
    """Answers all questions of a round by one crawl."""

    batch = 1000
    wake_gap_s = 10.0
    patience_s = CRAWL_S + 1

    def __init__(self, server: GithubServer, surroundings: Surroundings) -> None:
        self.api = Api(server, surroundings)

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        self.api.check_limit()
        crawl = Crawl(self.api)
        try:
            async with asyncio.timeout(CRAWL_S):
                answers = await asyncio.gather(*(self._one(crawl, one) for one in questions))
        except TimeoutError:
            answer = f"the crawl of its repositories took more than {CRAWL_S:g} s"
            on = self.api.client.server.label()
            raise Unreachable("list the jobs", on=on, answer=answer, next_step="name fewer `repos`") from None
        finally:
            await crawl.close()
        self.api.sweep()
        errors = [one for one in answers if isinstance(one, TidegateError)]
        is_down = errors and all(isinstance(one, Unreachable) for one in answers)
        if is_down or all_denied(answers):
            raise errors[0]
        return answers

    async def close(self) -> None:
        await self.api.close()

    async def _one(self, crawl: Crawl, question: Question) -> Any:
        if isinstance(question, GithubJobs):
            return await crawl.answer(question)
        return Unsupported(f"answer {type(question).__name__}", on=question.server.label())
