"""The status of APIServices: whether what they name is served here. Pure but for the moment it is given."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidegate.base.times import format_time
from tidegate.local.objects import Object

API_SERVICES = "apiservices.apiregistration.k8s.io"
OWN = "v1beta1.external.metrics.k8s.io"
_SERVED = ("True", "Passed", "all checks passed")
_NOT_ASKED = ("False", "NotAsked", "no other API server is asked here")
_LOCAL = ("True", "Local", "Local APIServices are always available")


def report(new: Object, old: Object | None, now: datetime) -> None:
    """Writes the condition `Available`; it keeps its moment while it is the same."""
    spec = new.get("spec") or {}
    is_own = new["metadata"].get("name") == OWN
    status, reason, message = _LOCAL if not spec.get("service") else _SERVED if is_own else _NOT_ASKED
    known = ((old or {}).get("status") or {}).get("conditions") or []
    before: dict[str, Any] = next((one for one in known if one.get("type") == "Available"), {})
    moment = before.get("lastTransitionTime") if before.get("status") == status else None
    new["status"] = {
        "conditions": [
            {
                "type": "Available",
                "status": status,
                "reason": reason,
                "message": message,
                "lastTransitionTime": moment or format_time(now),
            }
        ]
    }
