"""A watch that was lost says nothing of the present: what it counts is unknown until it lives again."""

import pytest

from parts import virtualtime
from parts.cluster import Cluster, operating
from tidegate.base.errors import Failure, Unreachable
from tidegate.kube.resource import DEPLOYMENTS, PODS, SCALED_OBJECTS

LOAD = {"type": "kubernetes-workload", "metadata": {"podSelector": "app=q", "value": "1"}}
ASKED = ("shop", "s0-workload-shop", {"scaledobject.keda.sh/name": "web"})


async def pod(cluster: Cluster, name: str) -> None:
    await cluster.create(
        PODS,
        name,
        metadata={"labels": {"app": "q"}},
        spec={"nodeName": "n"},
        status={"phase": "Running"},
    )


def test_pods_are_not_counted_from_a_watch_that_was_lost():
    async def story(clock):
        async with operating(clock) as cluster:
            await cluster.deployment("web", 0)
            await cluster.scaled_object("web", LOAD, cooldownPeriod=60)
            await clock.sleep(60)
            assert cluster.condition(SCALED_OBJECTS, "web", "Ready")[0] == "True"
            cluster.client.forbid(PODS)
            await clock.sleep(5)
            for number in range(5):
                await pod(cluster, f"p{number}")
            await clock.sleep(7200)
            assert cluster.condition(SCALED_OBJECTS, "web", "Ready")[0] == "False"
            await cluster.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 5}})
            await clock.sleep(300)
            assert cluster.replicas() == 5
            assert isinstance(await cluster.operator.external_metric(*ASKED), Failure)
            with pytest.raises(Unreachable, match="list pods: nothing was heard of them since"):
                cluster.operator.informers.checked(PODS)
            cluster.client.unlisted.clear()
            await clock.sleep(180)
            assert cluster.condition(SCALED_OBJECTS, "web", "Ready")[0] == "True"
            assert not isinstance(await cluster.operator.external_metric(*ASKED), Failure)

    virtualtime.run(story)
