"""What a trigger's server answers when all is well, for the contract that every scaler keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.kit.question import Question


def seven(_question: Question) -> Any:
    return 7


@dataclass(frozen=True)
class Sample:
    """Answers to the questions of a page's example, and what they measure.

    A table `SAMPLES: dict[str, Sample]` in `test_<module>.py`, by trigger type, gives a type its own.
    `may_be_negative`: a plain -1 is an answer like any other. `is_active` is what the scaler itself says.
    `zeros` are strange answers that are a 0 by a rule of their page. `auth` are texts of the example's
    secrets that say more than a password.
    """

    answer: Callable[[Question], Any] = seven
    values: tuple[float, ...] = (7,)
    is_active: bool | None = None
    may_be_negative: bool = False
    zeros: tuple[Any, ...] = ()
    auth: Mapping[str, str] = field(default_factory=dict)
