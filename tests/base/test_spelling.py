"""The nearest word, and nothing where nothing is near."""

from __future__ import annotations

import pytest

from tidegate.base.spelling import hint, nearest

KNOWN = ("minReplicaCount", "maxReplicaCount", "cooldownPeriod", "pollingInterval", "triggers", "redis")


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("maxReplicaCuont", "maxReplicaCount"),
        ("coolDownPeriod", "cooldownPeriod"),
        ("pollingIntervall", "pollingInterval"),
        ("trigers", "triggers"),
        ("Redis", "redis"),
        ("minReplicas", "minReplicaCount"),
        ("kafka", None),
        ("", None),
        ("x" * 1000, None),
    ],
)
def test_the_nearest_word_is_found(word: str, found: str | None) -> None:
    assert nearest(word, KNOWN) == found
    assert hint(word, KNOWN) == (f'; did you mean "{found}"?' if found else "")


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("queueName", "username"),
        ("queueName", "listName"),
        ("redis-streams", "redis-cluster"),
        ("tokens", "tls"),
        ("keys", "tls"),
    ],
)
def test_a_word_that_looks_like_another_and_is_no_slip_of_it_is_not_near(word: str, known: str) -> None:
    assert nearest(word, [known]) is None


def test_a_type_is_near_by_a_slip_alone_and_not_because_it_begins_alike() -> None:
    types = ["redis", "redis-cluster", "redis-cluster-streams", "azure-queue"]
    assert nearest("redis-clutser", types, is_slip=True) == "redis-cluster"
    assert nearest("redis-cluster-stream", types, is_slip=True) == "redis-cluster-streams"
    assert nearest("redis-sentinel", types, is_slip=True) is None
    assert nearest("azure-eventhub", types, is_slip=True) is None


def test_a_word_that_is_known_needs_no_hint() -> None:
    assert hint("redis", KNOWN) == ""
