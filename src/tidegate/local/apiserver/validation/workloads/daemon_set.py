"""Validation of DaemonSets."""

from __future__ import annotations

from typing import Any

from tidegate.local.apiserver.validation.rules import (
    Problems,
    at_least,
    count_or_percent,
    count_or_share,
    one_of,
    required,
    wrong,
)
from tidegate.local.apiserver.validation.workloads.replicated import selected_template_problems
from tidegate.local.apiserver.validation.workloads.stateful_set import unlimited
from tidegate.local.objects import Object

_ROLLING = "spec.updateStrategy.rollingUpdate"


def daemon_set_problems(body: Object) -> Problems:
    spec = body["spec"]
    yield from selected_template_problems(spec, "daemonset")
    yield from unlimited("DaemonSet", spec["template"]["spec"])
    for field in ("minReadySeconds", "revisionHistoryLimit"):
        yield from at_least(f"spec.{field}", spec.get(field), 0)
    strategy = spec["updateStrategy"]
    yield from one_of("spec.updateStrategy.type", strategy["type"], ("RollingUpdate", "OnDelete"))
    if strategy["type"] == "RollingUpdate":
        yield from _rolling(strategy["rollingUpdate"])


def _rolling(rolling: dict[str, Any]) -> Problems:
    unavailable, surge = rolling["maxUnavailable"], rolling["maxSurge"]
    yield from count_or_share(f"{_ROLLING}.maxUnavailable", unavailable)
    yield from count_or_percent(f"{_ROLLING}.maxSurge", surge)
    is_none, is_surging = (str(value).rstrip("%") == "0" for value in (unavailable, surge))
    if is_none and is_surging:
        yield required(f"{_ROLLING}.maxUnavailable", "cannot be 0 when maxSurge is 0")
    elif not is_none and not is_surging:
        yield wrong(f"{_ROLLING}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")
