"""What becomes of a target when its ScaledObject goes: the count from before us, where that is asked for.

`status.originalReplicaCount` does not say whose count it is. An annotation does, so that the count of one
target is never written into another.
"""

from __future__ import annotations

from tidegate.api.scaledobject import ScaledObject

COUNT_OF = "tidegate.dev/original-replica-count-of"


def restored_replicas(object: ScaledObject) -> int | None:
    """The count to set on deletion: the one from before us, where the manifest asks for it.

    None: leave the target as it is. The HPA must be gone first, or it would change the count again.
    """
    return (
        object.status.original_replica_count if is_restoring(object) and not is_of_another(object) else None
    )


def is_restoring(object: ScaledObject) -> bool:
    """Whether the manifest asks for it."""
    advanced = object.spec.advanced
    return advanced is not None and bool(advanced.restore_to_original_replica_count)


def is_of_another(object: ScaledObject) -> bool:
    """Whether the count that is kept is that of another target: the object's was changed."""
    return object.metadata.annotations.get(COUNT_OF, target_text(object)) != target_text(object)


def first_mark(object: ScaledObject) -> dict[str, str]:
    """The annotation that says whose count will be kept, where it matters and says nothing yet."""
    is_marked = COUNT_OF in object.metadata.annotations
    return {COUNT_OF: target_text(object)} if is_restoring(object) and not is_marked else {}


def target_text(object: ScaledObject) -> str:
    """The target as kubectl names it: `Deployment.apps/web`."""
    reference = object.spec.scale_target_ref
    group, _, _ = (reference.api_version or "apps/v1").rpartition("/")
    kind = reference.kind or "Deployment"
    return f"{kind}.{group}/{reference.name}" if group else f"{kind}/{reference.name}"
