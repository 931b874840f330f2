"""The operator in figures, after stories that users know."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import Cluster, external, operated, redis
from tidegate.base.errors import Unreachable
from tidegate.kube.resource import SCALED_JOBS, SCALED_OBJECTS, TRIGGER_AUTHENTICATIONS
from tidegate.operator.figures.figures import OBJECTS_AT_ONCE, Figures, Telling
from tidegate.operator.figures.scaler_names import scaler_name
from tidegate.operator.figures.server_figures import SERVERS_AT_ONCE
from tidegate.telemetry.metrics.exposition import lines

DOWN = Unreachable("connect", on="redis", answer="connection refused")


class Told:
    """What is told: samples by name and labels, the names alone."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))

    def of(self, name: str, /, **labels: str) -> float | None:
        """The one sample of this name with these labels; None where there is none."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        found = [
            float(value)
            for series, value in self.samples.items()
            if series.partition("{")[0] == name and all(one in series for one in wanted)
        ]
        assert len(found) < 2, f"{name} {labels} is told {len(found)} times"
        return found[0] if found else None

    def series(self, name: str) -> list[str]:
        return [one for one in self.samples if one.partition("{")[0] == name]


async def told(cluster: Cluster, *, has_old_names: bool = False) -> Told:
    metrics = await cluster.operator.figures(has_old_names=has_old_names).gather()
    return Told("".join(lines(metrics)))


WEB = {
    "namespace": "shop",
    "metric": "s0-redis-jobs",
    "scaledObject": "web",
    "scaler": "redisScaler",
    "triggerIndex": "0",
    "type": "scaledobject",
}


@operated(jobs=3)
async def test_a_metric_is_told_under_the_names_and_labels_of_keda(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment("web", 1)
    await cluster.scaled_object("web")
    await clock.sleep(40)
    found = await told(cluster)
    labels = (
        '{namespace="shop",metric="s0-redis-jobs",scaledObject="web",scaler="redisScaler",'
        'triggerIndex="0",type="scaledobject"}'
    )
    assert found.samples[f"keda_scaler_metrics_value{labels}"] == "3"
    assert found.samples[f"keda_scaler_active{labels}"] == "1"
    assert found.samples[f"keda_scaler_detail_errors_total{labels}"] == "0"
    assert 0 < float(found.samples[f"keda_scaler_metrics_latency_seconds{labels}"]) < 1
    assert found.samples['keda_scaled_object_errors_total{namespace="shop",scaledObject="web"}'] == "0"
    assert found.samples['keda_scaled_object_paused{namespace="shop",scaledObject="web"}'] == "0"
    loop = 'keda_internal_scale_loop_latency_seconds{namespace="shop",type="scaledobject",resource="web"}'
    assert 0 <= float(found.samples[loop]) < 1
    assert found.samples['keda_trigger_registered_total{type="redis"}'] == "1"
    assert found.samples['keda_resource_registered_total{type="scaled_object",namespace="shop"}'] == "1"
    assert found.of("keda_build_info") == 1
    assert found.of("tidegate_object_ready", name="web") == 1


@operated(jobs=0)
async def test_a_scaled_job_has_its_name_where_keda_puts_it(clock: Any, cluster: Cluster) -> None:
    await cluster.scaled_job("crunch", redis() | {"name": "work"})
    await clock.sleep(5)
    found = await told(cluster)
    labels = {"scaledObject": "crunch", "scaler": "work", "type": "scaledjob"}
    assert found.of("keda_scaler_metrics_value", **labels) == 0
    assert found.of("keda_scaler_active", **labels) == 0
    assert found.of("keda_scaled_job_errors_total", scaledJob="crunch") == 0
    assert not found.series("keda_scaled_object_errors_total")
    assert found.of("keda_resource_registered_total", type="scaled_job") == 1


@operated(jobs=3)
async def test_a_failure_is_counted_at_each_poll_and_leaves_no_value_behind(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment("web", 1)
    await cluster.scaled_object("web", pollingInterval=10)
    await clock.sleep(15)
    cluster.redis.trouble = DOWN
    await clock.sleep(50)
    found = await told(cluster)
    assert found.of("keda_scaler_metrics_value", **WEB) is None
    assert found.of("keda_scaler_active", **WEB) is None
    errors = found.of("keda_scaler_detail_errors_total", **WEB)
    assert errors is not None
    assert errors >= 5
    assert found.of("keda_scaled_object_errors_total", scaledObject="web") == errors
    assert found.of("tidegate_server_up", system="redis") == 0
    cluster.redis.trouble = None
    await clock.sleep(90)
    found = await told(cluster)
    assert found.of("keda_scaler_metrics_value", **WEB) == 3
    assert found.of("tidegate_server_up", system="redis") == 1


@operated(jobs=3)
async def test_errors_of_an_object_never_go_back_when_its_triggers_change_or_it_is_paused(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment("web", 1)
    await cluster.scaled_object("web", pollingInterval=10)
    cluster.redis.trouble = DOWN
    await clock.sleep(45)
    before = (await told(cluster)).of("keda_scaled_object_errors_total", scaledObject="web")
    assert before
    await cluster.patch(SCALED_OBJECTS, "web", {"spec": {"triggers": [redis("others")]}})
    await clock.sleep(1)
    edited = (await told(cluster)).of("keda_scaled_object_errors_total", scaledObject="web")
    assert edited is not None
    assert edited >= before
    await cluster.patch(
        SCALED_OBJECTS, "web", {"metadata": {"annotations": {"autoscaling.keda.sh/paused": "true"}}}
    )
    await clock.sleep(1)
    paused = await told(cluster)
    assert paused.of("keda_scaled_object_errors_total", scaledObject="web") == edited
    assert paused.of("keda_scaled_object_paused", scaledObject="web") == 1
    assert not paused.series("keda_scaler_detail_errors_total")


@operated(jobs=3)
async def test_an_object_that_only_scales_one_way_is_not_paused(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment("web", 1)
    annotations = {"autoscaling.keda.sh/paused-scale-in": "true"}
    await cluster.scaled_object("web", metadata={"annotations": annotations})
    await clock.sleep(5)
    found = await told(cluster)
    assert found.of("keda_scaled_object_paused", scaledObject="web") == 0
    assert found.of("keda_scaler_metrics_value", **WEB) == 3


@operated(jobs=3)
async def test_the_series_of_an_object_go_with_it(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment("web", 1)
    await cluster.scaled_object("web")
    await cluster.scaled_job("crunch")
    await clock.sleep(5)
    assert 'web"' in (await told(cluster)).text
    await cluster.objects.delete(SCALED_OBJECTS, "shop", "web")
    await cluster.objects.delete(SCALED_JOBS, "shop", "crunch")
    await clock.sleep(100)
    text = (await told(cluster)).text
    assert "web" not in text
    assert "crunch" not in text
    assert "redis" not in text


@operated(jobs=3)
async def test_a_fallback_is_told_as_the_hpa_gets_it(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment("web", 1)
    fallback = {"failureThreshold": 2, "replicas": 6}
    await cluster.scaled_object("web", pollingInterval=10, fallback=fallback)
    await clock.sleep(5)
    assert (await told(cluster)).of("tidegate_object_fallback", name="web") == 0
    cluster.redis.trouble = DOWN
    await clock.sleep(60)
    found = await told(cluster)
    assert found.of("keda_scaler_metrics_value", **WEB) == 6
    assert found.of("keda_scaler_active", **WEB) == 1
    assert found.of("tidegate_object_fallback", name="web") == 1


@operated(jobs=3)
async def test_cpu_is_always_active_and_has_no_value(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment("web", 1)
    cpu = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "50"}}
    await cluster.scaled_object("web", cpu, redis())
    await clock.sleep(5)
    found = await told(cluster)
    labels = {"scaler": "cpuMemoryScaler", "triggerIndex": "0", "metric": "cpu", "type": "scaledobject"}
    assert found.of("keda_scaler_active", **labels) == 1
    assert found.of("keda_scaler_metrics_value", metric="cpu") is None
    assert found.of("keda_scaler_active", metric="s1-redis-jobs") == 1


@operated(jobs=3)
async def test_under_a_formula_its_result_is_active_and_no_trigger_is(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment("web", 1)
    cpu = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "50"}}
    modifiers = {"scalingModifiers": {"formula": "work * 2", "target": "1", "activationTarget": "10"}}
    await cluster.scaled_object("web", redis() | {"name": "work"}, cpu, advanced=modifiers)
    await clock.sleep(5)
    found = await told(cluster)
    composite = {"metric": "composite-metric", "scaler": "composite-metric", "triggerIndex": "0"}
    assert found.of("keda_scaler_metrics_value", **composite) == 6
    assert found.of("keda_scaler_active", **composite) == 0
    assert found.of("keda_scaler_metrics_value", scaler="work") == 3
    assert len(found.series("keda_scaler_active")) == 1


@operated()
async def test_a_server_that_names_a_metric_twice_spoils_nothing(clock: Any, cluster: Cluster) -> None:
    cluster.external.metrics = {"orders": (5.0, 7.0)}
    await cluster.deployment("web", 1)
    await cluster.scaled_object("web", external(), external())
    await clock.sleep(5)
    found = await told(cluster)
    assert found.of("keda_scaler_metrics_value", metric="s0-orders") == 7
    assert found.of("keda_scaler_metrics_value", metric="s1-orders") == 7


@operated(jobs=3)
async def test_an_object_that_is_wrong_counts_an_error_for_each_poll_that_it_misses(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.scaled_object("web", redis(), pollingInterval=10)
    await clock.sleep(65)
    found = await told(cluster)
    missed = found.of("keda_scaled_object_errors_total", scaledObject="web")
    assert missed is not None
    assert missed >= 5
    assert found.of("tidegate_object_ready", name="web") == 0
    await cluster.deployment("web", 1)
    await clock.sleep(2)
    mended = (await told(cluster)).of("keda_scaled_object_errors_total", scaledObject="web")
    await clock.sleep(60)
    assert (await told(cluster)).of("keda_scaled_object_errors_total", scaledObject="web") == mended


@operated(jobs=3)
async def test_an_object_that_nobody_can_read_is_told_as_not_ready(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment("web", 1)
    await cluster.scaled_object("web", minReplicaCount="two")
    await clock.sleep(5)
    found = await told(cluster)
    assert found.of("tidegate_object_ready", name="web", kind="ScaledObject") == 0
    assert found.of("keda_resource_registered_total", type="scaled_object") == 1


@operated(jobs=3)
async def test_old_names_are_told_where_they_are_asked_for(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment("web", 1)
    await cluster.scaled_object("web")
    await clock.sleep(40)
    cluster.redis.trouble = DOWN
    await clock.sleep(40)
    found = await told(cluster)
    assert not found.series("keda_scaler_errors_total")
    found = await told(cluster, has_old_names=True)
    errors = found.of("keda_scaler_detail_errors_total")
    assert errors
    assert found.of("keda_scaler_errors_total", **WEB) == errors
    assert found.of("keda_scaler_errors", scalerIndex="0", scaledObject="web") == errors
    assert found.of("keda_scaled_object_errors", scaledObject="web") == errors
    latency = found.of("keda_scaler_metrics_latency_seconds", **WEB)
    assert latency is not None
    assert found.of("keda_scaler_metrics_latency", **WEB) == pytest.approx(latency * 1_000)
    assert found.of("keda_trigger_totals", type="redis") == 1
    assert found.of("keda_resource_totals", type="scaled_object", namespace="shop") == 1
    assert found.of("keda_internal_scale_loop_latency", resource="web") is not None


@operated(jobs=30)
async def test_work_is_counted(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment("web", 0)
    await cluster.scaled_object("web")
    await cluster.scaled_job("crunch", maxReplicaCount=4)
    await cluster.create(TRIGGER_AUTHENTICATIONS, "login", spec={"env": []})
    await clock.sleep(40)
    await cluster.operator.external_metric("shop", "s0-redis-jobs", {"scaledobject.keda.sh/name": "web"})
    await cluster.operator.external_metric("shop", "nothing", {"scaledobject.keda.sh/name": "web"})
    found = await told(cluster)
    assert found.of("tidegate_actions_total", kind="ScaledObject", action="scaled") == 1
    assert found.of("tidegate_actions_total", kind="ScaledJob", action="jobs_created") == 4
    assert found.of("tidegate_external_metric_questions_total") == 2
    assert found.of("tidegate_decisions_total", kind="ScaledObject")
    assert found.of("controller_runtime_reconcile_total", controller="scaledjob", result="success")
    assert found.of("workqueue_depth", name="scaledobject") == 0
    assert found.of("keda_resource_registered_total", type="trigger_authentication", namespace="shop") == 1
    readings, late = found.of("tidegate_readings_total"), found.of("tidegate_poll_lateness_seconds_count")
    assert readings is not None
    assert late is not None
    assert 0 < late <= readings
    assert found.of("tidegate_wake_ups_total")
    assert found.of("tidegate_server_triggers", system="redis", server="Redis redis:6379") == 2
    calls = found.of("tidegate_server_calls_total", system="redis")
    assert calls is not None
    assert found.of("tidegate_server_questions_total", system="redis") == calls


@operated(jobs=3)
async def test_many_objects_are_gathered_in_slices(clock: Any, cluster: Cluster) -> None:
    count = 300
    for number in range(count):
        # Each with a server of its own.
        await cluster.scaled_job(f"job-{number}", redis(f"list-{number}", address=f"redis-{number}:6379"))
    await clock.sleep(20)
    pauses = 0

    async def give_way() -> None:
        nonlocal pauses
        pauses += 1

    metrics = await Figures(cluster.operator.steps, Telling(give_way=give_way)).gather()
    assert pauses >= count / OBJECTS_AT_ONCE + count / SERVERS_AT_ONCE
    values = next(one for one in metrics if one.family.name == "keda_scaler_metrics_value")
    assert len(values.samples) == count


def test_a_replica_that_stands_by_does_not_count_what_the_leader_counts() -> None:
    async def story(clock: Any) -> None:
        cluster = Cluster(clock)
        await cluster.scaled_job("crunch")
        leads = asyncio.Event()
        task = asyncio.create_task(cluster.operator.run(leads.wait))
        await clock.sleep(5)
        assert not (await told(cluster)).series("keda_resource_registered_total")
        leads.set()
        await clock.sleep(5)
        assert (await told(cluster)).of("keda_resource_registered_total", type="scaled_job") == 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    virtualtime.run(story)


@pytest.mark.parametrize(
    ("type", "name"),
    [
        ("redis", "redisScaler"),
        ("aws-sqs-queue", "awsSqsQueueScaler"),
        ("rabbitmq", "rabbitMQScaler"),
        ("cpu", "cpuMemoryScaler"),
        ("kafka", "kafkaScaler"),
        ("github-runner", "githubRunnerScaler"),
    ],
)
def test_a_trigger_without_a_name_is_called_as_keda_calls_it(type: str, name: str) -> None:
    assert scaler_name(type) == name
