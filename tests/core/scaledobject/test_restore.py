"""What a target gets back when its ScaledObject goes."""

from __future__ import annotations

from typing import Any

import pytest

from parts.decisions import scaled_object
from tidegate.core.scaledobject.restore import COUNT_OF, first_mark, is_of_another, restored_replicas


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


@pytest.mark.parametrize(
    ("mark", "target", "is_another"),
    [
        (None, {"name": "web"}, False),
        ("Deployment.apps/web", {"name": "web"}, False),
        ("Deployment.apps/web", {"apiVersion": "apps/v1beta2", "kind": "Deployment", "name": "web"}, False),
        ("Deployment.apps/web", {"name": "other"}, True),
        ("Deployment.apps/web", {"kind": "StatefulSet", "name": "web"}, True),
        (
            "Deployment.apps/web",
            {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web"},
            True,
        ),
        ("Pool/web", {"apiVersion": "v1", "kind": "Pool", "name": "web"}, False),
    ],
)
def test_the_count_of_one_target_is_not_restored_into_another(
    mark: str | None, target: dict[str, str], is_another: bool
) -> None:
    object = scaled_object(
        {COUNT_OF: mark} if mark else {},
        {"originalReplicaCount": 3},
        advanced={"restoreToOriginalReplicaCount": True},
        scaleTargetRef=target,
    )
    assert is_of_another(object) == is_another
    assert restored_replicas(object) == (None if is_another else 3)
    assert bool(first_mark(object, None)) == (mark is None)


def test_an_object_is_marked_with_the_target_whose_count_is_kept() -> None:
    web = {COUNT_OF: "Deployment.apps/web"}
    assert first_mark(scaled_object(), None) == web
    # a count that was kept without the mark is that of the target which the HPA scales
    assert first_mark(scaled_object(), "Deployment.apps/other") == web
    kept = scaled_object(status={"originalReplicaCount": 3})
    assert first_mark(kept, "Deployment.apps/other") == {COUNT_OF: "Deployment.apps/other"}
    assert first_mark(kept, None) == web
