"""What an operator tells of an object: from its last decision, its HPA and what is seen now."""

from __future__ import annotations

from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import operating
from tidegate.kube.resource import HPAS, SCALED_JOBS, SCALED_OBJECTS, ApiError


def test_the_hpa_speaks_for_the_count_between_the_bounds() -> None:
    async def story(clock: Any) -> None:
        async with operating(clock, jobs=50) as cluster:
            await cluster.deployment("web", 0)
            await cluster.scaled_object("web", maxReplicaCount=10)
            await clock.sleep(2)
            limited = {
                "type": "ScalingLimited",
                "status": "True",
                "reason": "TooManyReplicas",
                "message": "the desired replica count is more than the maximum replica count",
            }
            status = {"currentReplicas": 1, "desiredReplicas": 10, "conditions": [limited]}
            await cluster.patch(HPAS, "keda-hpa-web", {"status": status}, "status")
            await clock.sleep(2)
            told = cluster.operator.explain(SCALED_OBJECTS, "shop", "web")
            assert told["hpa"] == {
                "name": "keda-hpa-web",
                "currentReplicas": 1,
                "desiredReplicas": 10,
                "conditions": [limited],
            }
            assert [one["code"] for one in told["reasons"]] == [
                "Active",
                "Asked",
                "CappedAtMaximum",
                "LeftToHpa",
            ]

    virtualtime.run(story)


def test_a_scaled_job_and_a_paused_object_have_no_hpa_to_tell_of() -> None:
    async def story(clock: Any) -> None:
        async with operating(clock, jobs=1) as cluster:
            await cluster.deployment("web", 0)
            pause = {"autoscaling.keda.sh/paused": "true"}
            await cluster.scaled_object("web", metadata={"annotations": pause})
            await cluster.scaled_job("crunch")
            await clock.sleep(2)
            assert cluster.operator.explain(SCALED_JOBS, "shop", "crunch")["hpa"] is None
            assert cluster.operator.explain(SCALED_OBJECTS, "shop", "web")["hpa"] is None
            with pytest.raises(ApiError, match="nothing was decided"):
                cluster.operator.explain(SCALED_OBJECTS, "shop", "other")

    virtualtime.run(story)


def test_a_scaled_job_at_its_maximum_waits_for_a_job_to_end() -> None:
    async def story(clock: Any) -> None:
        async with operating(clock, jobs=9) as cluster:
            await cluster.scaled_job("crunch", maxReplicaCount=2)
            await clock.sleep(2)
            told = cluster.operator.explain(SCALED_JOBS, "shop", "crunch")
            assert [one["text"] for one in told["outlook"]] == [
                "a Job that ends makes room: 2 of 2 are unfinished"
            ]

    virtualtime.run(story)
