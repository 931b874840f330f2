"""The last word on a count: the HPA's minimum and maximum, narrowed by what its policies allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Limit = Literal["", "ScaleUpLimit", "TooManyReplicas", "ScaleDownLimit", "TooFewReplicas"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The range of a count, and the range that the policies allow from where it stands."""

    minimum: int
    maximum: int
    policy_minimum: int
    policy_maximum: int


@dataclass(frozen=True, slots=True)
class Bounded:
    """A count within all bounds, and the one that stopped it ("" where none did)."""

    replicas: int
    limit: Limit = ""


def bound(wanted: int, current: int, bounds: Bounds) -> Bounded:
    """`wanted`, kept within the bounds. `current` lies within minimum and maximum."""
    if wanted > current:
        ceiling = min(bounds.maximum, bounds.policy_maximum)
        if wanted > ceiling:
            is_policy = bounds.policy_maximum < bounds.maximum
            return Bounded(ceiling, "ScaleUpLimit" if is_policy else "TooManyReplicas")
    if wanted < current:
        floor = max(bounds.minimum, bounds.policy_minimum)
        if wanted < floor:
            is_policy = bounds.policy_minimum > bounds.minimum
            return Bounded(floor, "ScaleDownLimit" if is_policy else "TooFewReplicas")
    return Bounded(wanted)
