"""HPA names that cannot be used, where no admission has refused them."""

from __future__ import annotations

from typing import Any

import pytest

from parts.cluster import Cluster, operated
from parts.memory_client import Write
from tidegate.kube.resource import HPAS, SCALED_OBJECTS

Object = dict[str, Any]


def named(name: str) -> Object:
    return {"spec": {"advanced": {"horizontalPodAutoscalerConfig": {"name": name}}}}


def names(cluster: Cluster) -> list[str]:
    return [one["metadata"]["name"] for one in cluster.objects.list(HPAS, "shop")]


@operated(jobs=5)
async def test_a_name_that_no_hpa_can_have_leaves_the_one_that_is_there(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment(replicas=1)
    await cluster.scaled_object()
    await clock.sleep(2)
    await cluster.patch(SCALED_OBJECTS, "web", named("Web_HPA"))
    await clock.sleep(120)
    assert names(cluster) == ["keda-hpa-web"]
    ready = cluster.condition(SCALED_OBJECTS, "web", "Ready")
    assert ready[:2] == ("False", "ScaledObjectCheckFailed")
    assert '"Web_HPA" is not a lowercase RFC 1123 subdomain' in ready[2]
    await cluster.patch(SCALED_OBJECTS, "web", named("web-hpa"))
    await clock.sleep(2)
    assert names(cluster) == ["web-hpa"]
    assert cluster.condition(SCALED_OBJECTS, "web", "Ready")[0] == "True"


@pytest.mark.parametrize("at_write", ["create", "delete"])
@operated(jobs=5)
async def test_a_rename_that_was_cut_short_is_finished(clock: Any, cluster: Cluster, at_write: str) -> None:
    await cluster.deployment(replicas=1)
    await cluster.scaled_object()
    await clock.sleep(2)

    async def cut(write: Write) -> None:
        if write.resource == HPAS and write.verb == at_write:
            cluster.client.before = nothing
            raise ConnectionAbortedError("cut short")

    async def nothing(write: Write) -> None:
        """From then on every write goes through."""

    cluster.client.before = cut
    await cluster.patch(SCALED_OBJECTS, "web", named("chosen"))
    await clock.sleep(30)
    assert names(cluster) == ["chosen"]
