"""SQS: one call for each queue. No call of SQS tells of several queues."""

from __future__ import annotations

from typing import Any

from tidegate.base.errors import TidegateError
from tidegate.connections.aws.calls import Call, strange
from tidegate.kit.systems.aws import SqsCounts, SqsQueue

# All three cost the same, and triggers that count differently share one call.
ATTRIBUTES = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


def call(question: SqsQueue) -> Call:
    parameters = {"QueueUrl": question.queue, "AttributeNames": ATTRIBUTES}
    return Call.of("GetQueueAttributes", parameters, f"count the messages of {question.queue}")


def read(question: SqsQueue, answer: Any) -> SqsCounts | TidegateError:
    """The attributes, decimal texts each."""
    attributes = answer.get("Attributes")
    counts: list[int] = []
    for name in ATTRIBUTES:
        text = attributes.get(name) if isinstance(attributes, dict) else None
        if not isinstance(text, str) or not text.isascii() or not text.isdigit() or len(text) > 18:
            words = (
                f"metric {name} not found in SQS queue attributes" if text is None else f"{name} is no number"
            )
            return strange(f"count the messages of {question.queue}", question.server, words)
        counts.append(int(text))
    return SqsCounts(*counts)
