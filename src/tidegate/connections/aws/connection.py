"""The adapter for one service of AWS."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tidegate.base.errors import Denied, TidegateError, Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.aws import dynamodb, kinesis, secrets, sqs
from tidegate.connections.aws.calls import Calls
from tidegate.connections.aws.cloudwatch import Metrics
from tidegate.kit.question import Question
from tidegate.kit.systems.aws import (
    AwsServer,
    CloudwatchSeries,
    DynamodbQuery,
    DynamodbStreamShards,
    KinesisShards,
    SecretVersion,
    Service,
    SqsQueue,
)

# Calls cost money, or a share of what the account may call in a second.
_WAKE_GAPS_S: dict[Service, float] = {"monitoring": 10.0, "kinesis": 30.0, "streams.dynamodb": 30.0}
_RATES: dict[Service, float] = {
    "kinesis": kinesis.CALLS_PER_S,
    "streams.dynamodb": dynamodb.STREAM_CALLS_PER_S,
}
_GRACE_S = 1.0
LOGIN_S = 15.0
"""What the way to an identity's keys may take."""


_SIMPLE: dict[type, Any] = {
    SqsQueue: sqs,
    KinesisShards: kinesis,
    SecretVersion: secrets,
}


class AwsConnection:
    """Answers the questions of one service: equal ones once, a few calls at a time."""

    def __init__(self, server: AwsServer, surroundings: Surroundings) -> None:
        rate = _RATES.get(server.service, 0.0)
        self.batch = 50 if rate else 500
        self.wake_gap_s = _WAKE_GAPS_S.get(server.service, 5.0)
        self.calls = Calls(server, surroundings, calls_per_s=rate)
        waves = -(-self.batch // self.calls.client.concurrency)
        pace_s = self.batch / rate if rate else 0.0
        self.patience_s = max(waves, 2) * self.calls.client.timeout_s + pace_s + _GRACE_S
        if server.identity is not None:
            self.patience_s += LOGIN_S
        self._metrics = Metrics(self.calls)
        self._tables = Calls(replace(server, service="dynamodb"), surroundings)
        self._streams = dynamodb.Streams(self._tables, self.calls)

    @property
    def round_trips(self) -> int:
        """Requests sent since the adapter was made."""
        return sum(calls.client.requests for calls in (self.calls, self._tables))

    @property
    def connections(self) -> int:
        """Connections opened since the adapter was made."""
        return sum(calls.client.connections for calls in (self.calls, self._tables))

    async def answer(self, questions: Sequence[Question]) -> Sequence[Any]:
        found: dict[Any, Any] = await self._simple([one for one in questions if type(one) in _SIMPLE])
        queries = [one for one in questions if isinstance(one, DynamodbQuery)]
        if queries:
            found |= await dynamodb.counts(self.calls, queries)
        series = [one for one in questions if isinstance(one, CloudwatchSeries)]
        if series:
            found |= await self._metrics.values(series)
        for one in questions:
            if isinstance(one, DynamodbStreamShards) and one not in found:
                found[one] = await self._streams.shards(one)
        answers = [found[one] if one in found else _unknown(one) for one in questions]
        if answers and all(isinstance(answer, Denied) for answer in answers):
            # The key is refused, not a queue: the service rests until somebody changes it.
            self.calls.forget()
            raise answers[0]
        return answers

    async def close(self) -> None:
        await asyncio.gather(self.calls.close(), self._tables.close())

    async def _simple(self, questions: Sequence[Any]) -> dict[Question, Any]:
        """Those with one call each."""
        calls = {question: _SIMPLE[type(question)].call(question) for question in questions}
        answers = await self.calls.send(list(calls.values())) if calls else {}
        found: dict[Question, Any] = {}
        for question, call in calls.items():
            answer = answers[call]
            is_error = isinstance(answer, TidegateError)
            found[question] = answer if is_error else _SIMPLE[type(question)].read(question, answer)
        return found


def _unknown(question: Question) -> Unsupported:
    return Unsupported(f"answer {type(question).__name__}", on=question.server.label())
