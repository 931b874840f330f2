"""What users read of TriggerAuthentications: new ones, changes, and that one is gone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import Cluster, running
from tidegate.kube.resource import (
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    EVENTS,
    TRIGGER_AUTHENTICATIONS,
    Resource,
)

SPEC = {"env": [{"parameter": "username", "name": "USER"}]}
OTHER = {"env": [{"parameter": "password", "name": "PASSWORD"}]}


def told(cluster: Cluster) -> list[tuple[str, str, str]]:
    """Namespace, reason and text of what was told of `auth`, in order."""
    return [
        (one["metadata"]["namespace"], one["reason"], one["message"])
        for one in cluster.objects.list(EVENTS)
        if one["involvedObject"]["name"] == "auth"
    ]


@pytest.mark.parametrize(
    ("resource", "namespace"), [(TRIGGER_AUTHENTICATIONS, "shop"), (CLUSTER_TRIGGER_AUTHENTICATIONS, "")]
)
def test_new_changed_and_gone_are_told_once_and_a_restart_tells_nothing(
    resource: Resource, namespace: str
) -> None:
    kind, place = resource.kind, namespace or "default"
    metadata = {"name": "auth", **({"namespace": namespace} if namespace else {})}
    added = (place, f"{kind}Added", f"New {kind} configured")
    updated = (place, f"{kind}Updated", f"{kind} auth is updated")
    deleted = (place, f"{kind}Deleted", f"{kind} was deleted")

    async def story(clock: Any) -> None:
        cluster = Cluster(clock)
        objects = cluster.objects
        async with running(cluster.operator):
            await clock.sleep(1)
            await objects.create(resource, {"metadata": metadata, "spec": SPEC})
            await clock.sleep(2)
            assert told(cluster) == [added]
            users = {"status": {"scaledobjects": "web"}}
            await objects.patch(resource, namespace, "auth", users, "status")
            await objects.patch(resource, namespace, "auth", {"metadata": {"labels": {"a": "b"}}})
            await clock.sleep(2)
            assert told(cluster) == [added], "neither its users nor its labels are news"
            await objects.patch(resource, namespace, "auth", {"spec": OTHER})
            await clock.sleep(2)
            assert told(cluster) == [added, updated]
        async with running(cluster.new_operator()):
            await clock.sleep(5)
            assert told(cluster) == [added, updated]
            await objects.delete(resource, namespace, "auth")
            await clock.sleep(2)
            assert told(cluster) == [added, updated, deleted]

    virtualtime.run(story)


def test_one_that_is_made_again_within_a_moment_is_told_as_gone_and_as_new() -> None:
    async def story(clock: Any) -> None:
        cluster = Cluster(clock)
        body = {"metadata": {"name": "auth", "namespace": "shop"}, "spec": SPEC}
        await cluster.objects.create(TRIGGER_AUTHENTICATIONS, body)
        async with running(cluster.operator):
            await clock.sleep(2)
            await cluster.objects.delete(TRIGGER_AUTHENTICATIONS, "shop", "auth")
            await cluster.objects.create(TRIGGER_AUTHENTICATIONS, body)
            await clock.sleep(2)
            reasons = [reason for _, reason, _ in told(cluster)]
            assert reasons == ["TriggerAuthenticationDeleted", "TriggerAuthenticationAdded"]

    virtualtime.run(story)


@pytest.mark.parametrize("is_before", [True, False])
@pytest.mark.parametrize(
    ("resource", "namespace"), [(TRIGGER_AUTHENTICATIONS, "shop"), (CLUSTER_TRIGGER_AUTHENTICATIONS, "")]
)
def test_the_finalizer_that_keda_has_given_one_goes_when_it_is_deleted(
    resource: Resource, namespace: str, is_before: bool
) -> None:
    """Also one that was deleted while nobody ran. Somebody else's finalizer is left."""
    finalizers = ["finalizer.keda.sh", "example.com/mine"]
    metadata = {"name": "auth", "finalizers": finalizers, **({"namespace": namespace} if namespace else {})}

    async def story(clock: Any) -> None:
        cluster = Cluster(clock)
        await cluster.objects.create(resource, {"metadata": metadata, "spec": SPEC})
        if is_before:
            await cluster.objects.delete(resource, namespace, "auth")
        async with running(cluster.operator):
            await clock.sleep(1)
            if not is_before:
                await cluster.objects.delete(resource, namespace, "auth")
                await clock.sleep(1)
            left = cluster.objects.get(resource, namespace, "auth")
            assert left is not None
            assert left["metadata"]["finalizers"] == ["example.com/mine"]

    virtualtime.run(story)


def test_what_came_and_went_while_another_operator_led_is_told_by_that_one_alone() -> None:
    async def story(clock: Any) -> None:
        cluster = Cluster(clock)
        leads = asyncio.Event()
        standby = asyncio.create_task(cluster.new_operator().run(leads.wait))
        async with running(cluster.operator):
            await clock.sleep(1)
            await cluster.create(TRIGGER_AUTHENTICATIONS, "auth", spec=SPEC)
            await cluster.create(TRIGGER_AUTHENTICATIONS, "gone", spec=SPEC)
            await clock.sleep(1)
            await cluster.objects.delete(TRIGGER_AUTHENTICATIONS, "shop", "gone")
            await clock.sleep(1)
        before = len(cluster.objects.list(EVENTS))
        leads.set()
        await clock.sleep(5)
        assert len(cluster.objects.list(EVENTS)) == before == 3
        await cluster.patch(TRIGGER_AUTHENTICATIONS, "auth", {"spec": OTHER})
        await clock.sleep(2)
        assert told(cluster)[-1][1] == "TriggerAuthenticationUpdated"
        standby.cancel()
        await asyncio.gather(standby, return_exceptions=True)

    virtualtime.run(story)
