"""What the annotations of a ScaledObject or ScaledJob ask for: pausing and forced activation.

Source: KEDA's documentation, "Pause autoscaling" and "Force activation".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

PAUSED = "autoscaling.keda.sh/paused"
PAUSED_REPLICAS = "autoscaling.keda.sh/paused-replicas"
PAUSED_SCALE_IN = "autoscaling.keda.sh/paused-scale-in"
PAUSED_SCALE_OUT = "autoscaling.keda.sh/paused-scale-out"
FORCE_ACTIVATION = "autoscaling.keda.sh/force-activation"
HPA_EXCLUDED_LABELS = "scaledobject.keda.sh/hpa-excluded-labels"
ROUND = "tidegate.dev/round"

_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_COUNT = re.compile(r"\+?[0-9]{1,10}")
_INT32_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Pause:
    """What is paused. `replicas` is the count to keep while fully paused (None: whatever it is).

    `unreadable` is a paused-replicas text that is no count: paused all the same.
    """

    is_full: bool = False
    replicas: int | None = None
    unreadable: str | None = None
    is_scale_in_paused: bool = False
    is_scale_out_paused: bool = False

    @property
    def is_any(self) -> bool:
        return self.is_full or self.is_scale_in_paused or self.is_scale_out_paused


def pause_of(annotations: Mapping[str, str] | None) -> Pause:
    """What a ScaledObject's annotations pause. A full pause wins over the two halves."""
    present = annotations or {}
    text = present.get(PAUSED_REPLICAS)
    if text is not None or is_set(present, PAUSED):
        replicas = _count(text) if text is not None else None
        return Pause(True, replicas, text if text is not None and replicas is None else None)
    return Pause(
        is_scale_in_paused=is_set(present, PAUSED_SCALE_IN),
        is_scale_out_paused=is_set(present, PAUSED_SCALE_OUT),
    )


def is_set(annotations: Mapping[str, str] | None, key: str) -> bool:
    """Whether a boolean annotation is on: present, and not one of Go's words for false."""
    text = (annotations or {}).get(key)
    return text is not None and text not in _FALSE


def round_of(annotations: Mapping[str, str] | None) -> int:
    """The last round that was claimed on a ScaledJob, or the one that a Job is of; 0 where there is none, or
    the text is no number.
    """
    text = (annotations or {}).get(ROUND, "")
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else 0


def _count(text: str) -> int | None:
    if _COUNT.fullmatch(text) is None or int(text) > _INT32_MAX:
        return None
    return int(text)
