"""Tokens of ServiceAccounts, by TokenRequests of the API server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from tidegate.base.errors import TidegateError, Unsupported
from tidegate.connections.adapter import Adapter, Surroundings
from tidegate.kit.fetched import Fetched
from tidegate.kit.question import Question
from tidegate.kit.systems.service_accounts import TOKEN, AccountsServer, BoundToken

_AT_ONCE = 8


def connect(server: AccountsServer, surroundings: Surroundings) -> Adapter:
    """The adapter; it asks `surroundings.account_token`."""
    return AccountsConnection(server, surroundings)


class AccountsConnection:
    """One request for each question, a few at a time. One that is refused fails alone."""

    batch = 200
    wake_gap_s = 0.25
    patience_s = 60.0

    def __init__(self, server: AccountsServer, surroundings: Surroundings) -> None:
        self._server = server
        self._token_of = surroundings.account_token
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        return await asyncio.gather(*(self._one(question) for question in questions))

    async def close(self) -> None:
        """Nothing is held open."""

    async def _one(self, question: Question) -> Fetched | TidegateError:
        assert isinstance(question, BoundToken)
        if self._token_of is None:
            return Unsupported(
                f"get a token of ServiceAccount {question.namespace}/{question.name}",
                answer="there is no cluster that gives one",
                next_step="name one with --kubeconfig",
            )
        async with self._turn:
            try:
                granted = await self._token_of(question.namespace, question.name, "", question.life_s)
            except TidegateError as error:
                return error
        return Fetched({TOKEN: granted.value}, granted.life_s)
