"""ScaledObjects: their HPA, zeros and ones, silence at rest, pauses and the end."""

from __future__ import annotations

from typing import Any

import pytest

from parts import virtualtime
from parts.cluster import Cluster, operated, operating, redis
from parts.memory_client import Write
from tidegate.kube.resource import DEPLOYMENTS, HPAS, SCALED_OBJECTS

HOUR_S = 3_600


async def scale(cluster: Cluster, replicas: int) -> None:
    """As an HPA or a user does it."""
    await cluster.patch(DEPLOYMENTS, "web", {"spec": {"replicas": replicas}}, "scale")


@operated(jobs=0)
async def test_from_zero_to_one_to_zero_with_what_is_told_of_it(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment()
    await cluster.scaled_object(pollingInterval=5, cooldownPeriod=20)
    await clock.sleep(3)
    cluster.redis.lists["jobs"] = 4
    await clock.sleep(7)
    assert cluster.replicas() == 1
    await scale(cluster, 4)
    cluster.redis.lists["jobs"] = 0
    await clock.sleep(10)
    assert cluster.replicas() == 4
    await clock.sleep(20)
    assert cluster.replicas() == 0
    assert [one[:3] for one in cluster.events("web")] == [
        ("Normal", "KEDAScalersStarted", "Started scalers watch"),
        ("Normal", "KEDAScalersStarted", "Scaler redis is built"),
        ("Normal", "ScaledObjectReady", "ScaledObject is ready for scaling"),
        (
            "Normal",
            "KEDAScaleTargetActivated",
            "Scaled apps/v1.Deployment shop/web from 0 to 1, triggered by s0-redis-jobs",
        ),
        (
            "Normal",
            "KEDAScaleTargetDeactivated",
            "Deactivated apps/v1.Deployment shop/web from 4 to 0",
        ),
    ]


@operated(jobs=1)
async def test_the_end_of_a_cooldown_looks_at_the_world_and_not_at_an_old_reading(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment(replicas=3)
    await cluster.scaled_object(pollingInterval=200, cooldownPeriod=300)
    # Polls lie at multiples of the interval from a phase of the server's own; find the next one.
    await clock.sleep(2)
    cluster.redis.lists["jobs"] = 0
    while cluster.condition(SCALED_OBJECTS, "web", "Active")[1] != "ScalerCooldown":
        await clock.sleep(1)
    quiet_since = clock.monotonic()
    await clock.sleep(quiet_since + 290 - clock.monotonic())
    cluster.redis.lists["jobs"] = 9
    await clock.sleep(20)
    assert cluster.replicas() == 3, "the poll before said 0, the queue says 9"
    assert cluster.condition(SCALED_OBJECTS, "web", "Active")[0] == "True"
    cluster.redis.lists["jobs"] = 0
    await clock.sleep(800)
    assert cluster.replicas() == 0, "what was read in between is forgotten by the next poll"


@operated(jobs=1)
async def test_an_unreachable_server_at_the_end_of_a_cooldown_keeps_the_replicas(
    clock: Any, cluster: Cluster
) -> None:
    from tidegate.base.errors import Unreachable

    await cluster.deployment(replicas=3)
    await cluster.scaled_object(pollingInterval=HOUR_S, cooldownPeriod=60)
    await clock.sleep(2)
    cluster.redis.lists["jobs"] = 0
    while cluster.condition(SCALED_OBJECTS, "web", "Active")[1] != "ScalerCooldown":
        await clock.sleep(10)
    cluster.redis.trouble = Unreachable("connect", on="Redis", answer="connection refused")
    await clock.sleep(600)
    assert cluster.replicas() == 3
    assert cluster.condition(SCALED_OBJECTS, "web", "Ready")[1] == "TriggerError"
    cluster.redis.trouble = None
    await clock.sleep(2 * HOUR_S)
    assert cluster.replicas() == 0


@pytest.mark.parametrize("lag_s", [0.1, 3.0, 45.0])
@operated(jobs=5)
async def test_a_cache_that_lags_behind_never_lowers_what_an_hpa_has_raised(
    clock: Any, cluster: Cluster, lag_s: float
) -> None:
    await cluster.deployment()
    cluster.client.lag_s = lag_s
    await cluster.scaled_object(pollingInterval=1)
    while cluster.replicas() == 0:
        await clock.sleep(0.05)
    await scale(cluster, 5)
    for queue in range(1, 200):
        cluster.redis.lists["jobs"] = queue
        await clock.sleep(1)
        assert cluster.replicas() == 5
    told = cluster.reasons("web")
    for reason in ("ScaledObjectReady", "KEDAScaleTargetActivated"):
        assert told.count(reason) == 1, reason


@pytest.mark.parametrize(
    ("queue", "replicas"),
    [(0, 0), (7, 3)],
    ids=["inactive", "active"],
)
def test_an_object_at_rest_writes_nothing(queue: int, replicas: int) -> None:
    async def story(clock: Any) -> None:
        async with operating(clock, jobs=queue) as cluster:
            await cluster.deployment(replicas=replicas)
            await cluster.scaled_object(pollingInterval=1)
            await clock.sleep(30)
            before = len(cluster.client.writes)
            await clock.sleep(HOUR_S)
            assert cluster.client.writes[before:] == []

    virtualtime.run(story)


@operated()
async def test_a_failure_that_lasts_is_written_and_told_once(clock: Any, cluster: Cluster) -> None:
    from tidegate.base.errors import Unreachable

    cluster.redis.trouble = Unreachable("connect", on="Redis redis:6379", answer="connection refused")
    await cluster.deployment(replicas=2)
    await cluster.scaled_object(pollingInterval=1)
    await clock.sleep(30)
    before = len(cluster.client.writes)
    await clock.sleep(HOUR_S)
    assert cluster.client.writes[before:] == []
    assert cluster.reasons("web").count("KEDAScalerFailed") == 1
    status, reason, message = cluster.condition(SCALED_OBJECTS, "web", "Ready")
    assert (status, reason) == ("False", "TriggerError")
    assert "cannot connect on Redis redis:6379: connection refused" in message
    assert cluster.replicas() == 2


@operated(jobs=5)
async def test_the_hpa_is_made_again_when_somebody_deletes_it_and_put_right_when_somebody_edits_it(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment()
    await cluster.scaled_object(pollingInterval=HOUR_S, maxReplicaCount=7)
    await clock.sleep(2)
    first = cluster.hpa()
    assert first is not None
    await cluster.patch(HPAS, "keda-hpa-web", {"spec": {"maxReplicas": 99}})
    await clock.sleep(2)
    edited = cluster.hpa()
    assert edited is not None
    assert edited["spec"]["maxReplicas"] == 7
    assert edited["metadata"]["uid"] == first["metadata"]["uid"]
    await cluster.objects.delete(HPAS, "shop", "keda-hpa-web")
    await clock.sleep(2)
    again = cluster.hpa()
    assert again is not None
    assert again["metadata"]["uid"] != first["metadata"]["uid"]
    assert again["spec"] == first["spec"]


@operated(jobs=5, mails=2)
async def test_while_a_trigger_is_broken_the_hpa_keeps_its_metrics_and_takes_other_changes(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment(replicas=5)
    both = [redis("jobs"), redis("mails")]
    await cluster.scaled_object("web", *both, pollingInterval=5, maxReplicaCount=7)
    await clock.sleep(2)
    before = cluster.hpa()
    assert before is not None
    broken = [redis("jobs", listLength="ten"), redis("mails")]
    await cluster.patch(SCALED_OBJECTS, "web", {"spec": {"triggers": broken, "maxReplicaCount": 9}})
    await clock.sleep(60)
    during = cluster.hpa()
    assert during is not None
    assert during["spec"]["metrics"] == before["spec"]["metrics"]
    assert during["spec"]["maxReplicas"] == 9
    text = 'spec.triggers[0].metadata.listLength: "ten" is not a number'
    assert text in cluster.condition(SCALED_OBJECTS, "web", "Ready")[2]
    healed = [redis("jobs", listLength="2"), redis("mails")]
    await cluster.patch(SCALED_OBJECTS, "web", {"spec": {"triggers": healed}})
    await clock.sleep(2)
    after = cluster.hpa()
    assert after is not None
    assert [one["external"]["target"]["averageValue"] for one in after["spec"]["metrics"]] == [
        "2",
        "1",
    ]


@operated(jobs=5, mails=2)
async def test_an_hpa_that_is_born_without_a_broken_triggers_metric_only_raises_until_it_is_whole(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment(replicas=5)
    broken = [redis("jobs", listLength="ten"), redis("mails")]
    await cluster.scaled_object("web", *broken, pollingInterval=5)
    await clock.sleep(2)
    born = cluster.hpa()
    assert born is not None
    assert born["spec"]["behavior"]["scaleDown"]["selectPolicy"] == "Disabled"
    await cluster.patch(SCALED_OBJECTS, "web", {"spec": {"triggers": [redis("jobs"), redis("mails")]}})
    await clock.sleep(2)
    whole = cluster.hpa()
    assert whole is not None
    assert whole["spec"].get("behavior") is None
    assert len(whole["spec"]["metrics"]) == 2


@operated(jobs=5)
async def test_a_full_pause_stops_measuring_and_takes_the_hpa_away_until_it_ends(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment(replicas=5)
    await cluster.scaled_object(pollingInterval=5)
    await clock.sleep(2)
    paused = {"autoscaling.keda.sh/paused-replicas": "2"}
    await cluster.patch(SCALED_OBJECTS, "web", {"metadata": {"annotations": paused}})
    await clock.sleep(2)
    assert cluster.hpa() is None
    assert cluster.replicas() == 2
    asked = cluster.operator.rounds.counters.questions
    await clock.sleep(60)
    assert cluster.operator.rounds.counters.questions == asked
    assert cluster.condition(SCALED_OBJECTS, "web", "Paused")[:2] == ("True", "ScaledObjectPaused")
    assert cluster.reasons("web").count("KEDAScalersStopped") == 1
    await cluster.patch(SCALED_OBJECTS, "web", {"metadata": {"annotations": dict.fromkeys(paused, None)}})
    await clock.sleep(2)
    assert cluster.hpa() is not None
    assert cluster.condition(SCALED_OBJECTS, "web", "Paused")[:2] == ("False", "ScaledObjectUnpaused")
    assert cluster.reasons("web").count("KEDAScalersStarted") == 4


@operated(jobs=0)
async def test_a_paused_scale_in_keeps_the_replicas_of_an_idle_target(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment(replicas=3)
    held = {"autoscaling.keda.sh/paused-scale-in": "true"}
    await cluster.scaled_object(metadata={"annotations": held}, pollingInterval=5)
    await clock.sleep(60)
    assert cluster.replicas() == 3
    hpa = cluster.hpa()
    assert hpa is not None
    assert hpa["spec"]["behavior"]["scaleDown"]["selectPolicy"] == "Disabled"
    await cluster.patch(SCALED_OBJECTS, "web", {"metadata": {"annotations": dict.fromkeys(held, None)}})
    await clock.sleep(3)
    assert cluster.replicas() == 0


@operated(jobs=5)
async def test_a_deleted_object_lets_go_and_restores_the_count_it_found(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment(replicas=4)
    restore = {"restoreToOriginalReplicaCount": True}
    await cluster.scaled_object(pollingInterval=5, advanced=restore)
    await clock.sleep(2)
    await scale(cluster, 9)
    await clock.sleep(2)
    await cluster.objects.delete(SCALED_OBJECTS, "shop", "web")
    await clock.sleep(3)
    assert cluster.objects.get(SCALED_OBJECTS, "shop", "web") is None
    assert cluster.replicas() == 4
    assert cluster.hpa() is None, "it would change the count again"
    asked = cluster.operator.rounds.counters.questions
    await clock.sleep(60)
    assert cluster.operator.rounds.counters.questions == asked
    assert [one[:3] for one in cluster.events("web")][-2:] == [
        ("Normal", "KEDAScalersStopped", "Stopped scalers watch"),
        ("Warning", "ScaledObjectDeleted", "ScaledObject was deleted"),
    ]


@operated(jobs=5)
async def test_an_object_of_the_same_name_starts_anew(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment()
    await cluster.scaled_object(pollingInterval=HOUR_S)
    await clock.sleep(2)
    await cluster.objects.delete(SCALED_OBJECTS, "shop", "web")
    await clock.sleep(2)
    await scale(cluster, 0)
    await cluster.scaled_object(pollingInterval=HOUR_S)
    await clock.sleep(2)
    assert cluster.replicas() == 1
    assert cluster.condition(SCALED_OBJECTS, "web", "Ready")[0] == "True"


@operated(jobs=5)
async def test_a_refused_scale_is_told_and_tried_again(clock: Any, cluster: Cluster) -> None:
    from tidegate.kube.resource import ApiError

    async def refuse(write: Write) -> None:
        if write.subresource == "scale" and clock.monotonic() < 20:
            raise ApiError(403, "Forbidden", "deployments/scale is forbidden")

    cluster.client.before = refuse
    await cluster.deployment()
    await cluster.scaled_object(pollingInterval=HOUR_S)
    await clock.sleep(15)
    assert cluster.replicas() == 0
    (told,) = [one for one in cluster.events("web") if one[1] == "KEDAScaleTargetActivationFailed"]
    assert told[2] == (
        "Failed to scale apps/v1.Deployment shop/web from 0 to 1: deployments/scale is forbidden"
    )
    await clock.sleep(60)
    assert cluster.replicas() == 1
