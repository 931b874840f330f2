"""Validation of DaemonSets."""

from __future__ import annotations

from typing import Any

from tidegate.base.problems import Problem
from tidegate.local.apiserver.validation.fields import show
from tidegate.local.apiserver.validation.rules import (
    NOT_SUPPORTED,
    Problems,
    at_least,
    count_or_share,
    required,
    wrong,
)
from tidegate.local.apiserver.validation.workloads.replicated import selected_template_problems
from tidegate.local.apiserver.validation.workloads.stateful_set import unlimited
from tidegate.local.objects import Object

_ROLLING = "spec.updateStrategy.rollingUpdate"


def daemon_set_problems(body: Object) -> Problems:
    spec = body["spec"]
    is_silent = spec.get("selector") is None
    for problem in selected_template_problems(spec, "daemonset"):
        # A set without a selector is told that its template does not fit it, and nothing else.
        if not (is_silent and problem.path == "spec.selector"):
            yield problem
    yield from unlimited("DaemonSet", spec["template"]["spec"])
    for field in ("minReadySeconds", "revisionHistoryLimit"):
        yield from at_least(f"spec.{field}", spec.get(field), 0)
    strategy = spec["updateStrategy"]
    if strategy["type"] not in ("RollingUpdate", "OnDelete"):
        told = f'Unsupported value: {show(strategy)}: supported values: "RollingUpdate", "OnDelete"'
        yield Problem("spec.updateStrategy", told, NOT_SUPPORTED)
    if strategy["type"] == "RollingUpdate":
        yield from _rolling(strategy["rollingUpdate"])


def _rolling(rolling: dict[str, Any]) -> Problems:
    unavailable, surge = rolling["maxUnavailable"], rolling["maxSurge"]
    yield from count_or_share(f"{_ROLLING}.maxUnavailable", unavailable)
    yield from count_or_share(f"{_ROLLING}.maxSurge", surge)
    is_none, is_surging = (str(value).rstrip("%") == "0" for value in (unavailable, surge))
    if is_none and is_surging:
        yield required(f"{_ROLLING}.maxUnavailable", "cannot be 0 when maxSurge is 0")
    elif not is_none and not is_surging:
        yield wrong(f"{_ROLLING}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")
