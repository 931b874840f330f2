"""`pendingPodConditions` without a strategy that looks at pending Jobs is told."""

from __future__ import annotations

import pytest

from tidegate.api.decode import decode
from tidegate.api.scaledjob import ScaledJob
from tidegate.kit.reading import Sources
from tidegate.review.manifest import review


@pytest.mark.parametrize(
    ("strategy", "told"),
    [
        ({}, ["default"]),
        ({"strategy": "default"}, ["default"]),
        ({"strategy": "custom"}, ["custom"]),
        ({"strategy": "accurate"}, []),
        ({"strategy": "eager"}, []),
    ],
)
def test_pending_pod_conditions_without_effect_are_told(strategy: dict[str, str], told: list[str]) -> None:
    body = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledJob",
        "metadata": {"name": "work"},
        "spec": {
            "jobTargetRef": {"template": {}},
            "scalingStrategy": {"pendingPodConditions": ["Ready"], **strategy},
            "triggers": [
                {"type": "redis", "metadata": {"address": "redis:6379", "listName": "jobs"}},
            ],
        },
    }
    object = decode(body)
    assert isinstance(object, ScaledJob)
    notices = review(object, lambda index: Sources(object.spec.triggers[index].metadata)).notices
    assert [one.path for one in notices] == ["spec.scalingStrategy.pendingPodConditions"] * len(told)
    assert [one.message.split()[6].rstrip(":") for one in notices] == told
