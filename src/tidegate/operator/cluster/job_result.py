"""How a Job has ended, from its conditions."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def finished_as(job: Object | None) -> str:
    """Complete or Failed, "" while the Job is unfinished; the first true condition decides."""
    status = (job or {}).get("status") or {}
    for condition in status.get("conditions") or ():
        if condition.get("status") == "True" and condition.get("type") in ("Complete", "Failed"):
            return str(condition["type"])
    return ""
