"""Admission's look at the neighbours of a ScaledObject: who else scales its workload.

Follows HPAs and ScaledObjects and keeps them by what they scale, so that a look costs the same however
many there are. Writes under way at the same moment do not see each other, as with a webhook.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tidegate.api.decode import decode
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import TidegateError
from tidegate.base.problems import Problem
from tidegate.kube.resource import HPAS, SCALED_OBJECTS
from tidegate.review.hpa import hpa_name
from tidegate.review.ownership import hpa_problems, neighbour_problems, workload_of

if TYPE_CHECKING:
    from tidegate.local.objects import Change, Object, Objects

Place = tuple[str, str]


class Neighbours:
    """Who scales what in a local cluster. `follow` once, at the start."""

    def __init__(self) -> None:
        self._objects = WorkloadIndex(lambda one: (workload_of(one), hpa_name(one)))
        self._hpas = WorkloadIndex(scaled_by)

    def follow(self, objects: Objects) -> None:
        """Takes in what is there, and what changes from now on."""
        objects.subscribe([HPAS, SCALED_OBJECTS], self._on_change)
        for resource in (HPAS, SCALED_OBJECTS):
            for body in objects.list(resource):
                self._take(resource == HPAS, body)

    def problems(self, object: ScaledObject) -> list[Problem]:
        """Whose the object's workload or HPA name is already."""
        namespace, workload = object.metadata.namespace or "", workload_of(object)
        return [
            *neighbour_problems(object, self._objects.at(namespace, workload, hpa_name(object))),
            *hpa_problems(object, filter(self._is_kept, self._hpas.at(namespace, workload))),
        ]

    def _is_kept(self, hpa: Any) -> bool:
        """Not one whose ScaledObject is gone: it goes by itself in a moment."""
        owners = [
            one for one in hpa["metadata"].get("ownerReferences") or () if one.get("kind") == "ScaledObject"
        ]
        return not owners or any(one.get("uid") in self._objects.uids for one in owners)

    def _on_change(self, change: Change) -> None:
        is_hpa = change.resource == HPAS
        if change.type == "DELETED":
            (self._hpas if is_hpa else self._objects).drop(change.object)
        else:
            self._take(is_hpa, change.object)

    def _take(self, is_hpa: bool, body: Object) -> None:
        if is_hpa:
            self._hpas.put(body, body)
            return
        try:
            object = decode(body)
        except TidegateError:
            return
        if isinstance(object, ScaledObject):
            self._objects.put(body, object)


class WorkloadIndex:
    """Objects of one kind, found by namespace and any of the `words` that are said of them."""

    def __init__(self, words: Callable[[Any], Sequence[Any]]) -> None:
        self.uids: set[str] = set()
        self._words = words
        self._kept: dict[Place, tuple[str, Any]] = {}
        self._by_word: dict[tuple[str, Any], dict[Place, None]] = {}

    def put(self, body: Object, object: Any) -> None:
        self.drop(body)
        place, uid = _place(body), body["metadata"]["uid"]
        self._kept[place] = uid, object
        self.uids.add(uid)
        for word in self._words(object):
            self._by_word.setdefault((place[0], word), {})[place] = None

    def drop(self, body: Object) -> None:
        place = _place(body)
        uid, object = self._kept.pop(place, ("", None))
        if object is None:
            return
        self.uids.discard(uid)
        for word in self._words(object):
            places = self._by_word[place[0], word]
            places.pop(place, None)
            if not places:
                del self._by_word[place[0], word]

    def at(self, namespace: str, *words: Any) -> list[Any]:
        """Each object that has one of the words, once."""
        places = dict.fromkeys(place for word in words for place in self._by_word.get((namespace, word), ()))
        return [self._kept[place][1] for place in places]


def scaled_by(hpa: Any) -> tuple[Any, ...]:
    """The workload of an HPA, as its only word."""
    ref = (hpa.get("spec") or {}).get("scaleTargetRef") or {}
    return ((ref.get("apiVersion"), ref.get("kind"), ref.get("name")),)


def _place(body: Object) -> Place:
    return body["metadata"].get("namespace", ""), body["metadata"]["name"]
