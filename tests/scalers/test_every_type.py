"""All trigger types of KEDA are there."""

from __future__ import annotations

from tidegate import scalers
from tidegate.scalers.spellings import KEDA_TYPES


def test_every_type_of_keda_is_there_and_none_besides() -> None:
    assert len(KEDA_TYPES) == 78
    assert set(scalers.types()) == KEDA_TYPES
