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


def first_mark(object: ScaledObject, hpa_target: str | None) -> dict[str, str]:
    """The annotation that says whose count is kept, where it says nothing yet.

    Also where nothing is restored yet: that and the target may be changed by one edit. `hpa_target` is what
    the object's HPA scales, if it has one: a count that was kept without the annotation (KEDA kept it, or
    somebody took the annotation away) is that target's.
    """
    if COUNT_OF in object.metadata.annotations:
        return {}
    is_kept = object.status.original_replica_count is not None
    return {COUNT_OF: hpa_target if hpa_target is not None and is_kept else target_text(object)}


def target_text(object: ScaledObject) -> str:
    """The target as kubectl names it: `Deployment.apps/web`."""
    reference = object.spec.scale_target_ref
    return named(reference.api_version or "apps/v1", reference.kind or "Deployment", reference.name)


def named(api_version: str, kind: str, name: str) -> str:
    """`Deployment.apps/web`, `Pool/web`."""
    group, _, _ = api_version.rpartition("/")
    return f"{kind}.{group}/{name}" if group else f"{kind}/{name}"
