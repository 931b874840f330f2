"""How answers come to whoever asks: one, all or none, or each for itself."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.base.errors import TidegateError, Unreachable
from tidegate.kit.question import ASK, drive
from tidegate.kit.systems.kubernetes import PodCount

ONE, TWO = PodCount("a", "x"), PodCount("b", "x")
DOWN = Unreachable("count")
ANSWERS: dict[Any, Any] = {ONE: 1, TWO: DOWN}


def test_one_answer_is_returned_and_its_error_raised() -> None:
    async def measure(question: Any) -> Any:
        return await ASK(question)

    assert drive(measure(ONE), ANSWERS.__getitem__) == 1
    with pytest.raises(Unreachable):
        drive(measure(TWO), ANSWERS.__getitem__)


def test_of_all_one_error_is_raised_and_of_each_it_is_returned() -> None:
    async def measure(asks_each: bool) -> Any:
        return await (ASK.each(ONE, TWO) if asks_each else ASK.all(ONE, TWO))

    with pytest.raises(TidegateError):
        drive(measure(False), ANSWERS.__getitem__)
    assert drive(measure(True), ANSWERS.__getitem__) == (1, DOWN)
