"""A kind that may not be listed costs only what needs it, and that says so until it may be listed again."""

from __future__ import annotations

from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import Cluster, redis, running
from tidegate.kube.resource import (
    CONFIG_MAPS,
    HPAS,
    JOBS,
    SCALED_JOBS,
    SCALED_OBJECTS,
    SECRETS,
    TRIGGER_AUTHENTICATIONS,
    Resource,
)


def told(kind: Resource, story: Any) -> None:
    async def whole(clock: Any) -> None:
        cluster = Cluster(clock)
        cluster.client.forbid(kind)
        cluster.redis.lists["jobs"] = 1
        await cluster.deployment("web", 0)
        await cluster.scaled_object("web")
        await cluster.scaled_job("crunch")
        async with running(cluster.operator):
            await clock.sleep(30)
            await story(clock, cluster)

    virtualtime.run(whole)


@pytest.mark.parametrize("kind", [SECRETS, CONFIG_MAPS, TRIGGER_AUTHENTICATIONS, JOBS])
def test_a_scaled_object_that_needs_none_works(kind: Resource) -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        assert cluster.replicas() == 1
        assert cluster.condition(SCALED_OBJECTS, "web", "Ready")[0] == "True"

    told(kind, story)


@pytest.mark.parametrize("kind", [SECRETS, CONFIG_MAPS, TRIGGER_AUTHENTICATIONS, HPAS, SCALED_OBJECTS])
def test_a_scaled_job_that_needs_none_works(kind: Resource) -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        assert len(cluster.jobs()) == 1
        assert cluster.condition(SCALED_JOBS, "crunch", "Ready")[0] == "True"

    told(kind, story)


def test_without_hpas_a_scaled_object_says_so_and_is_healed_by_the_permission() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        status, _, text = cluster.condition(SCALED_OBJECTS, "web", "Ready")
        assert status == "False"
        assert "horizontalpodautoscalers is forbidden" in text
        cluster.client.unlisted.clear()
        await clock.sleep(60)
        assert cluster.condition(SCALED_OBJECTS, "web", "Ready")[0] == "True"
        assert cluster.hpa() is not None

    told(HPAS, story)


def test_jobs_that_may_not_be_counted_are_not_created() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        assert cluster.jobs() == []
        assert "jobs is forbidden" in cluster.condition(SCALED_JOBS, "crunch", "Ready")[2] or (
            "jobs is forbidden" in str(cluster.events("crunch"))
        )
        cluster.client.unlisted.clear()
        await clock.sleep(60)
        assert len(cluster.jobs()) == 1

    told(JOBS, story)


def test_a_secret_that_may_not_be_read_is_named_with_the_verb_that_is_missing() -> None:
    async def story(clock: Any, cluster: Cluster) -> None:
        secret = {"parameter": "password", "name": "login", "key": "password"}
        await cluster.create(TRIGGER_AUTHENTICATIONS, "login", spec={"secretTargetRef": [secret]})
        await cluster.scaled_object("locked", {**redis("locked"), "authenticationRef": {"name": "login"}})
        await clock.sleep(30)
        assert "secrets is forbidden" in cluster.condition(SCALED_OBJECTS, "locked", "Ready")[2]
        cluster.client.unlisted.clear()
        await clock.sleep(60)
        # Now it is known that there is none.
        assert "secrets is forbidden" not in cluster.condition(SCALED_OBJECTS, "locked", "Ready")[2]
        assert cluster.condition(SCALED_OBJECTS, "locked", "Ready")[0] == "False"

    told(SECRETS, story)


def lacking(*kinds: Resource) -> list[str]:
    """Why an operator that may not list these kinds is not ready."""
    found: list[str] = []

    async def story(clock: Any) -> None:
        cluster = Cluster(clock)
        for kind in kinds:
            cluster.client.forbid(kind)
        found.extend(f"before: {one}" for one in cluster.operator.lacks())
        async with running(cluster.operator):
            await clock.sleep(10)
            found.extend(cluster.operator.lacks())

    virtualtime.run(story)
    return found


BEFORE = ["before: scaledobjects have not been listed yet", "before: scaledjobs have not been listed yet"]


@pytest.mark.parametrize("kinds", [(), (SCALED_JOBS,), (SCALED_OBJECTS,), (SECRETS, HPAS)])
def test_an_operator_is_ready_when_it_can_be_of_use(kinds: tuple[Resource, ...]) -> None:
    assert lacking(*kinds) == BEFORE


def test_an_operator_that_may_see_none_of_its_objects_is_not_ready_and_says_why() -> None:
    assert lacking(SCALED_JOBS, SCALED_OBJECTS) == [
        *BEFORE,
        "scaledobjects is forbidden",
        "scaledjobs is forbidden",
    ]
