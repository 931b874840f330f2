"""Problems between settings where some of the settings could not be read.

What an unread setting would say is not known, so `check` is asked about many values that it may have: a
problem that is there with each of them has nothing to do with it, and is told together with the setting's
own. A problem that goes away with one of them needs the setting, and is left for the next time.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from tidegate.base.problems import Problem
from tidegate.kit.scaler import Scaler
from tidegate.kit.settings import Declared

# One of each sort that checks tell apart; each setting takes those of its type.
_TEXTS = ("x", "0", "1", "-1", "2.5", "1000000", "true", "false", "k=v", "x:1", "http://x", "https://x", "{}")


def certain_problems(
    kind: type[Scaler], values: Mapping[str, Any], unread: Sequence[Declared]
) -> list[Problem]:
    """The problems that `check` finds whatever the `unread` settings say; none that names one of them."""
    names = {name for one in unread for name in one.setting.names}
    certain: list[Problem] | None = None
    for chosen in _together([tuple(_possible(one)) for one in unread]):
        assumed = {one.attribute: value for one, value in zip(unread, chosen, strict=True)}
        found = [problem for problem in kind(**values, **assumed).check() if problem.path not in names]
        certain = found if certain is None else [problem for problem in certain if problem in found]
        if not certain:
            break
    return certain or []


def _possible(one: Declared) -> Iterator[Any]:
    """Values that the setting may have once it is mended: left out, or written well."""
    if not one.is_required:
        yield one.default
    if one.setting.removal:
        return
    choices = one.shape.choices
    for text in (*choices, one.setting.separator.join(choices)) if choices else _TEXTS:
        with suppress(ValueError):
            yield one.read(text)


def _together(possible: Sequence[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    """Choices of one value for each setting, in which every two values of any two settings meet.

    Lines over a prime field: two of them never share two points, and every pair of points lies on one.
    """
    if len(possible) == 1:
        yield from zip(*possible, strict=True)
        return
    prime = _prime_from(max(len(possible), *(len(values) for values in possible)))
    for start, step in itertools.product(range(prime), repeat=2):
        yield tuple(
            values[(start + step * column) % prime % len(values)] for column, values in enumerate(possible)
        )


def _prime_from(least: int) -> int:
    return next(n for n in itertools.count(max(least, 2)) if all(n % d for d in range(2, n)))
