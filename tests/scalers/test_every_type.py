"""All trigger types of KEDA, and those of them that are still to come: a list that only gets shorter."""

from __future__ import annotations

from tidegate import scalers
from tidegate.scalers.spellings import KEDA_TYPES

STILL_TO_COME = {
    "gcp-cloudtasks",
    "gcp-spanner",
    "gcp-stackdriver",
    "gcp-storage",
}


def test_every_type_of_keda_is_there_or_named_as_still_to_come() -> None:
    assert len(KEDA_TYPES) == 78
    assert set(scalers.types()) | STILL_TO_COME == KEDA_TYPES


def test_what_is_there_is_no_longer_to_come() -> None:
    assert set(scalers.types()) & STILL_TO_COME == set()
