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


def test_a_word_that_is_known_needs_no_hint() -> None:
    assert hint("redis", KNOWN) == ""
