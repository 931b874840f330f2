"""The HPA of a ScaledObject in local mode, whole, on a clock that jumps."""

from __future__ import annotations

from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import redis
from parts.town import Object, Town, living, pods_of
from tidegate.kube.resource import HPAS, SCALED_OBJECTS, ApiError, Resource

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


def test_a_window_that_no_hpa_takes_is_told_in_the_server_s_words_and_wakes_all_the_same() -> None:
    """KEDA's CRD has no limit there."""

    async def story(clock: Any) -> None:
        async with living(clock, jobs=3) as town:
            await town.deployment()
            rules = {"scaleDown": {"stabilizationWindowSeconds": 3700}}
            advanced = {"horizontalPodAutoscalerConfig": {"behavior": rules}}
            await town.scaled_object("web", redis("jobs"), pollingInterval=5, advanced=advanced)
            await town.reaches(1, 30)
            await clock.sleep(60)
            status, reason, text = town.condition(SCALED_OBJECTS, "web", "Ready")
            assert (status, reason) == ("False", "ScaledObjectCheckFailed")
            assert (
                "stabilizationWindowSeconds: Invalid value: 3700: must be less than or equal to 3600" in text
            )
            assert [one[2] for one in town.events("web") if one[1] == "ScaledObjectCheckFailed"] == [text]
            assert town.hpa() is None
            rules["scaleDown"]["stabilizationWindowSeconds"] = 3600
            await town.patch(SCALED_OBJECTS, "web", {"spec": {"advanced": advanced}})
            await town.reaches(3, 60)
            assert town.condition(SCALED_OBJECTS, "web", "Ready")[0] == "True"

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


# --- whose HPA it is


def hpa_name(name: str) -> Object:
    return {"spec": {"advanced": {"horizontalPodAutoscalerConfig": {"name": name}}}}


def paused(text: str | None) -> Object:
    return {"metadata": {"annotations": {"autoscaling.keda.sh/paused": text}}}


def theirs(workload: str) -> Object:
    """The spec of an HPA that somebody wrote themselves."""
    resource = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": workload}
    metrics = [{"type": "Resource", "resource": resource}]
    return {"scaleTargetRef": reference, "minReplicas": 2, "maxReplicas": 5, "metrics": metrics}


def ready(town: Town, name: str = "web") -> tuple[str, str, str]:
    return town.condition(SCALED_OBJECTS, name, "Ready")


def owner(town: Town, name: str) -> str:
    found = town.hpa(name)
    assert found is not None
    return "".join(one["name"] for one in found["metadata"].get("ownerReferences") or ())


def test_a_name_that_no_hpa_can_have_is_refused() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=3) as town:
            await town.deployment()
            await town.scaled_object("web", redis("jobs"), pollingInterval=5)
            await town.reaches(3, 60)
            with pytest.raises(ApiError, match="Web_HPA"):
                await town.patch(SCALED_OBJECTS, "web", hpa_name("Web_HPA"))

    virtualtime.run(story)


def test_an_hpa_that_may_not_be_created_leaves_the_old_one_at_work() -> None:
    def refuse(resource: Resource, body: Object) -> ApiError | None:
        is_refused = resource == HPAS and body["metadata"]["name"] == "chosen"
        return ApiError(403, "Forbidden", "exceeded quota") if is_refused else None

    async def story(clock: Any) -> None:
        async with living(clock, jobs=3) as town:
            await town.deployment()
            await town.scaled_object("web", redis("jobs"), pollingInterval=5)
            await town.reaches(3, 60)
            town.refuse(refuse)
            await town.patch(SCALED_OBJECTS, "web", hpa_name("chosen"))
            await town.becomes("it is told", lambda: ready(town)[0] == "False", 30)
            assert "exceeded quota" in ready(town)[2]
            town.redis.lists["jobs"] = 6
            await town.reaches(6, 60)
            assert names(town) == ["keda-hpa-web"]
            town.refuse(lambda resource, body: None)
            await town.becomes("it has the chosen name", lambda: names(town) == ["chosen"], 60)
            assert ready(town)[0] == "True"

    virtualtime.run(story)


def test_a_renamed_hpa_is_the_old_one_until_the_new_one_stands() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=3) as town:
            await town.deployment()
            await town.scaled_object("web", redis("jobs"), pollingInterval=5)
            await town.reaches(3, 60)
            town.client.writes.clear()
            await town.patch(SCALED_OBJECTS, "web", hpa_name("chosen"))
            await town.becomes("it has the chosen name", lambda: names(town) == ["chosen"], 60)
            writes = [(one.verb, one.name) for one in town.client.writes if one.resource == HPAS]
            assert writes == [("create", "chosen"), ("delete", "keda-hpa-web")]

    virtualtime.run(story)


def test_a_name_that_was_given_up_in_a_pause_is_left_to_whoever_has_it_now() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=3, mails=4) as town:
            await town.deployment()
            await town.deployment("api")
            await town.scaled_object("web", redis("jobs"), pollingInterval=5, advanced=CHOSEN)
            await town.becomes("it has an HPA", lambda: names(town) == ["chosen"], 60)
            await town.patch(SCALED_OBJECTS, "web", paused("true"))
            await town.becomes("it has none", lambda: names(town) == [], 60)
            await town.patch(SCALED_OBJECTS, "web", hpa_name("another"))
            await town.scaled_object("api", redis("mails"), pollingInterval=5, advanced=CHOSEN)
            await town.becomes("the name is used again", lambda: names(town) == ["chosen"], 60)
            uid = (town.hpa("chosen") or {})["metadata"]["uid"]
            await town.patch(SCALED_OBJECTS, "web", paused(None))
            await town.becomes("both have one", lambda: sorted(names(town)) == ["another", "chosen"], 60)
            assert (town.hpa("chosen") or {})["metadata"]["uid"] == uid
            assert owner(town, "chosen") == "api"

    virtualtime.run(story)


def test_an_hpa_that_somebody_makes_during_a_pause_stays() -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=4) as town:
            await town.deployment()
            await town.scaled_object("web", redis("jobs"), pollingInterval=5, advanced=CHOSEN)
            await town.reaches(4, 60)
            await town.patch(SCALED_OBJECTS, "web", paused("true"))
            await town.becomes("it has no HPA", lambda: names(town) == [], 60)
            await town.create(HPAS, "chosen", spec=theirs("web"))
            await town.scale(3)
            await town.stays("it is there", lambda: names(town) == ["chosen"], 60)
            assert owner(town, "chosen") == ""

    virtualtime.run(story)


@pytest.mark.parametrize(
    ("workload", "owned_by", "words"),
    [
        ("api", None, "scales the Deployment api"),
        ("web", {"apiVersion": "example.com/v1", "kind": "Scaler", "name": "big"}, "the Scaler big"),
    ],
)
def test_somebody_elses_hpa_is_taken_over_by_its_name_only_where_that_is_asked_for(
    workload: str, owned_by: Object | None, words: str
) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, jobs=3) as town:
            await town.deployment()
            await town.scaled_object("web", redis("jobs"), pollingInterval=5)
            await town.reaches(3, 60)
            await town.deployment("api", 2)
            owners = [{**owned_by, "uid": "u-1", "controller": True}] if owned_by else []
            metadata = {
                "ownerReferences": owners,
                "annotations": {"validations.keda.sh/hpa-ownership": "false"},
            }
            before = await town.create(HPAS, "chosen", metadata=metadata, spec=theirs(workload))
            await town.patch(SCALED_OBJECTS, "web", {"spec": {"advanced": CHOSEN}})
            await town.becomes("it is told", lambda: ready(town)[0] == "False", 30)
            assert words in ready(town)[2]
            assert "scaledobject.keda.sh/transfer-hpa-ownership" in ready(town)[2]
            town.redis.lists["jobs"] = 6
            await town.reaches(6, 60)
            assert (town.hpa("chosen") or {})["spec"] == before["spec"]
            transfer = {"scaledobject.keda.sh/transfer-hpa-ownership": "true"}
            await town.patch(SCALED_OBJECTS, "web", {"metadata": {"annotations": transfer}})
            await town.becomes("it is taken over", lambda: names(town) == ["chosen"], 60)
            assert owner(town, "chosen") == "web"
            assert ready(town)[0] == "True"

    virtualtime.run(story)
