"""What `explain` says of names that nothing was decided about."""

from __future__ import annotations

from typing import Any

import pytest

from parts.cluster import Cluster, operated
from parts.memory_client import Write
from tidegate.kube.resource import SCALED_JOBS, SCALED_OBJECTS, ApiError


@pytest.mark.parametrize(
    ("kind", "name", "reason", "text"),
    [
        (SCALED_OBJECTS, "wbe", "NotFound", "there is no ScaledObject shop/wbe; did you mean web?"),
        (
            SCALED_OBJECTS,
            "crunch",
            "NotFound",
            "there is no ScaledObject shop/crunch; there is a ScaledJob of that name: sj/crunch",
        ),
        (SCALED_OBJECTS, "xyz", "NotFound", "there is no ScaledObject shop/xyz; the namespace has new, web"),
        (SCALED_JOBS, "web", "NotFound", "there is a ScaledObject of that name: so/web"),
        (SCALED_OBJECTS, "new", "NotDecided", "ScaledObject shop/new is new and was not looked at yet"),
    ],
)
@operated(jobs=1)
async def test_what_is_not_explained_is_told_with_what_was_perhaps_meant(
    clock: Any, cluster: Cluster, kind: Any, name: str, reason: str, text: str
) -> None:
    await cluster.deployment("web", 0)
    await cluster.scaled_object("web")
    await cluster.scaled_job("crunch")
    await clock.sleep(2)

    async def refuse(write: Write) -> None:
        if write.name == "new":
            raise ApiError(500, "InternalError", "not now")

    cluster.client.before = refuse
    await cluster.scaled_object("new")
    await clock.sleep(1)
    with pytest.raises(ApiError) as told:
        await cluster.operator.explain(kind, "shop", name)
    assert told.value.reason == reason
    assert text in told.value.message


@operated(jobs=1)
async def test_an_object_that_is_refused_before_a_decision_is_not_called_new(
    clock: Any, cluster: Cluster
) -> None:
    async def refuse(write: Write) -> None:
        if write.resource == SCALED_OBJECTS and write.verb != "create" and not write.subresource:
            raise ApiError(422, "Invalid", "metadata.labels: too long")

    cluster.client.before = refuse
    await cluster.deployment("web", 0)
    await cluster.scaled_object("web")
    await clock.sleep(2)
    with pytest.raises(ApiError) as caught:
        await cluster.operator.explain(SCALED_OBJECTS, "shop", "web")
    assert caught.value.reason == "NotDecided"
    assert "nothing was decided about ScaledObject shop/web yet: " in caught.value.message
    assert "metadata.labels: too long" in caught.value.message


@operated(jobs=1)
async def test_an_object_of_another_namespace_is_named_with_it(clock: Any, cluster: Cluster) -> None:
    await cluster.scaled_job("crunch")
    await clock.sleep(2)
    with pytest.raises(ApiError, match="there is one in shop: use -n"):
        await cluster.operator.explain(SCALED_JOBS, "default", "crunch")
    with pytest.raises(ApiError, match="the namespace default has none"):
        await cluster.operator.explain(SCALED_JOBS, "default", "xyz")


@pytest.mark.parametrize(
    "more",
    [{"spec": {"scaleTargetRef": {"name": "web"}, "triggers": "none"}}, {"metadata": {"finalizers": 5}}],
    ids=["a spec", "metadata"],
)
@operated(jobs=1)
async def test_an_object_that_nobody_can_read_is_not_called_new(
    clock: Any, cluster: Cluster, more: dict[str, Any]
) -> None:
    await cluster.create(SCALED_OBJECTS, "web", **more)
    await clock.sleep(2)
    with pytest.raises(ApiError) as caught:
        await cluster.operator.explain(SCALED_OBJECTS, "shop", "web")
    assert caught.value.reason == "NotDecided"
    assert "ScaledObject shop/web cannot be read: " in caught.value.message
