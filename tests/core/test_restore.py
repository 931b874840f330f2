"""What a target gets back when its ScaledObject goes."""

from __future__ import annotations

from typing import Any

import pytest

from parts.decisions import scaled_object
from tidegate.core.restore import restored_replicas


@pytest.mark.parametrize(
    ("advanced", "original", "expected"),
    [
        ({}, 3, None),
        ({"restoreToOriginalReplicaCount": False}, 3, None),
        ({"restoreToOriginalReplicaCount": True}, 3, 3),
        ({"restoreToOriginalReplicaCount": True}, 0, 0),
        # the target was never seen: nobody knows what to restore
        ({"restoreToOriginalReplicaCount": True}, None, None),
    ],
)
def test_the_count_from_before_us_is_restored_where_that_is_asked_for(
    advanced: dict[str, Any], original: int | None, expected: int | None
) -> None:
    status = {} if original is None else {"originalReplicaCount": original}
    assert restored_replicas(scaled_object(advanced=advanced, status=status)) == expected
