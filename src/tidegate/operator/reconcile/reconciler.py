"""One reconcile of a ScaledObject or ScaledJob, up to the point where the two kinds differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Generic

from tidegate.base.errors import Failure
from tidegate.kube.resource import Resource
from tidegate.operator.cluster.writer import Place
from tidegate.operator.reconcile.steps import Steps, Watched
from tidegate.operator.reconcile.tracker import Key, Tracked


class KindReconciler(Generic[Watched]):
    """A kind says what it adds to its objects, how one that is there is reconciled, and how one ends."""

    resource: ClassVar[Resource]

    def __init__(self, steps: Steps) -> None:
        self.steps = steps

    async def reconcile(self, key: Key) -> None:
        steps, (_, namespace, name) = self.steps, key
        object: Watched | None = steps.informers.get(self.resource, namespace, name)
        if object is None:
            steps.forget(key)
            return
        place = Place(self.resource, namespace, name, object.metadata.uid)
        if object.metadata.deletion_timestamp:
            await self.finalize(place, object)
            return
        misread = steps.informers.misread(*key)
        if misread is not None and misread.is_held:
            await steps.unready(place, object, Failure("Misconfigured", misread.text))
            return
        known = steps.tracker.by_key.get(key)
        if known is not None:
            # The cache may not show the finalizer yet.
            object = steps.newest(known, object)
        marked = await steps.prepare(place, object, *self.marks(object))
        tracked = steps.track(key, object)
        if marked is not None:
            steps.wrote(tracked, object, marked)
        await self.reconcile_present(place, tracked, tracked.as_written(object))

    def marks(self, object: Watched) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Labels and annotations that the object is to carry."""
        raise NotImplementedError

    async def reconcile_present(self, place: Place, tracked: Tracked, object: Watched) -> None:
        """The object is there, carries our finalizer and is not on its way out."""
        raise NotImplementedError

    async def finalize(self, place: Place, object: Watched) -> None:
        """The object is on its way out: nothing is left of it that is ours."""
        await self.steps.release(place, object)
