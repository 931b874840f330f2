"""Full collections get short: what has survived a long one is set aside."""

from __future__ import annotations

import gc
from typing import Any

from tidegate.runtime.collector import short_collections

MANY = 400_000


def many() -> list[Any]:
    return [[number] for number in range(MANY)]


def test_what_survives_a_long_collection_is_not_visited_again() -> None:
    with short_collections():
        kept = many()
        gc.collect()
        # All but what is too little to take long.
        assert gc.get_freeze_count() > MANY / 2
        assert len(gc.get_objects()) < MANY / 2
    assert len(kept) == MANY


def test_what_is_set_aside_is_freed_when_nobody_refers_to_it() -> None:
    with short_collections():
        kept = many()
        gc.collect()
        frozen = gc.get_freeze_count()
        kept.clear()
        assert gc.get_freeze_count() < frozen - MANY / 2


def test_afterwards_the_collector_is_as_it_was() -> None:
    threshold, callbacks = gc.get_threshold(), list(gc.callbacks)
    with short_collections():
        kept = many()
        gc.collect()
    assert (gc.get_threshold(), gc.callbacks, gc.get_freeze_count()) == (threshold, callbacks, 0)
    assert len(kept) == MANY
