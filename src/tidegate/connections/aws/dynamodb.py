"""DynamoDB: what a Query counts, page by page; the shards of a table's newest stream."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec

from tidegate.base.errors import Malformed, Misconfigured, TidegateError
from tidegate.connections.aws.calls import Call, Calls, strange
from tidegate.kit.systems.aws import DynamodbQuery, DynamodbStreamShards

STREAM_CALLS_PER_S = 5.0
"""DescribeStream: ten a second are all that an account has."""

ARN_KEPT_S = 300.0
PAGES = 50
QUERY_PAGES = 10
"""A page is 1 MB that DynamoDB reads and bills. What lies behind so many is not read at each poll."""


def _call(question: DynamodbQuery, start: Any) -> Call:
    """Without the items: the count alone travels, for the same capacity."""
    parameters: dict[str, Any] = {
        "TableName": question.table,
        "KeyConditionExpression": question.key_condition,
        "ExpressionAttributeNames": msgspec.json.decode(question.names),
        "ExpressionAttributeValues": msgspec.json.decode(question.values),
        "Select": "COUNT",
    }
    if question.index:
        parameters["IndexName"] = question.index
    if question.filter:
        parameters["FilterExpression"] = question.filter
    if start is not None:
        parameters["ExclusiveStartKey"] = start
    return Call.of("Query", parameters, f"query table {question.table}")


async def counts(
    calls: Calls, questions: Iterable[DynamodbQuery]
) -> dict[DynamodbQuery, int | TidegateError]:
    """What each Query finds, its pages one after the other. At the last that is read the count is at least so
    many; nothing up to there is a failure, as it is no zero."""
    found: dict[DynamodbQuery, int | TidegateError] = {}
    unread: dict[DynamodbQuery, tuple[int, Any]] = dict.fromkeys(questions, (0, None))
    for page in range(QUERY_PAGES):
        wanted = {question: _call(question, start) for question, (_, start) in unread.items()}
        answers = await calls.send(list(wanted.values())) if wanted else {}
        for question, call in wanted.items():
            total, _ = unread.pop(question)
            answer = answers[call]
            number = answer if isinstance(answer, TidegateError) else _count(question, answer)
            if isinstance(number, TidegateError):
                found[question] = number
                continue
            start = answer.get("LastEvaluatedKey")
            found[question] = total + number
            if start and page + 1 < QUERY_PAGES:
                unread[question] = total + number, start
            elif start and not total + number:
                found[question] = _nothing_yet(question)
    return found


def _count(question: DynamodbQuery, answer: Any) -> int | TidegateError:
    count = answer.get("Count")
    if type(count) is not int or count < 0:
        return strange(f"query table {question.table}", question.server, "the answer holds no Count")
    return count


def _nothing_yet(question: DynamodbQuery) -> Malformed:
    return Malformed(
        f"query table {question.table}",
        on=question.server.label(),
        answer=f"nothing in the first {QUERY_PAGES} MB passes the filter, and there is more",
        next_step="query an index over what waits instead of filtering",
    )


class Streams:
    """Asks for the shards of streams. Which stream a table has is remembered for some minutes."""

    def __init__(self, tables: Calls, streams: Calls) -> None:
        self._tables = tables
        self._streams = streams
        self._arns: dict[str, tuple[str, float]] = {}

    async def shards(self, question: DynamodbStreamShards) -> int | TidegateError:
        """All shards that the stream lists, page by page."""
        arn = await self._arn(question)
        if isinstance(arn, TidegateError):
            return arn
        attempted, total, start = f"count the stream's shards of table {question.table}", 0, ""
        for _ in range(PAGES):
            parameters = {"StreamArn": arn} | ({"ExclusiveStartShardId": start} if start else {})
            answer = await _one(self._streams, Call.of("DescribeStream", parameters, attempted))
            if isinstance(answer, TidegateError):
                self._arns.pop(question.table, None)
                return answer
            description = answer.get("StreamDescription")
            shards = description.get("Shards") if isinstance(description, dict) else None
            if not isinstance(shards, list):
                return strange(attempted, question.server, "the answer holds no Shards")
            total += len(shards)
            start = description.get("LastEvaluatedShardId") or ""
            if not start:
                return total
        return strange(attempted, question.server, f"its list of shards has more than {PAGES} pages")

    async def _arn(self, question: DynamodbStreamShards) -> str | TidegateError:
        table, now_s = question.table, asyncio.get_running_loop().time()
        known, until_s = self._arns.get(table, ("", 0.0))
        if known and now_s < until_s:
            return known
        attempted = f"find the stream of table {table}"
        answer = await _one(self._tables, Call.of("DescribeTable", {"TableName": table}, attempted))
        if isinstance(answer, TidegateError):
            return answer
        described = answer.get("Table")
        arn = described.get("LatestStreamArn") if isinstance(described, dict) else None
        if not isinstance(arn, str) or not arn:
            return Misconfigured(
                attempted,
                on=question.server.label(),
                answer=f"dynamodb stream arn for the table {table} is empty",
                next_step="switch its stream on",
            )
        self._arns[table] = (arn, now_s + ARN_KEPT_S)
        return arn


async def _one(calls: Calls, wanted: Call) -> Any:
    return (await calls.send([wanted]))[wanted]
