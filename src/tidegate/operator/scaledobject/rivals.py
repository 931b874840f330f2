"""Two that would scale one workload: which of them acts, where admission has let both in.

The older ScaledObject acts, and the younger one says so and does nothing until it is alone. An HPA of
somebody else that was there before ours acts, too: two HPAs of one workload both stop.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tidegate.api.scaledobject import ScaledObject
from tidegate.review.hpa import hpa_name
from tidegate.review.neighbours import Neighbours, place_of, scaled_by
from tidegate.review.ownership import UNCHECKED, hpa_problems, neighbour_problems, workload_of

Object = dict[str, Any]
Place = tuple[str, str]


class Rivals:
    """Hears of all ScaledObjects and HPAs; each change gives the places of those whose lot it may change."""

    def __init__(self) -> None:
        self._neighbours = Neighbours()

    def object_changed(self, old: ScaledObject | None, new: ScaledObject | None) -> Iterable[Place]:
        touched = [one for one in (old, new) if one is not None]
        places = {_place(rival) for one in touched for rival in self._neighbours.rivals(one)}
        if new is not None:
            self._neighbours.put_object(new)
        elif old is not None:
            self._neighbours.drop_object(_place(old))
        return places

    def hpa_changed(self, old: Object | None, new: Object | None) -> Iterable[Place]:
        """Most changes are of the status, and say nothing new."""
        if old is not None and new is not None and _claims(old) == _claims(new):
            return ()
        if new is not None:
            self._neighbours.put_hpa(new)
        elif old is not None:
            self._neighbours.drop_hpa(place_of(old))
        return {
            _place(one)
            for hpa in (old, new)
            if hpa is not None and not _is_of_scaled_object(hpa)
            for one in self._neighbours.scaling(hpa["metadata"].get("namespace", ""), *scaled_by(hpa))
        }

    def objection(self, object: ScaledObject, *, has_hpa: bool) -> str | None:
        """Why this object does nothing; None where it acts."""
        older = [one for one in self._neighbours.rivals(object) if _age(one) < _age(object)]
        for problem in neighbour_problems(object, older):
            return f"{problem.message}, which is older and acts; delete one of the two"
        if has_hpa:
            return None
        hpas = self._neighbours.hpas_of(object)
        # One of the very name that ours would have is another matter: it may be taken over.
        others = (one for one in hpas if one["metadata"]["name"] != hpa_name(object))
        for problem in hpa_problems(object, others):
            return f"{problem.message}, which was there before; delete it, or hand it over"
        return None

    def is_alone(self, object: ScaledObject) -> bool:
        """Whether no other ScaledObject has the same workload."""
        rivals = self._neighbours.rivals(object)
        return all(workload_of(one) != workload_of(object) for one in rivals)


def _place(object: ScaledObject) -> Place:
    return object.metadata.namespace or "", object.metadata.name


def _age(object: ScaledObject) -> tuple[str, str]:
    """Moments of creation have whole seconds; the rest is chance, and the same at each look."""
    return object.metadata.creation_timestamp, object.metadata.uid


def _claims(hpa: Object) -> tuple[Any, ...]:
    """All that is looked at in an HPA."""
    metadata = hpa["metadata"]
    annotations = metadata.get("annotations") or {}
    return scaled_by(hpa), metadata.get("ownerReferences"), annotations.get(UNCHECKED), metadata.get("uid")


def _is_of_scaled_object(hpa: Object) -> bool:
    owners = hpa["metadata"].get("ownerReferences") or ()
    return any(one.get("kind") == "ScaledObject" for one in owners)
