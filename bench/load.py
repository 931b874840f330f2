"""What many equal objects measure: one trigger, as a template."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# Below the activation: nothing is ever due but to measure.
VALUE, ACTIVATION = 3, 5


@dataclass(frozen=True, slots=True)
class Load:
    """`metadata` may hold `{number}`, the object's; `environment` is that of each object's container."""

    type: str
    metadata: dict[str, str]
    environment: dict[str, str] = field(default_factory=dict)
    interval_s: int = 5

    def trigger(self, number: int) -> dict[str, Any]:
        metadata = {key: text.replace("{number}", f"{number:05d}") for key, text in self.metadata.items()}
        return {"type": self.type, "metadata": metadata}


NOTHING = Load("", {})
"""For a cluster that begins without objects."""
