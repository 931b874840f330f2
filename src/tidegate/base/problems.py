"""A problem in something a user wrote: where it stands and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `path` is the field as a user would write it (`spec.triggers[1].metadata.listLength`).

    `reason` is one of Kubernetes' cause reasons (`FieldValueInvalid`, `FieldValueRequired`,
    `FieldValueNotSupported`, `FieldValueDuplicate`, `FieldValueForbidden`, `FieldValueTypeInvalid`).
    """

    path: str
    message: str
    reason: str = "FieldValueInvalid"

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


def join(problems: Iterable[Problem]) -> str:
    """All problems in one line, as a condition or an event shows them."""
    return "; ".join(str(problem) for problem in problems)
