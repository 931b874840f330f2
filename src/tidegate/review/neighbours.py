"""Who scales what, kept by workload, so that a look costs the same however many objects there are.

Whoever follows HPAs and ScaledObjects tells it of each change. Writes under way at the same moment do not
see each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tidegate.api.scaledobject import ScaledObject
from tidegate.base.problems import Problem
from tidegate.review.hpa import hpa_name
from tidegate.review.ownership import hpa_problems, neighbour_problems, workload_of

Object = dict[str, Any]
Place = tuple[str, str]
"""Namespace and name."""


class Neighbours:
    """ScaledObjects and HPAs by what they scale."""

    def __init__(self) -> None:
        self._objects = WorkloadIndex(lambda one: (workload_of(one), hpa_name(one)))
        self._hpas = WorkloadIndex(scaled_by)

    def put_object(self, object: ScaledObject) -> None:
        metadata = object.metadata
        self._objects.put((metadata.namespace or "", metadata.name), metadata.uid or "", object)

    def drop_object(self, place: Place) -> None:
        self._objects.drop(place)

    def put_hpa(self, hpa: Object) -> None:
        self._hpas.put(place_of(hpa), hpa["metadata"].get("uid", ""), hpa)

    def drop_hpa(self, place: Place) -> None:
        self._hpas.drop(place)

    def problems(self, object: ScaledObject) -> list[Problem]:
        """Whose the object's workload or HPA name is already."""
        return [
            *neighbour_problems(object, self.rivals(object)),
            *hpa_problems(object, self.hpas_of(object)),
        ]

    def hpas_of(self, object: ScaledObject) -> list[Object]:
        """The HPAs of its workload, but for those that go by themselves in a moment."""
        found = self._hpas.at(object.metadata.namespace or "", workload_of(object))
        return list(filter(self._is_kept, found))

    def scaling(self, namespace: str, workload: Any) -> list[ScaledObject]:
        """The ScaledObjects of a workload."""
        return self._objects.at(namespace, workload)

    def rivals(self, object: ScaledObject) -> list[ScaledObject]:
        """The other ScaledObjects of the namespace with the same workload or the same HPA."""
        namespace = object.metadata.namespace or ""
        found = self._objects.at(namespace, workload_of(object), hpa_name(object))
        return [one for one in found if one.metadata.name != object.metadata.name]

    def _is_kept(self, hpa: Any) -> bool:
        """Not one whose ScaledObject is gone: it goes by itself in a moment."""
        owners = [
            one for one in hpa["metadata"].get("ownerReferences") or () if one.get("kind") == "ScaledObject"
        ]
        return not owners or any(one.get("uid") in self._objects.uids for one in owners)


class WorkloadIndex:
    """Objects of one kind, found by namespace and any of the `words` that are said of them."""

    def __init__(self, words: Callable[[Any], Sequence[Any]]) -> None:
        self.uids: set[str] = set()
        self._words = words
        self._kept: dict[Place, tuple[str, Any]] = {}
        self._by_word: dict[tuple[str, Any], dict[Place, None]] = {}

    def put(self, place: Place, uid: str, object: Any) -> None:
        self.drop(place)
        self._kept[place] = uid, object
        self.uids.add(uid)
        for word in self._words(object):
            self._by_word.setdefault((place[0], word), {})[place] = None

    def drop(self, place: Place) -> None:
        uid, object = self._kept.pop(place, ("", None))
        if object is None:
            return
        self.uids.discard(uid)
        for word in self._words(object):
            places = self._by_word.get((place[0], word), {})
            places.pop(place, None)
            if not places:
                self._by_word.pop((place[0], word), None)

    def at(self, namespace: str, *words: Any) -> list[Any]:
        """Each object that has one of the words, once."""
        places = dict.fromkeys(place for word in words for place in self._by_word.get((namespace, word), ()))
        return [self._kept[place][1] for place in places]


def scaled_by(hpa: Any) -> tuple[Any, ...]:
    """The workload of an HPA, as its only word."""
    ref = (hpa.get("spec") or {}).get("scaleTargetRef") or {}
    return ((ref.get("apiVersion"), ref.get("kind"), ref.get("name")),)


def place_of(body: Object) -> Place:
    return body["metadata"].get("namespace", ""), body["metadata"]["name"]
