"""The version of an API server, in whatever way it writes it."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.base.errors import Malformed
from tidegate.kube.discovery import read_version


@pytest.mark.parametrize(
    ("minor", "number", "is_too_old"),
    [("35", 35, False), ("18+", 18, True), ("23", 23, False), ("22+", 22, True), ("31-gke.5", 31, False)],
)
def test_the_minor_version_is_read_without_what_a_host_appends(
    minor: str, number: int, is_too_old: bool
) -> None:
    version = read_version({"major": "1", "minor": minor, "gitVersion": f"v1.{minor}"})
    assert (version.major, version.minor, version.is_too_old) == (1, number, is_too_old)


@pytest.mark.parametrize("body", [{}, {"major": "1"}, {"major": "1", "minor": "x"}, [], None, "v1.35"])
def test_an_answer_without_a_version_is_malformed(body: Any) -> None:
    with pytest.raises(Malformed, match="no major and minor"):
        read_version(body)
