"""What local mode, whole, tells of an object: events, conditions, authentications."""

from __future__ import annotations

from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import redis
from parts.rollouts import REFERENCE, ROLLOUTS, add_rollout
from parts.town import Object, Town, living, pods_of
from tidegate.kube.resource import (
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    PODS,
    SCALED_JOBS,
    SCALED_OBJECTS,
    TRIGGER_AUTHENTICATIONS,
    Resource,
)

pytestmark = pytest.mark.e2e

CLOCK: Object = {
    "type": "cron",
    "metadata": {"timezone": "UTC", "start": "0 7 * * *", "end": "0 6 * * *", "desiredReplicas": "2"},
}
TEMPLATE = {
    "spec": {"containers": [{"name": "c", "image": "i", "command": ["work"]}], "restartPolicy": "Never"}
}
AUTH: Object = {"spec": {"env": [{"parameter": "username", "name": "USER"}]}}


def test_a_good_trigger_is_told_as_built_watched_and_ready() -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await town.deployment()
            await town.scaled_object("web", pods_of("monitored"))
            await clock.sleep(10)
            told = [one[:3] for one in town.events("web") if one[1].startswith(("KEDA", "ScaledObject"))]
            assert sorted(told) == [
                ("Normal", "KEDAScalersStarted", "Scaler kubernetes-workload is built"),
                ("Normal", "KEDAScalersStarted", "Started scalers watch"),
                ("Normal", "ScaledObjectReady", "ScaledObject is ready for scaling"),
            ]

    virtualtime.run(story)


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ({"name": "nobody"}, "Target resource doesn't exist"),
        (REFERENCE, "Target resource doesn't expose /scale subresource"),
        (
            {"apiVersion": "v1", "kind": "Pod", "name": "web"},
            "Target resource doesn't expose /scale subresource",
        ),
        (
            {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "web"},
            "the server does not serve DaemonSet",
        ),
    ],
)
def test_a_target_that_is_missing_or_cannot_be_scaled_is_told(reference: Object, text: str) -> None:
    async def story(clock: Any) -> None:
        async with living(clock, served=(ROLLOUTS,)) as town:
            await add_rollout(town, has_scale=False)
            await town.create(PODS, "web", spec=TEMPLATE["spec"])
            await town.scaled_object("web", pods_of("monitored"), scaleTargetRef=reference)
            await clock.sleep(10)
            told = [one for one in town.events("web") if one[1] == "ScaledObjectCheckFailed"]
            assert [one[0] for one in told] == ["Warning"]
            stage = "ScaledObject doesn't have correct scaleTargetRef specification"
            assert told[0][2].startswith(f"{stage}: {text}")
            ready = town.condition(SCALED_OBJECTS, "web", "Ready")
            assert ready == ("False", "ScaledObjectCheckFailed", told[0][2])
            active = town.condition(SCALED_OBJECTS, "web", "Active")
            assert active == ("Unknown", "UnknownState", "ScaledObject check failed")

    virtualtime.run(story)


@pytest.mark.parametrize("resource", [SCALED_OBJECTS, SCALED_JOBS])
def test_the_types_of_triggers_and_their_authentications_stand_in_the_status_each_once(
    resource: Resource,
) -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            await town.create(TRIGGER_AUTHENTICATIONS, "auth", **AUTH)
            triggers = [{**redis("jobs"), "authenticationRef": {"name": "auth"}}, CLOCK]
            later = {**CLOCK, "metadata": {**CLOCK["metadata"], "desiredReplicas": "3"}}
            if resource == SCALED_OBJECTS:
                await town.deployment("one")
                await town.scaled_object("one", *triggers, later)
            else:
                await town.scaled_job("one", *triggers, later, jobTargetRef={"template": TEMPLATE})
            await clock.sleep(10)
            status = (town.objects.get(resource, "shop", "one") or {})["status"]
            assert status["triggersTypes"] == "redis,cron"
            assert status["authenticationsTypes"] == "auth"

    virtualtime.run(story)


def users(town: Town, resource: Resource, namespace: str) -> Object:
    return (town.objects.get(resource, namespace, "auth") or {}).get("status") or {}


@pytest.mark.parametrize(
    ("resource", "namespace"), [(TRIGGER_AUTHENTICATIONS, "shop"), (CLUSTER_TRIGGER_AUTHENTICATIONS, "")]
)
def test_an_authentication_knows_its_users_for_as_long_as_they_are_there(
    resource: Resource, namespace: str
) -> None:
    async def story(clock: Any) -> None:
        async with living(clock) as town:
            metadata = {"name": "auth", **({"namespace": namespace} if namespace else {})}
            await town.objects.create(resource, {"metadata": metadata, **AUTH})
            trigger = {**redis("jobs"), "authenticationRef": {"name": "auth", "kind": resource.kind}}
            for name in ("so1", "so2"):
                await town.deployment(name)
                await town.scaled_object(name, trigger)
                await clock.sleep(5)
            assert users(town, resource, namespace)["scaledobjects"] == "so1,so2"
            await town.scaled_job("sj1", trigger, jobTargetRef={"template": TEMPLATE})
            await clock.sleep(5)
            assert users(town, resource, namespace)["scaledjobs"] == "sj1"
            for name, left in (("so1", "so2"), ("so2", "")):
                await town.objects.delete(SCALED_OBJECTS, "shop", name)
                await clock.sleep(5)
                assert users(town, resource, namespace)["scaledobjects"] == left
            await town.objects.delete(SCALED_JOBS, "shop", "sj1")
            await clock.sleep(5)
            assert users(town, resource, namespace)["scaledjobs"] == ""

    virtualtime.run(story)
