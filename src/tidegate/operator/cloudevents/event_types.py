"""Which of our events are CloudEvents, and of which type.

Source: KEDA's documentation, "CloudEvent Support": the types, and the reasons of the events they stand for.
"""

from __future__ import annotations

from collections.abc import Mapping

_SCALED = {
    "Ready": "ready",
    "CheckFailed": "failed",
    "UpdateFailed": "failed",
    "Deleted": "removed",
    "Paused": "paused",
    "Unpaused": "unpaused",
}
_ROLLOUT = {
    "RolloutCleanupStarted": "rolloutcleanup.started",
    "RolloutCleanupCompleted": "rolloutcleanup.completed",
    "RolloutCleanupFailed": "rolloutcleanup.failed",
}
_AUTHENTICATION = {"Added": "created", "Updated": "updated", "Deleted": "removed"}

TYPES: Mapping[str, str] = {
    **{
        f"{kind}{what}": f"keda.{kind.lower()}.{name}.v1"
        for kind in ("ScaledObject", "ScaledJob")
        for what, name in _SCALED.items()
    },
    **{f"ScaledJob{what}": f"keda.scaledjob.{name}.v1" for what, name in _ROLLOUT.items()},
    **{
        f"{kind}{what}": f"keda.authentication.{kind.lower()}.{name}.v1"
        for kind in ("TriggerAuthentication", "ClusterTriggerAuthentication")
        for what, name in _AUTHENTICATION.items()
    },
}
"""The type by the reason of the event."""
