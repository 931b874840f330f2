"""Python's garbage collector, kept from stopping the loop.

A full collection visits every object there is: a third of a second with 10,000 followed objects,
again and again, to find next to nothing. What has survived one that took long is therefore set
aside (frozen): the next one visits only what is newer. Objects set aside are still freed as soon as
nobody refers to them; only a cycle among them would stay, and it takes many thousands of new
objects to set anything aside.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

LONG_S = 0.005
# A batch of a server makes fewer objects than the youngest generation holds. The oldest is visited
# after some 40,000 survivors at the earliest: early enough for that visit not to take long.
THRESHOLDS = (2_000, 10, 2)
_FULL = 2


@contextmanager
def short_collections() -> Iterator[None]:
    """Keeps collections short until the block is left; then the collector is as it was before."""
    before = gc.get_threshold()
    watch = _Watch()
    gc.set_threshold(*THRESHOLDS)
    gc.callbacks.append(watch)
    try:
        yield
    finally:
        gc.callbacks.remove(watch)
        gc.set_threshold(*before)
        if watch.has_frozen:
            gc.unfreeze()


class _Watch:
    """Called by the collector at the beginning and at the end of each collection."""

    def __init__(self) -> None:
        self.has_frozen = False
        self._began_s = 0.0

    def __call__(self, phase: str, about: dict[str, int]) -> None:
        if about["generation"] != _FULL:
            return
        if phase == "start":
            self._began_s = time.perf_counter()
        elif time.perf_counter() - self._began_s > LONG_S:
            gc.freeze()
            self.has_frozen = True
