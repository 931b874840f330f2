"""The nearest of the known words to one that is not known: what its writer may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Two letters of three: `wbe` is near `web`.
_LIKENESS = 0.66
_LENGTH_MAX, _KNOWN_MAX = 100, 1000


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like `word`, upper and lower case alike.

    None where none is near, or there are too many to compare with.
    """
    by_fold = {one.casefold(): one for one in known}
    if len(word) > _LENGTH_MAX or len(by_fold) > _KNOWN_MAX:
        return None
    found = difflib.get_close_matches(word.casefold(), list(by_fold), n=1, cutoff=_LIKENESS)
    return by_fold[found[0]] if found else None


def hint(word: str, known: Iterable[str]) -> str:
    """`; did you mean "maxReplicaCount"?`, to end a message with; empty where nothing is near."""
    near = nearest(word, known)
    return f'; did you mean "{near}"?' if near is not None and near != word else ""
