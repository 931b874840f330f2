"""What an object's HPA says: its count, the metrics that it reads itself, and how old its word is.

An HPA does not write down that it has looked. What is seen of it are its questions for metrics, and each
change of its status.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidegate.base.quantity import parse_quantity
from tidegate.base.times import format_time
from tidegate.core.values import ResourceMetric
from tidegate.operator.reconcile.tracker import Tracked

Object = dict[str, Any]
# Go's way of printing the metric's selector, which says nothing to people: `/&LabelSelector{…}`, `(…)`.
_SELECTOR = re.compile(
    r"\(?/?&LabelSelector\{MatchLabels:map\[string\]string\{[^}]*\},"
    r"MatchExpressions:\[\]LabelSelectorRequirement\{\},\}\)?"
)
_PLACE = re.compile(r"external metric [a-z0-9.-]+/(?=[^ ]+/&LabelSelector)")


@dataclass(frozen=True, slots=True)
class Told:
    """An HPA as it stands. `looked` is its last look that is known of, `spoke` its last change of status.

    `replicas` is its target's count now, None where that cannot be read.
    """

    name: str
    body: Object
    replicas: int | None
    looked: datetime | None = None
    spoke: datetime | None = None

    @property
    def status(self) -> Object:
        status: Object = self.body.get("status") or {}
        return status

    @property
    def state(self) -> str:
        """`resting` at 0 replicas, `behind` while it has not looked since a change, else `current`."""
        if self.replicas == 0 and (self.body.get("spec") or {}).get("minReplicas") != 0:
            return "resting"
        status = self.status
        seen = status.get("observedGeneration")
        generation = self.body["metadata"].get("generation")
        is_edited = seen is not None and generation is not None and seen < generation
        counts = (status.get("currentReplicas"), status.get("desiredReplicas"))
        is_elsewhere = self.replicas is not None and self.replicas not in counts
        was_resting = any(one.get("reason") == "ScalingDisabled" for one in status.get("conditions") or ())
        return "behind" if is_edited or is_elsewhere or was_resting else "current"

    def usage(self, metric: ResourceMetric) -> float | None:
        """What it last read of cpu or memory: percent of requests, or cores or bytes per pod."""
        for one in self.status.get("currentMetrics") or ():
            source = one.get("containerResource") if metric.container else one.get("resource")
            if not source or source.get("name") != metric.name:
                continue
            if metric.container and source.get("container") != metric.container:
                continue
            current = source.get("current") or {}
            if metric.target_type == "Utilization":
                return current.get("averageUtilization")
            text = current.get("averageValue")
            return float(parse_quantity(text)) if text else None
        return None

    def entry(self, leading: str | None) -> Object:
        """For people and programs; `leading` is the metric that asks for the most."""
        status = self.status
        return {
            "name": self.name,
            "state": self.state,
            "currentReplicas": status.get("currentReplicas"),
            "desiredReplicas": status.get("desiredReplicas"),
            "lookedAt": format_time(self.looked) if self.looked else None,
            "leading": leading,
            "conditions": [_condition(one) for one in status.get("conditions") or ()],
        }


def told_by(tracked: Tracked, body: Object | None) -> Told | None:
    """What is known of the object's HPA with this body; None where there is none."""
    if body is None:
        return None
    moments = [one for one in (tracked.hpa_asked, tracked.hpa_spoke) if one is not None]
    name = body["metadata"]["name"]
    return Told(name, body, tracked.replicas, max(moments, default=None), tracked.hpa_spoke)


def _condition(one: Object) -> Object:
    fields = {key: one.get(key, "") for key in ("type", "status", "reason", "message")}
    return {**fields, "message": plain(fields["message"])}


def plain(text: str) -> str:
    """An HPA's text with its metrics by name alone."""
    return _SELECTOR.sub("", _PLACE.sub("external metric ", text))
