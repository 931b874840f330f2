"""The HPA of a ScaledObject in local mode, whole, on a clock that jumps."""

from __future__ import annotations

from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import redis
from parts.town import Object, Town, living, pods_of
from tidegate.kube.resource import HPAS, SCALED_OBJECTS

pytestmark = pytest.mark.e2e

CHOSEN: Object = {"horizontalPodAutoscalerConfig": {"name": "chosen"}}


def names(town: Town) -> list[str]:
    return [one["metadata"]["name"] for one in town.objects.list(HPAS, "shop")]


@pytest.mark.parametrize("is_broken", [False, True])
def test_a_renamed_hpa_takes_the_place_of_the_old_one_and_back_again(is_broken: bool) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=3) as town:
            await town.deployment("monitored", 2)
            await town.deployment()
            triggers = [pods_of("monitored")]
            if is_broken:
                town.redis.unreachable.add("nowhere:6379")
                triggers.append(redis("other", address="nowhere:6379"))
            await town.scaled_object("web", *triggers, pollingInterval=5)
            await town.becomes("it has the usual name", lambda: names(town) == ["keda-hpa-web"], 60)
            await town.patch(SCALED_OBJECTS, "web", {"spec": {"advanced": CHOSEN}})
            await town.becomes("it has the chosen name", lambda: names(town) == ["chosen"], 60)
            await town.patch(SCALED_OBJECTS, "web", {"spec": {"advanced": None}})
            await town.becomes("it has the usual name again", lambda: names(town) == ["keda-hpa-web"], 60)

    virtualtime.run(story)


def test_excluded_labels_are_not_on_the_hpa() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await town.deployment("monitored", 2)
            await town.deployment()
            metadata = {
                "labels": {"team": "data", "tier": "back", "kept": "yes"},
                "annotations": {"scaledobject.keda.sh/hpa-excluded-labels": "team, tier"},
            }
            await town.scaled_object("web", pods_of("monitored"), metadata=metadata)
            await town.becomes("it has an HPA", lambda: names(town) != [], 60)
            labels = (town.hpa() or {})["metadata"]["labels"]
            assert labels["kept"] == "yes"
            assert {"team", "tier"}.isdisjoint(labels)

    virtualtime.run(story)


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (redis("jobs", listLength="0"), 'spec.triggers[1].metadata.listLength: "0" is not above 0'),
        (
            {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "0"}},
            'spec.triggers[1].metadata.value: "0" is not above 0',
        ),
        (
            {"type": "memory", "metricType": "AverageValue", "metadata": {"value": "-1"}},
            'spec.triggers[1].metadata.value: "-1" is not above 0',
        ),
    ],
)
@pytest.mark.parametrize("is_later", [False, True])
def test_a_target_of_nothing_is_told_and_the_healthy_trigger_goes_on(
    broken: Object, told: str, is_later: bool
) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, mails=3) as town:
            await town.deployment(replicas=1, resources={"requests": {"cpu": "1", "memory": "1Gi"}})
            healthy = redis("mails")
            spec = {"minReplicaCount": 1, "maxReplicaCount": 5, "pollingInterval": 5}
            await town.scaled_object("web", healthy, *([] if is_later else [broken]), **spec)
            await town.reaches(3, 60)
            more = {"triggers": [healthy, broken], "maxReplicaCount": 20}
            await town.patch(SCALED_OBJECTS, "web", {"spec": more})
            town.redis.lists["mails"] = 12
            await town.reaches(12, 120)
            assert told in town.condition(SCALED_OBJECTS, "web", "Ready")[2]
            assert any(
                told in text for _, reason, text, _ in town.events("web") if reason == "KEDAScalerFailed"
            )

    virtualtime.run(story)


@pytest.mark.parametrize("value", ["0.5", "1000m", "500m"])
def test_a_quantity_is_kept_as_kubernetes_writes_it_and_written_once(value: str) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=2) as town:
            await town.deployment(replicas=1, resources={"requests": {"cpu": "1", "memory": "1Gi"}})
            cpu = {"type": "cpu", "metricType": "AverageValue", "metadata": {"value": value}}
            memory = {"type": "memory", "metricType": "AverageValue", "metadata": {"value": "1024Mi"}}
            rules = {"scaleDown": {"tolerance": "0.05"}}
            await town.scaled_object(
                "web",
                redis("jobs"),
                cpu,
                memory,
                minReplicaCount=1,
                pollingInterval=5,
                advanced={"horizontalPodAutoscalerConfig": {"behavior": rules}},
            )
            await town.reaches(2, 60)
            await clock.sleep(300)
            spec = (town.hpa() or {})["spec"]
            targets = [one["resource"]["target"] for one in spec["metrics"][1:]]
            expected = {"0.5": "500m", "1000m": "1"}.get(value, value)
            assert [one["averageValue"] for one in targets] == [expected, "1Gi"]
            assert spec["behavior"]["scaleDown"]["tolerance"] == "50m"
            writes = [one.verb for one in town.client.writes if one.resource == HPAS]
            assert writes == ["create"]

    virtualtime.run(story)


@pytest.mark.parametrize("jobs", [10**25, 10**40, 10**300])
def test_a_queue_of_any_length_is_met_with_the_maximum(jobs: int) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=jobs) as town:
            await town.deployment()
            await town.scaled_object("web", redis("jobs"), maxReplicaCount=6, pollingInterval=5)
            await town.reaches(6, 120)
            await clock.sleep(20)
            (metric,) = (town.hpa() or {})["status"]["currentMetrics"]
            assert metric["external"]["current"] == {"averageValue": "9223372036854775807"}

    virtualtime.run(story)


def test_cpu_and_a_queue_together_take_the_higher_of_both() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=3) as town:
            await town.deployment(replicas=1, resources={"requests": {"cpu": "1"}})
            cpu = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "50"}}
            spec = {"minReplicaCount": 1, "maxReplicaCount": 10, "pollingInterval": 5}
            await town.scaled_object("web", cpu, redis("jobs"), **spec)
            await town.reaches(3, 120)
            town.used["cpu"]["web"] = 1.0
            await town.reaches(6, 60)
            town.used["cpu"]["web"] = 0.0
            await town.reaches(3, 900)
            await town.keeps(3, 60)

    virtualtime.run(story)
