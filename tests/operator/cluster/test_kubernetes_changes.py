"""Changes of objects wake the triggers that count or read them: polls are an hour apart."""

from __future__ import annotations

import base64
from collections import Counter
from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import Cluster, operated, running
from parts.memory_client import MemoryClient
from parts.memory_objects import MemoryObjects
from tidegate.base.errors import Unsupported
from tidegate.connections.adapter import Surroundings
from tidegate.connections.kubernetes import connect
from tidegate.kit.systems.kubernetes import KubernetesServer, PodCount, ServiceEndpoints
from tidegate.kube.resource import CONFIG_MAPS, PODS, SCALED_OBJECTS, SECRETS, Resource
from tidegate.operator.cluster.kubernetes_changes import KubernetesChanges

Object = dict[str, Any]
HOUR_S = 3600


def workload(selector: str = "app=batch", **metadata: str) -> Object:
    return {"type": "kubernetes-workload", "metadata": {"podSelector": selector, "value": "1", **metadata}}


def stored(kind: str = "ConfigMap") -> Object:
    metadata = {"resourceKind": kind, "resourceName": "forecast", "key": "n", "targetValue": "1"}
    return {"type": "kubernetes-resource", "metadata": metadata}


def pod(phase: str = "Running", node: str = "a", app: str = "batch", **metadata: Any) -> Object:
    return {
        "metadata": {"labels": {"app": app}, **metadata},
        "spec": {"nodeName": node},
        "status": {"phase": phase},
    }


async def watching(clock: Any, cluster: Cluster, *triggers: Object) -> None:
    """An object that has been at rest for a while, whose polls are an hour apart."""
    await cluster.deployment()
    await cluster.scaled_object("web", *triggers, pollingInterval=HOUR_S, cooldownPeriod=0)
    await clock.sleep(5)


def woken(cluster: Cluster) -> int:
    return cluster.operator.rounds.counters.wake_ups


@operated()
async def test_a_pod_that_comes_or_ends_is_acted_upon_at_once(clock: Any, cluster: Cluster) -> None:
    await watching(clock, cluster, workload())
    assert cluster.replicas() == 0
    await cluster.create(PODS, "batch-1", **pod())
    await clock.sleep(0.5)
    assert cluster.replicas() == 1
    await clock.sleep(2)
    await cluster.patch(PODS, "batch-1", {"status": {"phase": "Succeeded"}}, "status")
    await clock.sleep(2)
    assert cluster.replicas() == 0


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_a_number_that_was_written_down_is_read_at_once(kind: str) -> None:
    resource = SECRETS if kind == "Secret" else CONFIG_MAPS

    def text(number: str) -> str:
        return base64.b64encode(number.encode()).decode() if kind == "Secret" else number

    @operated()
    async def story(clock: Any, cluster: Cluster) -> None:
        await cluster.create(resource, "forecast", data={"n": text("0")})
        await watching(clock, cluster, stored(kind))
        assert cluster.replicas() == 0
        await cluster.patch(resource, "forecast", {"data": {"n": text("3")}})
        await clock.sleep(0.5)
        assert cluster.replicas() == 1

    story()


@operated()
async def test_an_object_that_comes_and_goes_wakes_too(clock: Any, cluster: Cluster) -> None:
    await watching(clock, cluster, stored())
    assert "forecast" in cluster.condition(SCALED_OBJECTS, "web", "Ready")[2]
    await cluster.create(CONFIG_MAPS, "forecast", data={"n": "2"})
    await clock.sleep(0.5)
    assert cluster.replicas() == 1
    await clock.sleep(2)
    await cluster.objects.delete(CONFIG_MAPS, "shop", "forecast")
    await clock.sleep(2)
    assert cluster.replicas() == 1, "a missing number is no zero"
    assert "forecast" in cluster.condition(SCALED_OBJECTS, "web", "Ready")[2]


@operated()
async def test_what_changes_no_count_wakes_nobody(clock: Any, cluster: Cluster) -> None:
    await cluster.create(PODS, "batch-1", **pod())
    await cluster.create(CONFIG_MAPS, "forecast", data={"n": "1"})
    await watching(clock, cluster, workload(), workload(groupByNode="true"), stored())
    before = woken(cluster)
    await cluster.patch(PODS, "batch-1", {"status": {"phase": "Pending"}}, "status")
    await cluster.patch(PODS, "batch-1", {"metadata": {"annotations": {"a": "b"}}})
    await cluster.create(PODS, "other-1", **pod(app="other"))
    await cluster.create(PODS, "batch-2", **pod(namespace="elsewhere"))
    await cluster.patch(CONFIG_MAPS, "forecast", {"data": {"m": "2"}})
    await cluster.create(CONFIG_MAPS, "others", data={"n": "2"})
    await clock.sleep(5)
    assert woken(cluster) == before
    await cluster.patch(PODS, "other-1", {"metadata": {"labels": {"app": "batch"}}})
    await clock.sleep(5)
    assert woken(cluster) == before + 2, "another label: both kinds count it"


@operated()
async def test_many_changes_wake_once_a_second_and_the_last_is_not_lost(clock: Any, cluster: Cluster) -> None:
    await watching(clock, cluster, workload())
    before = woken(cluster)
    for number in range(100):
        await cluster.create(PODS, f"batch-{number}", **pod())
        await clock.sleep(0.05)
    await clock.sleep(2)
    assert 5 <= woken(cluster) - before <= 7
    uid = cluster.objects.get(SCALED_OBJECTS, "shop", "web")["metadata"]["uid"]  # type: ignore[index]
    assert cluster.operator.rounds.polled((uid, 0)).values == (100.0,)


class CountingClient(MemoryClient):
    """Counts the watches that were opened, by kind."""

    def __init__(self, clock: Any) -> None:
        super().__init__(MemoryObjects(clock), clock)
        self.opened: Counter[Resource] = Counter()

    def watch(self, resource: Resource, *rest: Any, **more: Any) -> Any:
        self.opened[resource] += 1
        return super().watch(resource, *rest, **more)


def test_many_triggers_open_one_watch_of_pods_and_are_said_to_be_woken() -> None:
    async def story(clock: Any) -> None:
        client = CountingClient(clock)
        cluster = Cluster(clock, client)
        async with running(cluster.operator):
            await cluster.deployment()
            triggers = [workload(f"app=a{number}") for number in range(50)]
            await cluster.scaled_object("web", *triggers, pollingInterval=HOUR_S)
            await clock.sleep(5)
            told = await cluster.operator.explain(SCALED_OBJECTS, "shop", "web")
            assert [one["isPushed"] for one in told["triggers"]] == [True] * 50
            before = woken(cluster)
            await cluster.create(PODS, "batch-1", **pod(app="a7"))
            await clock.sleep(2)
            assert woken(cluster) == before + 1
        assert client.opened[PODS] == 1

    virtualtime.run(story)


async def test_where_nothing_is_watched_it_says_so() -> None:
    adapter: Any = connect(KubernetesServer(), Surroundings())
    question = PodCount("shop", "app=web")
    assert not adapter.is_watching(question)
    with pytest.raises(Unsupported, match="nothing of it is watched here"):
        await adapter.watch(question, lambda: None)


@operated()
async def test_what_no_trigger_counts_is_not_watched(clock: Any, cluster: Cluster) -> None:
    changes = KubernetesChanges(cluster.operator.informers)
    with pytest.raises(Unsupported, match="cannot watch ServiceEndpoints"):
        await changes.watch(ServiceEndpoints("shop", "web"), lambda: None)
