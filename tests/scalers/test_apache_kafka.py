"""What `apache-kafka` answers in the contract; its rules stand beside those of `kafka` in test_kafka.py."""

from __future__ import annotations

from typing import Any

from tidegate import scalers
from tidegate.kit.question import Question
from tidegate.kit.systems.kafka import PartitionOffsets
from tidegate.testing.sheets import Sample


def seven_behind(_question: Question) -> Any:
    return (PartitionOffsets("orders", 0, 3, 8), PartitionOffsets("returns", 0, 8, 10))


SAMPLES = {"apache-kafka": Sample(seven_behind, (7,), is_active=True)}


def test_the_two_kafka_triggers_are_two_classes() -> None:
    assert scalers.find("apache-kafka") is not scalers.find("kafka")
