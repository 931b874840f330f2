"""What a page of the overview holds."""

from __future__ import annotations

from typing import Any

import pytest

from parts.shown_objects import Shown, entry, pod
from tidegate.dashboard.shown import has_container, overview

MANY = Shown(
    [entry(f"w{number:04}", "wrong" if number % 100 == 0 else "idle") for number in range(1000)]
    + [entry("job", "active", kind="ScaledJob", plural="scaledjobs", namespace="night")]
)


@pytest.mark.parametrize(
    ("query", "names", "matching", "page", "pages"),
    [
        ({}, ("w0000", "w0049"), 1001, 1, 21),
        ({"page": "2"}, ("w0050", "w0099"), 1001, 2, 21),
        ({"page": "21"}, ("job", "job"), 1001, 21, 21),
        ({"page": "22"}, ("job", "job"), 1001, 21, 21),
        ({"page": "0"}, ("w0000", "w0049"), 1001, 1, 21),
        ({"page": "-3"}, ("w0000", "w0049"), 1001, 1, 21),
        ({"page": "²"}, ("w0000", "w0049"), 1001, 1, 21),
        ({"page": "9" * 30}, ("w0000", "w0049"), 1001, 1, 21),
        ({"state": "wrong"}, ("w0000", "w0900"), 10, 1, 1),
        ({"state": "no-such-state"}, ("w0000", "w0049"), 1001, 1, 21),
        ({"q": "NIGHT/j"}, ("job", "job"), 1, 1, 1),
        ({"q": "scaledjob"}, ("job", "job"), 1, 1, 1),
        ({"q": " w05 "}, ("w0500", "w0549"), 100, 1, 2),
        ({"size": "100000"}, ("w0000", "w0199"), 1001, 1, 6),
    ],
)
def test_a_page_is_found_counted_and_bounded(
    query: dict[str, str], names: tuple[str, str], matching: int, page: int, pages: int
) -> None:
    found = overview(MANY, query)
    assert (found["objects"][0]["name"], found["objects"][-1]["name"]) == names
    assert (found["matching"], found["page"], found["pages"], found["total"]) == (matching, page, pages, 1001)


def test_counts_by_state_say_what_a_click_would_show() -> None:
    counts = overview(MANY, {"q": "w", "state": "wrong"})["counts"]
    assert {word: count for word, count in counts.items() if count} == {"all": 1000, "wrong": 10, "idle": 990}


def test_nothing_is_one_empty_page() -> None:
    found = overview(Shown(), {"page": "7"})
    assert (found["objects"], found["page"], found["pages"], found["total"]) == ([], 1, 1, 0)


def test_a_log_is_of_a_container_that_a_pod_of_the_object_has() -> None:
    pods: dict[str, Any] = {"pods": [pod("a", "main", "side"), pod("b")]}
    assert has_container(pods, "a", "side")
    assert not has_container(pods, "b", "side")
    assert not has_container(pods, "c", "main")
