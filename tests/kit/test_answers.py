"""An answer is a count or an error, never a silent zero."""

from __future__ import annotations

import pytest

from tidegate.base.errors import Malformed
from tidegate.kit.answers import count
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
