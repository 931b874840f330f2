"""A field that is accepted and does nothing yet is told."""

from __future__ import annotations

from tidegate.api.decode import decode
from tidegate.api.scaledjob import ScaledJob
from tidegate.kit.reading import Sources
from tidegate.review.manifest import review


def test_pending_pod_conditions_are_told_to_have_no_effect() -> None:
    body = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledJob",
        "metadata": {"name": "work"},
        "spec": {
            "jobTargetRef": {"template": {}},
            "scalingStrategy": {"strategy": "accurate", "pendingPodConditions": ["Ready"]},
            "triggers": [
                {"type": "redis", "metadata": {"address": "redis:6379", "listName": "jobs"}},
            ],
        },
    }
    object = decode(body)
    assert isinstance(object, ScaledJob)
    notices = review(object, lambda index: Sources(object.spec.triggers[index].metadata)).notices
    assert [one.path for one in notices] == ["spec.scalingStrategy.pendingPodConditions"]
