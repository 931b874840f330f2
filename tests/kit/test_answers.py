"""An answer is a count or an error, never a silent zero."""

from __future__ import annotations

import pytest

from tidegate.base.errors import Malformed
from tidegate.kit.answers import amount, count, number
from tidegate.kit.systems.kubernetes import PodCount

QUESTION = PodCount("shop", "app=web")


@pytest.mark.parametrize("answer", [0, 1, 2**40])
def test_a_count_is_handed_through(answer: int) -> None:
    assert count(answer, QUESTION) == answer


@pytest.mark.parametrize("answer", [None, -1, "7", 7.0, True, float("nan"), [7], b"7"])
def test_anything_else_is_malformed_and_its_text_is_not_shown(answer: object) -> None:
    with pytest.raises(Malformed, match="the Kubernetes API") as caught:
        count(answer, QUESTION)
    assert "'7'" not in str(caught.value)


@pytest.mark.parametrize(("answer", "value"), [(7, 7), (1.5, 1.5), (-3, -3), (10**30, 1e30)])
def test_a_number_is_handed_through(answer: float, value: float) -> None:
    assert number(answer, QUESTION) == amount(answer, QUESTION) == value


@pytest.mark.parametrize("answer", [None, "7", True, float("nan"), float("inf"), 10**400, [7], {}, b"7"])
def test_what_is_no_number_is_malformed(answer: object) -> None:
    with pytest.raises(Malformed, match="where a number was expected") as caught:
        number(answer, QUESTION)
    assert "'7'" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("64", 64), ("1k", 1000), ("10Mi", 10 * 2**20), ("1.5", 1.5), ("100m", 0.1), (" 5 ", 5)],
)
def test_a_quantity_is_an_amount(text: str, value: float) -> None:
    assert amount(text, QUESTION) == value


@pytest.mark.parametrize("text", ["", "hunter2", "1e", "NaN", "inf", "1 2"])
def test_other_texts_are_malformed_and_not_shown(text: str) -> None:
    with pytest.raises(Malformed, match="no quantity") as caught:
        amount(text, QUESTION)
    assert "hunter2" not in str(caught.value)
