"""Who uses a TriggerAuthentication stands in its status, each once, for as long as he does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import Cluster, operated, redis, running
from parts.memory_client import Write, nothing
from tidegate.kube.resource import (
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    SCALED_JOBS,
    SCALED_OBJECTS,
    TRIGGER_AUTHENTICATIONS,
    ApiError,
    Resource,
)

AUTH: dict[str, Any] = {"spec": {"env": [{"parameter": "username", "name": "USER"}]}}


def using(kind: str = "TriggerAuthentication") -> dict[str, Any]:
    return {**redis(), "authenticationRef": {"name": "auth", "kind": kind}}


def users(cluster: Cluster, resource: Resource = TRIGGER_AUTHENTICATIONS) -> dict[str, list[str]]:
    namespace = "shop" if resource.is_namespaced else ""
    status = (cluster.objects.get(resource, namespace, "auth") or {}).get("status") or {}
    return {field: sorted(filter(None, text.split(","))) for field, text in status.items()}


@pytest.mark.parametrize("lag_s", [0.0, 3.0])
@pytest.mark.parametrize("seed", range(3))
@operated()
async def test_users_stand_beside_each_other_each_once_and_leave_with_their_objects(
    clock: Any, cluster: Cluster, lag_s: float, seed: int
) -> None:
    cluster.client.lag_s = lag_s
    await cluster.create(TRIGGER_AUTHENTICATIONS, "auth", **AUTH)
    for name in ("a", "b", "c"):
        await cluster.deployment(name)
        await cluster.scaled_object(name, using(), using())
    for name in ("j", "k"):
        await cluster.scaled_job(name, using())
    await clock.sleep(60)
    assert users(cluster) == {"scaledobjects": ["a", "b", "c"], "scaledjobs": ["j", "k"]}
    for resource, name in ((SCALED_OBJECTS, "a"), (SCALED_OBJECTS, "c"), (SCALED_JOBS, "j")):
        await cluster.objects.delete(resource, "shop", name)
    await clock.sleep(60)
    assert users(cluster) == {"scaledobjects": ["b"], "scaledjobs": ["k"]}


@operated()
async def test_a_cluster_wide_authentication_knows_its_users_too(clock: Any, cluster: Cluster) -> None:
    body = {"metadata": {"name": "auth"}, **AUTH}
    await cluster.objects.create(CLUSTER_TRIGGER_AUTHENTICATIONS, body)
    await cluster.deployment("a")
    await cluster.scaled_object("a", using("ClusterTriggerAuthentication"))
    await cluster.scaled_job("j", using("ClusterTriggerAuthentication"))
    await clock.sleep(5)
    tracked = users(cluster, CLUSTER_TRIGGER_AUTHENTICATIONS)
    assert tracked == {"scaledobjects": ["a"], "scaledjobs": ["j"]}


@operated()
async def test_an_edit_takes_the_name_from_the_authentication_that_is_used_no_more(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.create(TRIGGER_AUTHENTICATIONS, "auth", **AUTH)
    await cluster.create(TRIGGER_AUTHENTICATIONS, "other", **AUTH)
    body = {"metadata": {"name": "auth"}, **AUTH}
    await cluster.objects.create(CLUSTER_TRIGGER_AUTHENTICATIONS, body)
    await cluster.deployment("a")
    await cluster.scaled_object("a", using())
    await cluster.scaled_job("j", using())
    await clock.sleep(5)
    assert users(cluster) == {"scaledobjects": ["a"], "scaledjobs": ["j"]}
    # the same name, of the other kind
    await cluster.patch(SCALED_OBJECTS, "a", {"spec": {"triggers": [using("ClusterTriggerAuthentication")]}})
    await cluster.patch(SCALED_JOBS, "j", {"spec": {"triggers": [redis()]}})
    await clock.sleep(5)
    assert users(cluster) == {"scaledobjects": [], "scaledjobs": []}
    assert users(cluster, CLUSTER_TRIGGER_AUTHENTICATIONS) == {"scaledobjects": ["a"]}


def test_an_operator_that_dies_after_an_edit_leaves_no_name_behind() -> None:
    async def story(clock: Any) -> None:
        cluster = Cluster(clock)
        await cluster.create(TRIGGER_AUTHENTICATIONS, "auth", **AUTH)
        await cluster.deployment("a")
        async with running(cluster.operator):
            await cluster.scaled_object("a", using())
            await clock.sleep(5)

            async def die(write: Write) -> None:
                if write.resource == TRIGGER_AUTHENTICATIONS:
                    await asyncio.Event().wait()

            cluster.client.before = die
            await cluster.patch(SCALED_OBJECTS, "a", {"spec": {"triggers": [redis()]}})
            await clock.sleep(5)
            assert users(cluster) == {"scaledobjects": ["a"]}
        cluster.client.before = nothing
        async with running(cluster.new_operator()):
            await clock.sleep(5)
            assert users(cluster) == {"scaledobjects": []}

    virtualtime.run(story)


@operated()
async def test_a_namesake_in_another_namespace_keeps_the_name_in_a_cluster_wide_authentication(
    clock: Any, cluster: Cluster
) -> None:
    body = {"metadata": {"name": "auth"}, **AUTH}
    await cluster.objects.create(CLUSTER_TRIGGER_AUTHENTICATIONS, body)
    await cluster.scaled_job("j", using("ClusterTriggerAuthentication"))
    mine = cluster.objects.get(SCALED_JOBS, "shop", "j")
    assert mine is not None
    metadata = {"name": "j", "namespace": "depot"}
    await cluster.objects.create(SCALED_JOBS, {"metadata": metadata, "spec": mine["spec"]})
    await clock.sleep(5)
    await cluster.objects.delete(SCALED_JOBS, "shop", "j")
    await clock.sleep(5)
    assert cluster.objects.get(SCALED_JOBS, "shop", "j") is None
    assert users(cluster, CLUSTER_TRIGGER_AUTHENTICATIONS) == {"scaledjobs": ["j"]}
    await cluster.objects.delete(SCALED_JOBS, "depot", "j")
    await clock.sleep(5)
    assert users(cluster, CLUSTER_TRIGGER_AUTHENTICATIONS) == {"scaledjobs": []}


@operated()
async def test_users_at_rest_write_nothing(clock: Any, cluster: Cluster) -> None:
    await cluster.create(TRIGGER_AUTHENTICATIONS, "auth", **AUTH)
    for name in ("a", "b"):
        await cluster.deployment(name)
        await cluster.scaled_object(name, using(), pollingInterval=1)
    await clock.sleep(30)
    before = written(cluster)
    await clock.sleep(300)
    assert written(cluster) == before


def written(cluster: Cluster) -> list[Write]:
    return [one for one in cluster.client.writes if one.resource == TRIGGER_AUTHENTICATIONS]


def test_an_operator_that_dies_while_an_object_goes_leaves_no_name_behind() -> None:
    async def story(clock: Any) -> None:
        cluster = Cluster(clock)
        await cluster.create(TRIGGER_AUTHENTICATIONS, "auth", **AUTH)
        await cluster.deployment("a")
        async with running(cluster.operator):
            await cluster.scaled_object("a", using())
            await clock.sleep(5)
            assert users(cluster) == {"scaledobjects": ["a"]}

            async def die(write: Write) -> None:
                if write.resource == SCALED_OBJECTS and "finalizers" in (write.body or {}).get(
                    "metadata", {}
                ):
                    await asyncio.Event().wait()

            cluster.client.before = die
            await cluster.objects.delete(SCALED_OBJECTS, "shop", "a")
            await clock.sleep(5)
        cluster.client.before = nothing
        async with running(cluster.new_operator()):
            await clock.sleep(5)
            assert cluster.objects.get(SCALED_OBJECTS, "shop", "a") is None
            assert users(cluster) == {"scaledobjects": []}

    virtualtime.run(story)


@operated()
async def test_an_authentication_that_may_not_be_written_keeps_no_object(
    clock: Any, cluster: Cluster
) -> None:

    async def refuse(write: Write) -> None:
        if write.resource == TRIGGER_AUTHENTICATIONS:
            raise ApiError(403, "Forbidden", "you may not")

    await cluster.create(TRIGGER_AUTHENTICATIONS, "auth", **AUTH)
    await cluster.deployment("a")
    await cluster.scaled_object("a", using())
    await clock.sleep(5)
    cluster.client.before = refuse
    await cluster.objects.delete(SCALED_OBJECTS, "shop", "a")
    await clock.sleep(5)
    assert cluster.objects.get(SCALED_OBJECTS, "shop", "a") is None
