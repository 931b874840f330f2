"""Annotations that do nothing are told."""

from __future__ import annotations

from typing import Any

import pytest

from parts.decisions import scaled_job, scaled_object
from tidegate.api.decode import decode
from tidegate.api.triggerauthentication import (
    ALLOWED_NAMESPACES,
    ClusterTriggerAuthentication,
    TriggerAuthentication,
)
from tidegate.review.notices.annotations import PREFIX, allowed_namespaces_notices, annotation_notices


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


IDENTITY = {"podIdentity": {"provider": "aws"}}
NONE = {"podIdentity": {"provider": "none"}}
STORE = {
    "awsSecretManager": {"secrets": [{"parameter": "p", "name": "n"}], "podIdentity": {"provider": "aws"}}
}


@pytest.mark.parametrize(
    ("kind", "spec", "written", "messages"),
    [
        ("ClusterTriggerAuthentication", IDENTITY, "shop, bakery", []),
        ("ClusterTriggerAuthentication", STORE, "*", []),
        ("ClusterTriggerAuthentication", IDENTITY, None, []),
        ("ClusterTriggerAuthentication", IDENTITY, "Shop", ['"Shop" is no name of a namespace']),
        ("ClusterTriggerAuthentication", IDENTITY, "shop,", ['"" is no name of a namespace']),
        ("ClusterTriggerAuthentication", NONE, "shop", ["has no effect: no identity is named"]),
        ("TriggerAuthentication", IDENTITY, "shop", ["has no effect on a TriggerAuthentication"]),
    ],
)
def test_what_an_annotation_that_lends_cannot_mean_is_told(
    kind: str, spec: Any, written: str | None, messages: list[str]
) -> None:
    metadata = {"name": "aws"} | (
        {"annotations": {ALLOWED_NAMESPACES: written}} if written is not None else {}
    )
    object = decode({"apiVersion": "keda.sh/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
    assert isinstance(object, TriggerAuthentication | ClusterTriggerAuthentication)
    told = [str(one) for one in allowed_namespaces_notices(object)]
    assert len(told) == len(messages)
    assert all(words in text for words, text in zip(messages, told, strict=True))
