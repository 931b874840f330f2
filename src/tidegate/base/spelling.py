"""The nearest of the known words to one that is not known: what its writer may have meant.

A wrong guess misleads more than none: `queueName` looks like `username` to a measure of letters, and is
none of its typos. A guess is a slip of the keys, or the same beginning gone on otherwise.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Two letters of three: `wbe` is near `web`.
_LIKENESS = 0.66
_LENGTH_MAX, _KNOWN_MAX = 100, 1000
# One slip for so many letters.
_SLIP_PER = 4
# Of the shorter word, the part that both begin with.
_BEGINNING = 0.6


def nearest(word: str, known: Iterable[str], *, is_slip: bool = False) -> str | None:
    """The known word that is most like `word`, upper and lower case alike. With `is_slip` only one that
    differs by a slip of the keys: `redis-streams` is then not near `redis-cluster-streams`.

    None where none is near, or there are too many to compare with.
    """
    by_fold = {one.casefold(): one for one in known}
    if len(word) > _LENGTH_MAX or len(by_fold) > _KNOWN_MAX:
        return None
    written = word.casefold()
    for one in difflib.get_close_matches(written, list(by_fold), n=3, cutoff=_LIKENESS):
        if _slips(written, one) <= max(1, len(written) // _SLIP_PER):
            return by_fold[one]
        if not is_slip and _begins_alike(written, one):
            return by_fold[one]
    return None


def hint(word: str, known: Iterable[str], *, is_slip: bool = False) -> str:
    """`; did you mean "maxReplicaCount"?`, to end a message with; empty where nothing is near."""
    near = nearest(word, known, is_slip=is_slip)
    return f'; did you mean "{near}"?' if near is not None and near != word else ""


def _begins_alike(one: str, other: str) -> bool:
    shorter = min(len(one), len(other))
    same = next((index for index in range(shorter) if one[index] != other[index]), shorter)
    return same >= _BEGINNING * shorter


def _slips(one: str, other: str) -> int:
    """How many letters were left out, added, exchanged or swapped with their neighbour."""
    before, row = list[int](), list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        older, before, row = before, row, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]
