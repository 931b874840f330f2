"""What kubectl says, word for word, but for names and times: its commands by theme, one after the other."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from difflib import unified_diff
from pathlib import Path

import pytest

from parts.looks import Sides

COMMANDS = Path(__file__).with_name("commands.txt")
# Words of our own for people: docs/local-mode.md tells of them.
KNOWN = "! "


def themes() -> Iterator[tuple[str, list[str]]]:
    """Later ones build on what earlier ones have made."""
    for part in COMMANDS.read_text().split("\n== ")[1:]:
        theme, *lines = part.splitlines()
        yield theme, [line for line in lines if line]


def begin(sides: Sides) -> None:
    """Nothing is there before the first command."""


end = begin
FLAGS: tuple[str, ...] = ()


@pytest.mark.parametrize("lines", [pytest.param(lines, id=theme) for theme, lines in themes()])
def test_kubectl_says_the_same(sides: Sides, lines: list[str]) -> None:
    found = []
    with ThreadPoolExecutor(2) as pool:
        for line in lines:
            words = shlex.split(line.removeprefix(KNOWN))
            ours, right = pool.map(lambda side, words=words: side.said(*words).splitlines(), sides)
            if ours != right and not line.startswith(KNOWN):
                found += [
                    f"kubectl {line}",
                    *list(unified_diff(ours, right, "ours", "real", "", "", 0, ""))[2:],
                ]
            elif ours == right and line.startswith(KNOWN):
                found.append(f"kubectl {line}: is the same by now")
    assert not found, "\n".join(found)
