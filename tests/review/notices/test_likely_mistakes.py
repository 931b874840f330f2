"""What is written and hardly meant: each told with its place, and nothing told of what is usual."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.api.decode import decode
from tidegate.api.scaledobject import ScaledObject
from tidegate.review.notices.likely_mistakes import likely_mistakes

TEMPLATE = {"metadata": {"labels": {"app": "web"}}}
REDIS = {"address": "redis:6379", "listName": "jobs"}


def told(
    metadata: dict[str, str] | None = None,
    type: str = "redis",
    target: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
) -> list[tuple[str, str]]:
    body: dict[str, Any] = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "web", "annotations": annotations or {}},
        "spec": {
            "scaleTargetRef": {"name": "web", **(target or {})},
            "triggers": [{"type": type, "metadata": metadata or REDIS}],
        },
    }
    object = decode(body)
    assert isinstance(object, ScaledObject)
    return [(one.path, one.message) for one in likely_mistakes(object, TEMPLATE)]


def test_what_is_usual_is_not_suspected() -> None:
    assert told() == []
    assert told(target={"kind": "StatefulSet", "apiVersion": "apps/v1"}) == []
    assert told(target={"kind": "Rollout", "apiVersion": "argoproj.io/v1alpha1"}) == []


def test_kinds_that_there_are_not() -> None:
    [(path, message)] = told(target={"kind": "Deploymnt"})
    assert path == "spec.scaleTargetRef.kind"
    assert message == 'apps/v1 has no kind "Deploymnt" that can be scaled; did you mean "Deployment"?'


def test_a_secret_in_clear_text_is_told_and_not_shown() -> None:
    [(path, message)] = told({**REDIS, "password": "hunter2"})
    assert path == "spec.triggers[0].metadata.password"
    assert "in clear text" in message
    assert "hunter2" not in message
    assert told({**REDIS, "passwordFromEnv": "PASSWORD"}) == []


@pytest.mark.parametrize(
    ("selector", "is_own"), [("app=web", True), ("app=other", False), ("app in (", False), ("!x", True)]
)
def test_a_workload_that_counts_its_own_pods(selector: str, is_own: bool) -> None:
    found = told({"podSelector": selector, "value": "1"}, "kubernetes-workload")
    assert [path for path, _ in found] == ["spec.triggers[0].metadata.podSelector"] * is_own
