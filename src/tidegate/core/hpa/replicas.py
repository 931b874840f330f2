"""How many replicas the metrics ask for: ratio, tolerance, the highest of several metrics.

Source: Kubernetes documentation, "Horizontal Pod Autoscaling: Algorithm details". Two points are
stricter than the published controller: quotients are exact (in milli units, as quantities are
kept; floats would round 7.000000000000001 up to 8), and a load above its target never lowers, nor
one below it raises, however few pods are ready.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from tidegate.base.errors import Failure
from tidegate.core.values import TargetType

MetricKind = Literal["External", "Resource", "ContainerResource"]

MILLI = 1000
# Beyond this a float has no fraction, and at its end no room for a thousandfold.
_COARSE = float(2**53)


@dataclass(frozen=True, slots=True)
class Sample:
    """One metric of an HPA as it was read: a value or a failure, never both.

    `value` is the total for External metrics, the mean per ready pod for an AverageValue and the
    mean percentage of the request for a Utilization of resources. `ready` counts ready pods.
    `namespace`, `labels` (the metric selector's matchLabels) and `container` appear in texts only, `average`
    (what a pod uses, behind a Utilization) in the status only.
    """

    name: str
    target_type: TargetType
    target: float
    value: float | None
    failure: Failure | None = None
    ready: int = 0
    kind: MetricKind = "External"
    namespace: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    average: float | None = None
    container: str = ""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The share by which a metric may miss its target without a change, per direction."""

    up: Fraction = Fraction(1, 10)
    down: Fraction = Fraction(1, 10)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the metrics ask for. `sample` asked for the most; `failed` were passed over."""

    replicas: int
    sample: Sample
    is_tolerated: bool
    failed: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """Nothing may be concluded: no metric was read, or some failed and the others would lower."""

    failed: tuple[Sample, ...]


def propose(samples: tuple[Sample, ...], current: int, tolerance: Tolerance) -> Proposal | Held:
    """The highest count that a metric asks for. `current` > 0.

    Metrics that failed are passed over when the others raise or keep, and forbid lowering.
    """
    failed = tuple(sample for sample in samples if failure_of(sample) is not None)
    best: Proposal | None = None
    for sample in samples:
        if failure_of(sample) is not None:
            continue
        wanted, is_tolerated = wanted_by(sample, current, tolerance)
        if best is None or wanted > best.replicas:
            best = Proposal(wanted, sample, is_tolerated, failed)
    if best is None or (failed and best.replicas < current):
        return Held(failed)
    return best


def wanted_by(sample: Sample, current: int, tolerance: Tolerance) -> tuple[int, bool]:
    """Replicas that one readable metric asks for, and whether it is within tolerance of its target.

    External AverageValue: total / target, whatever is ready. Value, and means over pods:
    ratio × ready pods.
    """
    value, target = milli(sample.value or 0.0), milli(sample.target)
    is_total_per_replica = sample.kind == "External" and sample.target_type == "AverageValue"
    base = target * current if is_total_per_replica else target
    down, up = tolerance.down, tolerance.up
    is_low = value * down.denominator < base * (down.denominator - down.numerator)
    is_high = value * up.denominator > base * (up.denominator + up.numerator)
    if not is_low and not is_high:
        return current, True
    # Rounded up, exactly, without the time that fractions take.
    if is_total_per_replica:
        return -(-value // target), False
    wanted = -(-value * sample.ready // target)
    return (max(wanted, current) if value > base else min(wanted, current)), False


def failure_of(sample: Sample) -> Failure | None:
    """Why nothing can be concluded from the sample; None where it can be used."""
    if sample.failure is not None:
        return sample.failure
    if sample.value is None:
        return Failure("Malformed", "no value was returned")
    if not math.isfinite(sample.value):
        return Failure("Malformed", f"the value {sample.value} is not a finite number")
    if not math.isfinite(sample.target) or milli(sample.target) <= 0:
        return Failure("Misconfigured", f"the target {sample.target} is not above zero")
    return None


def milli(number: float) -> int:
    """`number` in thousandths, as quantities are kept; a negative metric counts as zero."""
    if number > _COARSE:
        return int(number) * MILLI
    return max(0, round(number * MILLI))
