"""Words on a command line, and text in columns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.base.errors import Misconfigured
from tidegate.cli.cluster.resource_arguments import Words, look_up, parse_words
from tidegate.cli.output.text_columns import cell, lines
from tidegate.kube.discovery import Served
from tidegate.kube.resource import DEPLOYMENTS, PODS, SCALED_JOBS, SCALED_OBJECTS


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], Words()),
        (["so"], Words(types=("so",))),
        (["so,SJ,so"], Words(types=("so", "sj"))),
        (["pod", "a", "b", "a"], Words(pairs=(("pod", "a"), ("pod", "b")))),
        (["so,deploy", "x"], Words(pairs=(("so", "x"), ("deploy", "x")))),
        (["deploy/x", "so/Y"], Words(pairs=(("deploy", "x"), ("so", "Y")))),
    ],
)
def test_words_are_types_or_types_with_names(words: list[str], expected: Words) -> None:
    assert parse_words(words) == expected


@pytest.mark.parametrize(
    "words", [["pod/a", "b"], ["pod", "so/b"], ["a/b/c"], ["/x"], ["pod/"], ["so,"], [""]]
)
def test_mixtures_and_gaps_are_refused(words: list[str]) -> None:
    with pytest.raises(Misconfigured):
        parse_words(words)


SERVED = [
    Served(PODS, frozenset({"po", "pod"}), frozenset({"all"})),
    Served(DEPLOYMENTS, frozenset({"deploy", "deployment"}), frozenset({"all"})),
    Served(SCALED_OBJECTS, frozenset({"so", "scaledobject"})),
    Served(SCALED_JOBS, frozenset({"sj", "scaledjob"})),
]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("so", [SCALED_OBJECTS]),
        ("scaledobjects.keda.sh", [SCALED_OBJECTS]),
        ("deployments.apps", [DEPLOYMENTS]),
        ("all", [PODS, DEPLOYMENTS]),
    ],
)
def test_a_word_finds_its_resources(text: str, expected: list[object]) -> None:
    assert look_up(SERVED, text) == expected


def test_an_unknown_word_brings_those_that_are_near() -> None:
    with pytest.raises(Misconfigured, match="did you mean scaledjobs"):
        look_up(SERVED, "scaledjbs")


def test_columns_are_laid_out_as_kubectl_does_it() -> None:
    rows = [["NAME", "X", "AGE"], ["a-long-name", "", "5s"], ["b", "value", "2d"]]
    assert lines(rows) == [
        "NAME          X       AGE",
        "a-long-name           5s",
        "b             value   2d",
    ]


@given(st.lists(st.lists(st.text("ab", max_size=9), min_size=3, max_size=3), min_size=1, max_size=5))
def test_every_cell_stands_below_the_one_above_it(rows: list[list[str]]) -> None:
    texts = lines(rows, gap=2, least=0)
    starts = [0]
    for at in range(2):
        starts.append(starts[-1] + max(len(row[at]) for row in rows) + 2)
    for row, text in zip(rows, texts, strict=True):
        assert [text[start : start + len(one)] for start, one in zip(starts, row, strict=True)] == row


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (3, "3"),
        (2.0, "2"),
        (2.5, "2.5"),
        ("one\ntwo", "one..."),
        ("\x1b[31mred", "?[31mred"),
    ],
)
def test_a_cell_is_one_harmless_line(value: object, text: str) -> None:
    assert cell(value) == text
