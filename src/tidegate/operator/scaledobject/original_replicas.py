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
from tidegate.operator.reconcile.reconciler import Desk
from tidegate.operator.reconcile.tracked import Known
from tidegate.operator.scaledobject.scale_target import Target


class Originals:
    """Keeps original counts."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def change(self, known: Known, object: ScaledObject, target: Target) -> bool:
        """Takes the next step from one target's count to another's. True when that was needed.

        A step that is refused for good keeps nobody from scaling: the count stays another's, which is not
        restored.
        """
        if not restore.is_of_another(object) or not isinstance(target.replicas, int):
            return False
        known.memory = replace(known.memory, original=None)
        place, version = self.desk.place(known), object.metadata.resource_version
        try:
            if object.status.original_replica_count is not None:
                await self.desk.writer.status(place, {"originalReplicaCount": None}, version)
            else:
                mark = {restore.COUNT_OF: restore.target_text(object)}
                await self.desk.writer.metadata(place, {"annotations": mark}, version)
        except REFUSED as error:
            if may_pass(error):
                raise
            return False
        return True

    async def keep(self, known: Known, object: ScaledObject, target: Target) -> ScaledObject:
        """The object with the count in its status, where it is to be restored. A status that cannot be
        written keeps nobody from scaling."""
        count = target.replicas
        is_kept = object.status.original_replica_count is not None or restore.is_of_another(object)
        if is_kept or not restore.is_restoring(object) or not isinstance(count, int):
            return object
        with suppress(*REFUSED):
            place, status = self.desk.place(known), {"originalReplicaCount": count}
            self.desk.wrote(known, object, await self.desk.writer.status(place, status))
        return self.desk.newest(known, object)
