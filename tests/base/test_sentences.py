"""Nouns that agree with their counts."""

from __future__ import annotations

import pytest

from tidegate.base.sentences import Sentence, counted


@pytest.mark.parametrize(
    ("number", "expected"), [(0, "0 replicas"), (1, "1 replica"), (2, "2 replicas"), (1.5, "1.5 replicas")]
)
def test_one_is_singular_and_all_else_plural(number: float, expected: str) -> None:
    assert counted(number, "replica") == expected
    assert Sentence("{n:replica} of {name}").told(n=number, name="web") == f"{expected} of web"


def test_text_without_numbers_and_braces_stay_as_they_are() -> None:
    assert Sentence("no trigger is active").told() == "no trigger is active"
    assert Sentence("a {{brace}} and {value}").told(value=3) == "a {brace} and 3"


def test_a_number_that_is_not_given_is_an_error() -> None:
    with pytest.raises(KeyError, match="value"):
        Sentence("{value} now").told(other=1)
