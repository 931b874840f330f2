"""Sources are parsed whatever a finalizer does meanwhile."""

from __future__ import annotations

import ast
import gc
import traceback
from pathlib import Path
from typing import Any

import pytest

from tidegate.testing.sources import parsed


class Late:
    """A circle of its own, collected at some time, that tells from deep within of what went wrong."""

    def __init__(self) -> None:
        self.itself: Any = self

    def __del__(self) -> None:
        self.tell(30)

    def tell(self, depth: int) -> None:
        if depth:
            return self.tell(depth - 1)
        try:
            _ = (1 + {}["nothing"])["there"]
        except KeyError:
            traceback.format_exc()


def test_a_source_is_parsed_while_others_tell_of_failures_at_their_end() -> None:
    text = Path(ast.__file__).read_text()
    thresholds = gc.get_threshold()
    gc.set_threshold(50, 2, 2)
    try:
        for _ in range(20):
            _ = [Late() for _ in range(4)]
            assert parsed(text).body
        assert gc.isenabled()
    finally:
        gc.set_threshold(*thresholds)


def test_a_text_that_is_no_source_leaves_collecting_on() -> None:
    with pytest.raises(SyntaxError):
        parsed("def")
    assert gc.isenabled()
