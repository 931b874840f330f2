"""Keeping an object's HPA as it should be: created, brought back after foreign edits, renamed."""

from __future__ import annotations

from typing import Any

from tidegate.api.conditions import Condition
from tidegate.api.hpa import decode_hpa_spec
from tidegate.base.quantity import parse_quantity
from tidegate.core.hpa.behavior import rules_of, tolerance_of
from tidegate.core.values import HpaView, MetricSpec
from tidegate.operator.scaledobject.hpa_metadata import PARTS, gone

Object = dict[str, Any]


def differs(found: Object, wanted: Object) -> bool:
    """Whether `found` must be written again.

    Everything wanted must stand there as wanted, and nothing of what the object took away; the server's
    and other people's additions are left alone. Metrics and behaviour count exactly.
    """
    have, want = found.get("spec") or {}, wanted["spec"]
    without = {key: one for key, one in want.items() if key != "behavior"}
    if not covers(have, without) or _pace(have) != _pace(want):
        return True
    metadata = found["metadata"]
    return any(gone(found, wanted, part) for part in PARTS) or any(
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


def _pace(spec: Object) -> Any:
    """What the behaviour says with every default filled in: a server writes its defaults down, and a
    selectPolicy that is no longer wanted must not stay among them."""
    try:
        told = decode_hpa_spec({"maxReplicas": 1, "behavior": spec.get("behavior")}).behavior
    except ValueError:
        return spec.get("behavior")
    rules = [(one.window_s, one.select, frozenset(one.policies)) for one in rules_of(told)]
    return rules, tolerance_of(told)


def rewritten(found: Object, wanted: Object) -> Object:
    """The body of the PUT: `found` with the wanted spec, labels, annotations and owner, and without what
    its object took away."""
    metadata = {**found["metadata"], **wanted["metadata"]}
    for part in PARTS:
        dropped = gone(found, wanted, part)
        present = found["metadata"].get(part) or {}
        kept = {key: one for key, one in present.items() if key not in dropped}
        metadata[part] = {**kept, **(wanted["metadata"].get(part) or {})}
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


def is_of(hpa: Object, uid: str) -> bool:
    """Whether the object with this uid controls the HPA: only then may it delete it."""
    owners = hpa["metadata"].get("ownerReferences") or ()
    return any(one.get("controller") and one.get("uid") == uid for one in owners)


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
        is_new=not conditions,
    )


def specs_of(hpa: Object | None, index: int) -> tuple[MetricSpec, ...]:
    """The metrics of the trigger with this index, as the HPA has them."""
    prefix, found = f"s{index}-", list[MetricSpec]()
    for one in ((hpa or {}).get("spec") or {}).get("metrics") or ():
        external = one.get("external") or {}
        name, set_target = (external.get("metric") or {}).get("name") or "", external.get("target") or {}
        if name.startswith(prefix):
            target = parse_quantity(str(set_target.get("averageValue") or set_target.get("value")))
            found.append(MetricSpec(name.removeprefix(prefix), float(target)))
    return tuple(found)
