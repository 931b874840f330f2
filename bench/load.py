"""What many equal objects measure: one trigger, as a template."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# Below the activation: nothing is ever due but to measure.
VALUE, ACTIVATION = 3, 5


@dataclass(frozen=True, slots=True)
class Load:
    """`metadata` may hold `{number}`, the object's, and `{hundredth}`, its last two digits.

    `environment` is that of each object's container.
    """

    type: str
    metadata: dict[str, str]
    environment: dict[str, str] = field(default_factory=dict)
    interval_s: int = 5

    def trigger(self, number: int) -> dict[str, Any]:
        words = {"{number}": f"{number:05d}", "{hundredth}": f"{number % 100:02d}"}
        metadata = dict(self.metadata)
        for word, value in words.items():
            metadata = {key: text.replace(word, value) for key, text in metadata.items()}
        return {"type": self.type, "metadata": metadata}


NOTHING = Load("", {})
"""For a cluster that begins without objects."""
