"""Kinesis: one call for each stream; 20 calls a second are all that an account has."""

from __future__ import annotations

from typing import Any

from tidegate.base.errors import TidegateError
from tidegate.connections.aws.calls import Call, strange
from tidegate.kit.systems.aws import KinesisShards

CALLS_PER_S = 10.0


def call(question: KinesisShards) -> Call:
    return Call.of("DescribeStreamSummary", {"StreamName": question.stream}, _attempted(question))


def read(question: KinesisShards, answer: Any) -> int | TidegateError:
    summary = answer.get("StreamDescriptionSummary")
    count = summary.get("OpenShardCount") if isinstance(summary, dict) else None
    if type(count) is not int:
        return strange(_attempted(question), question.server, "the answer holds no OpenShardCount")
    return count


def _attempted(question: KinesisShards) -> str:
    return f"count the shards of stream {question.stream}"
