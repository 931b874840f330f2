"""Keeping an object's HPA as it should be: created, brought back after foreign edits, renamed."""

from __future__ import annotations

from typing import Any

from tidegate.api.conditions import Condition
from tidegate.core.decide import HpaView

Object = dict[str, Any]


def differs(found: Object, wanted: Object) -> bool:
    """Whether `found` must be written again.

    Everything wanted must stand there as wanted; the server's own additions are left alone. Labels and
    annotations count the same way, metrics and behaviour exactly.
    """
    have, want = found.get("spec") or {}, wanted["spec"]
    if not covers(have, want) or len(have.get("metrics") or ()) != len(want.get("metrics") or ()):
        return True
    if want.get("behavior") is None and _is_own_behavior(have.get("behavior")):
        return True
    metadata = found.get("metadata") or {}
    return any(
        not covers(metadata.get(part) or {}, wanted["metadata"].get(part) or {})
        for part in ("labels", "annotations", "ownerReferences")
    )


def covers(found: Any, wanted: Any) -> bool:
    """Whether every field of `wanted` has its value in `found`; lists are compared item by item."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(covers(found.get(key), one) for key, one in wanted.items())
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(covers, found, wanted))
    return bool(found == wanted)


def _is_own_behavior(found: Any) -> bool:
    """A behaviour that is not the server's default: somebody wrote it, and it is no longer wanted."""
    if not found:
        return False
    down, up = found.get("scaleDown") or {}, found.get("scaleUp") or {}
    return bool(
        down.get("selectPolicy") == "Disabled"
        or up.get("selectPolicy") == "Disabled"
        or down.get("stabilizationWindowSeconds") not in (None, 300)
        or up.get("stabilizationWindowSeconds") not in (None, 0)
        or len(down.get("policies") or ()) > 1
        or len(up.get("policies") or ()) > 2
    )


def rewritten(found: Object, wanted: Object) -> Object:
    """The body of the PUT: `found` with the wanted spec, labels, annotations and owner."""
    metadata = {**found["metadata"], **wanted["metadata"]}
    for part in ("labels", "annotations"):
        metadata[part] = {
            **(found["metadata"].get(part) or {}),
            **(wanted["metadata"].get(part) or {}),
        }
    metadata["resourceVersion"] = found["metadata"]["resourceVersion"]
    return {**found, "metadata": metadata, "spec": wanted["spec"]}


def cautious(found: Object | None, wanted: Object) -> Object:
    """`wanted` while metrics are missing from it: the metrics stay as they are, a new HPA only raises."""
    spec = wanted["spec"]
    present = (found or {}).get("spec") or {}
    if found is not None:
        spec = {**spec, "metrics": present.get("metrics") or spec["metrics"]}
    if found is None or _policy_down(present) == "Disabled":
        behavior = spec.get("behavior") or {}
        down = {**(behavior.get("scaleDown") or {}), "selectPolicy": "Disabled"}
        spec = {**spec, "behavior": {**behavior, "scaleDown": down}}
    return {**wanted, "spec": spec}


def _policy_down(spec: Object) -> str:
    down = (spec.get("behavior") or {}).get("scaleDown") or {}
    return str(down.get("selectPolicy") or "")


def view_of(hpa: Object) -> HpaView:
    """An HPA as a decision sees it."""
    conditions = (hpa.get("status") or {}).get("conditions") or ()
    active = next((one for one in conditions if one.get("type") == "ScalingActive"), None)
    return HpaView(
        hpa["metadata"]["name"],
        Condition(
            type="ScalingActive",
            status=active["status"],
            reason=active.get("reason"),
            message=active.get("message"),
        )
        if active
        else None,
    )
