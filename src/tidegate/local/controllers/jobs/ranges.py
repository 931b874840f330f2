"""Sets of numbers as Kubernetes writes them: `0-3,5`. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def parse_ranges(text: str) -> set[int]:
    """The numbers of a text such as `0-3,5`."""
    numbers: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers


def format_ranges(numbers: Iterable[int]) -> str:
    """`0-3,5`: runs of numbers, ascending."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
