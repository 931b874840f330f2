"""Who else scales a workload, by what the local API holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.api.decode import decode
from tidegate.api.scaledobject import ScaledObject
from tidegate.base.errors import TidegateError
from tidegate.kube.resource import HPAS, SCALED_OBJECTS
from tidegate.review import neighbours

if TYPE_CHECKING:
    from tidegate.local.objects import Change, Object, Objects


class Neighbours(neighbours.Neighbours):
    """Who scales what in a local cluster. `follow` once, at the start."""

    def follow(self, objects: Objects) -> None:
        """Takes in what is there, and what changes from now on."""
        objects.subscribe([HPAS, SCALED_OBJECTS], self._on_change)
        for resource in (HPAS, SCALED_OBJECTS):
            for body in objects.list(resource):
                self._take(resource == HPAS, body)

    def _on_change(self, change: Change) -> None:
        is_hpa = change.resource == HPAS
        if change.type == "DELETED":
            place = neighbours.place_of(change.object)
            (self.drop_hpa if is_hpa else self.drop_object)(place)
        else:
            self._take(is_hpa, change.object)

    def _take(self, is_hpa: bool, body: Object) -> None:
        if is_hpa:
            self.put_hpa(body)
            return
        try:
            object = decode(body)
        except TidegateError:
            return
        if isinstance(object, ScaledObject):
            self.put_object(object)
