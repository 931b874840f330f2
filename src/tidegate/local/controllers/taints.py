"""The one node, and which Pods bear what keeps others away from it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from tidegate.local.objects import NODE, Object

__all__ = ["CORDON", "NODE", "untolerated"]

# What `kubectl cordon` amounts to: the taint that Kubernetes adds for it.
CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


def untolerated(
    node: Object | None, tolerations: Iterable[Mapping[str, Any]], effects: Collection[str]
) -> Mapping[str, Any] | None:
    """The first taint of these effects that is not borne."""
    spec = (node or {}).get("spec") or {}
    taints: list[dict[str, Any]] = [*(spec.get("taints") or [])]
    taints += [CORDON] if spec.get("unschedulable") else []
    borne = list(tolerations)
    for taint in taints:
        if str(taint.get("effect")) in effects and not any(_tolerates(one, taint) for one in borne):
            return taint
    return None


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    """By Kubernetes' rules: an empty key with Exists tolerates everything, an empty effect every effect."""
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("operator") == "Exists":
        return not toleration.get("key") or bool(toleration["key"] == taint["key"])
    return bool(
        toleration.get("key") == taint["key"] and toleration.get("value", "") == taint.get("value", "")
    )
