"""Annotations that do nothing are told."""

from __future__ import annotations

import pytest

from parts.decisions import scaled_job, scaled_object
from tidegate.review.notices.annotations import PREFIX, annotation_notices


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ("paused-scale-up", 'nothing reads this annotation; did you mean "paused-scale-out"?'),
        ("pausd", 'nothing reads this annotation; did you mean "paused"?'),
        ("colour", "nothing reads this annotation"),
        ("paused", None),
        ("force-activation", None),
    ],
)
def test_annotations_that_nobody_reads(annotation: str, message: str | None) -> None:
    object = scaled_object({PREFIX + annotation: "true", "example.com/pausd": "true"})
    expected = [(f"metadata.annotations.{PREFIX}{annotation}", message)] if message else []
    assert [(one.path, one.message) for one in annotation_notices(object)] == expected


@pytest.mark.parametrize("annotation", ["paused-replicas", "paused-scale-in", "force-activation"])
def test_annotations_that_do_nothing_on_a_scaled_job(annotation: str) -> None:
    [one] = annotation_notices(scaled_job({PREFIX + annotation: "1"}))
    assert one.message == '"1" has no effect on a ScaledJob'
    assert not list(annotation_notices(scaled_job({PREFIX + "paused": "true"})))
