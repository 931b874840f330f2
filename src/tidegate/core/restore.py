"""What becomes of a target when its ScaledObject is deleted."""

from __future__ import annotations

from tidegate.api.scaledobject import ScaledObject


def restored_replicas(object: ScaledObject) -> int | None:
    """The count to set on deletion: the one from before us, where the manifest asks for it.

    None: leave the target as it is. The HPA must be gone first, or it would change the count again.
    """
    advanced = object.spec.advanced
    if advanced is None or not advanced.restore_to_original_replica_count:
        return None
    return object.status.original_replica_count
