"""Limits of a formula, and `Trouble`, what stops its evaluation.

A formula is written by somebody who may create objects, and evaluated inside the operator: whatever
it says, it must end soon, stay small and never raise anything but a `Trouble`.
"""

from __future__ import annotations

from typing import Any

SOURCE_CHARS = 10_000
NODES = 2_000
# Nested brackets, else-branches and the like while reading; kept far below Python's own limit.
NESTING = 64
# Height of the tree: `a + b + c …` is as high as it has terms.
HEIGHT = 150
STEPS = 100_000
ARRAY_ITEMS = 10_000
STRING_CHARS = 10_000
# How deep arrays may lie in arrays where a value is walked through (==, flatten, max, string).
VALUE_DEPTH = 40

# What an evaluation works on: its remaining steps, then the triggers' values, then variables.
Frame = list[Any]


class Trouble(Exception):
    """Why an evaluation ended without a result.

    `at` is the offset in the source, None where the raiser does not know it. `is_numeric`: the
    formula is right, only these numbers have no result (0 / 0).
    """

    def __init__(self, message: str, at: int | None = None, *, is_numeric: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.at = at
        self.is_numeric = is_numeric

    def placed(self, at: int) -> Trouble:
        """This trouble, at `at` where it has no place yet."""
        if self.at is None:
            self.at = at
        return self


def charge(frame: Frame, steps: int) -> None:
    """Take `steps` from the evaluation's budget; Trouble where it is used up."""
    frame[0] -= steps
    if frame[0] < 0:
        raise Trouble(f"it takes more than {STEPS} steps")


def grow(frame: Frame, items: int) -> None:
    """Pay for an array of `items` before it is built."""
    if items > ARRAY_ITEMS:
        raise Trouble(f"an array would have more than {ARRAY_ITEMS} items")
    charge(frame, items)


def spell(frame: Frame, chars: int) -> None:
    """Pay for a string of `chars` before it is built."""
    if chars > STRING_CHARS:
        raise Trouble(f"a string would have more than {STRING_CHARS} characters")
    charge(frame, chars // 8 + 1)
