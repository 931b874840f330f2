"""Where others have a say about a write before it is stored: an ordered list of functions, passed in.

They are called after defaults and our own validation, for the main endpoint only, and never change
what they are shown. A custom object may come with problems of its schema: they must bear ill-typed
values, so that a user learns of all mistakes at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from tidegate.base.problems import Problem
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.objects import Object

Operation = Literal["CREATE", "UPDATE", "DELETE"]
Reviewed = tuple[Sequence[Problem], Sequence[str]]
Admission = Callable[[Operation, Kind, Object | None, Object | None], Reviewed]
"""(operation, kind, new, old) → (problems, warnings): a problem refuses the write (422), a warning
reaches the user as a `Warning:` header. `new` is None for DELETE, `old` for CREATE."""


def review(
    admissions: Sequence[Admission],
    operation: Operation,
    kind: Kind,
    new: Object | None,
    old: Object | None,
) -> tuple[list[Problem], list[str]]:
    """What all of them say, in order."""
    problems: list[Problem] = []
    warnings: list[str] = []
    for admission in admissions:
        found, said = admission(operation, kind, new, old)
        problems += found
        warnings += said
    return problems, warnings


def together(found: Sequence[Problem], refused: Sequence[Problem]) -> list[Problem]:
    """Our own problems, then the admissions' about other paths: both often name the same mistake."""
    paths = {problem.path for problem in found}
    return [*found, *(problem for problem in refused if problem.path not in paths)]
