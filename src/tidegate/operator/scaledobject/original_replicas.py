"""The replica count that a target had before us: kept in the status ahead of whatever may change it.

Another target's is recorded in its place when that target is found, in three steps that each may be the last
before a crash: the count goes; the annotation names the new target; the new target's count comes. Only then
is an HPA aimed at it. A name that was mistyped and corrected costs no count.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from tidegate.api.scaledobject import ScaledObject
from tidegate.core.scaledobject import restore
from tidegate.operator.cluster.writer import REFUSED, may_pass
from tidegate.operator.reconcile.steps import Steps
from tidegate.operator.reconcile.tracker import Tracked
from tidegate.operator.scaledobject.scale_target import Target


class OriginalReplicas:
    """Keeps original counts."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps

    async def change(self, tracked: Tracked, object: ScaledObject, target: Target) -> bool:
        """Takes the next step from one target's count to another's. True when that was needed.

        A step that is refused for good keeps nobody from scaling: the count stays another's, which is not
        restored.
        """
        if not restore.is_of_another(object) or not isinstance(target.replicas, int):
            return False
        if self.steps.writer.is_shadow:
            return False
        tracked.memory = replace(tracked.memory, original=None)
        place, version = self.steps.place(tracked), object.metadata.resource_version
        try:
            if object.status.original_replica_count is not None:
                await self.steps.writer.status(place, {"originalReplicaCount": None}, version)
            else:
                mark = {restore.COUNT_OF: restore.target_text(object)}
                await self.steps.writer.metadata(place, {"annotations": mark}, version)
        except REFUSED as error:
            if may_pass(error):
                raise
            return False
        return True

    async def keep(self, tracked: Tracked, object: ScaledObject, target: Target) -> ScaledObject:
        """The object with the count in its status, where it is to be restored. A status that cannot be
        written keeps nobody from scaling."""
        count = target.replicas
        is_kept = object.status.original_replica_count is not None or restore.is_of_another(object)
        if is_kept or not restore.is_restoring(object) or not isinstance(count, int):
            return object
        with suppress(*REFUSED):
            place, status = self.steps.place(tracked), {"originalReplicaCount": count}
            self.steps.wrote(tracked, object, await self.steps.writer.status(place, status))
        return self.steps.newest(tracked, object)
