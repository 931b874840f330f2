"""What a built-in object asks for and does not get here: told when it is written. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tidegate.local.apiserver.kinds import Kind
from tidegate.local.objects import Object


def warnings(kind: Kind, new: Object) -> list[str]:
    """One sentence for each thing that has no effect."""
    tell = _BY_KEY.get(kind.key)
    return list(tell(new)) if tell is not None else []


def _stateful_set(new: Object) -> Iterator[str]:
    rolling = new["spec"]["updateStrategy"].get("rollingUpdate") or {}
    if rolling.get("maxUnavailable") not in (None, 1):
        yield "spec.updateStrategy.rollingUpdate.maxUnavailable has no effect: pods are updated one by one"


_BY_KEY: dict[str, Callable[[Object], Iterator[str]]] = {
    "statefulsets.apps": _stateful_set,
}
