"""The quality-of-service class of a Pod, by what its containers request and are limited to. Pure."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from tidegate.local.apiserver.validation import rules

COMPUTE = ("cpu", "memory")
Amounts = dict[str, Decimal]


def qos_class(spec: dict[str, Any]) -> str:
    """`Guaranteed`: every container has limits for cpu and memory, and requests just them.
    `BestEffort`: none has any. Else `Burstable`.
    """
    requests, limits = defaultdict[str, Decimal](Decimal), defaultdict[str, Decimal](Decimal)
    is_limited = True
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        resources = container.get("resources") or {}
        limited = _amounts(resources.get("limits"))
        is_limited = is_limited and len(limited) == len(COMPUTE)
        for total, found in ((requests, _amounts(resources.get("requests"))), (limits, limited)):
            for name, amount in found.items():
                total[name] += amount
    if not requests and not limits:
        return "BestEffort"
    return "Guaranteed" if is_limited and requests == limits else "Burstable"


def _amounts(found: dict[str, Any] | None) -> Amounts:
    """What is given of the resources that matter; nothing is as good as none."""
    given = {name: rules.amount((found or {}).get(name)) for name in COMPUTE if name in (found or {})}
    return {name: amount for name, amount in given.items() if amount}
