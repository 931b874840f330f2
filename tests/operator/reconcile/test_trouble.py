"""What is missing or wrong is said, holds nobody else up, and heals when its cause is gone."""

from __future__ import annotations

import base64
import logging
from typing import Any

import msgspec
import pytest

from parts import virtualtime
from parts.cluster import Cluster, operated, operating, redis, running
from parts.memory_client import Write
from tidegate.kube.resource import (
    DEPLOYMENTS,
    SCALED_JOBS,
    SCALED_OBJECTS,
    SECRETS,
    TRIGGER_AUTHENTICATIONS,
)

HOUR_S = 3_600
SECRET = "correct-horse"


def secret(text: str) -> dict[str, Any]:
    return {"data": {"password": base64.b64encode(text.encode()).decode()}}


def ready(cluster: Cluster, name: str = "web") -> tuple[str, str, str]:
    return cluster.condition(SCALED_OBJECTS, name, "Ready")


def locked(**metadata: str) -> dict[str, Any]:
    return {**redis(**metadata), "authenticationRef": {"name": "login"}}


AUTHENTICATION = {"secretTargetRef": [{"parameter": "password", "name": "redis", "key": "password"}]}


@operated(jobs=3)
async def test_a_missing_authentication_then_secret_then_password_heal_at_once_and_step_by_step(
    clock: Any, cluster: Cluster
) -> None:
    cluster.redis.password = SECRET
    await cluster.deployment()
    await cluster.scaled_object("web", locked(), pollingInterval=HOUR_S)
    await clock.sleep(2)
    assert ready(cluster)[:2] == ("False", "ScaledObjectCheckFailed")
    assert "there is no TriggerAuthentication shop/login" in ready(cluster)[2]

    await cluster.create(TRIGGER_AUTHENTICATIONS, "login", spec=AUTHENTICATION)
    await clock.sleep(1)
    assert "there is no Secret shop/redis" in ready(cluster)[2]

    await cluster.create(SECRETS, "redis", **secret("wrong-battery"))
    await clock.sleep(1)
    assert ready(cluster)[:2] == ("False", "TriggerError")
    assert "wrong password" in ready(cluster)[2]
    assert cluster.replicas() == 0

    await cluster.patch(SECRETS, "redis", secret(SECRET))
    await clock.sleep(1)
    assert ready(cluster)[0] == "True"
    assert cluster.replicas() == 1
    told = [one[2] for one in cluster.events("web") if one[1] == "KEDAScalerFailed"]
    assert len(told) == 3
    status = (cluster.objects.get(TRIGGER_AUTHENTICATIONS, "shop", "login") or {})["status"]
    assert status["scaledobjects"] == "web"


@operated(jobs=3)
async def test_no_secret_is_in_any_object_event_or_log_line(
    clock: Any, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = "wrong-battery"
    cluster.redis.password = SECRET
    await cluster.deployment()
    await cluster.create(TRIGGER_AUTHENTICATIONS, "login", spec=AUTHENTICATION)
    await cluster.create(SECRETS, "redis", **secret(wrong))
    await cluster.scaled_object("web", locked(listLength="ten"), locked(), pollingInterval=1)
    await cluster.scaled_job("crunch", locked(), pollingInterval=1)
    await clock.sleep(30)
    await cluster.patch(SECRETS, "redis", secret(SECRET))
    await clock.sleep(30)
    written = msgspec.json.encode([one.body for one in cluster.client.writes]).decode()
    said = "\n".join(str(record.__dict__) for record in caplog.records)
    for text in (wrong, SECRET):
        assert text not in written
        assert text not in said
    assert "wrong password" in written


@operated(jobs=3)
async def test_a_target_that_comes_later_is_found_at_once(clock: Any, cluster: Cluster) -> None:
    await cluster.scaled_object(pollingInterval=HOUR_S)
    await clock.sleep(2)
    assert ready(cluster)[:2] == ("False", "ScaledObjectCheckFailed")
    assert "there is no Deployment shop/web" in ready(cluster)[2]
    assert cluster.condition(SCALED_OBJECTS, "web", "Active")[:2] == ("Unknown", "UnknownState")
    assert cluster.hpa() is None
    await cluster.deployment()
    await clock.sleep(1)
    assert ready(cluster)[0] == "True"
    assert cluster.replicas() == 1
    assert cluster.hpa() is not None


@operated(jobs=3)
async def test_a_target_that_is_deleted_and_comes_back_is_noticed_both_times(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment(replicas=1)
    await cluster.scaled_object(pollingInterval=HOUR_S)
    await clock.sleep(2)
    await cluster.objects.delete(DEPLOYMENTS, "shop", "web")
    await clock.sleep(1)
    assert "there is no Deployment shop/web" in ready(cluster)[2]
    await cluster.deployment()
    await clock.sleep(1)
    assert ready(cluster)[0] == "True"
    assert cluster.replicas() == 1


@pytest.mark.parametrize(
    ("reference", "text"),
    [
        ({"kind": "StatefulSet"}, "the server does not serve StatefulSet of apps/v1"),
        (
            {"kind": "Rollout", "apiVersion": "argoproj.io/v1alpha1"},
            "the server does not serve Rollout of argoproj.io/v1alpha1",
        ),
    ],
)
@operated(jobs=3)
async def test_a_kind_that_is_not_served_is_said(
    clock: Any, cluster: Cluster, reference: dict[str, str], text: str
) -> None:
    await cluster.scaled_object(scaleTargetRef={"name": "web", **reference})
    await clock.sleep(5)
    status, reason, message = ready(cluster)
    assert (status, reason) == ("False", "ScaledObjectCheckFailed")
    assert message == f"ScaledObject doesn't have correct scaleTargetRef specification: {text}"


@operated(jobs=3)
async def test_everything_that_is_wrong_with_an_object_stands_in_one_condition(
    clock: Any, cluster: Cluster
) -> None:
    triggers = [
        redis(),
        redis(listLength="ten", databaseIndex="x"),
        {"type": "telepathy", "metadata": {}},
    ]
    await cluster.scaled_object("web", *triggers)
    await clock.sleep(3)
    status, reason, message = ready(cluster)
    assert (status, reason) == ("False", "ScaledObjectCheckFailed")
    for text in (
        "there is no Deployment shop/web",
        'spec.triggers[1].metadata.listLength: "ten" is not a number',
        'spec.triggers[1].metadata.databaseIndex: "x" is not a number',
        "spec.triggers[2].type: no scaler found for type: telepathy",
    ):
        assert text in message
    told = [one for one in cluster.events("web") if one[1] == "ScaledObjectCheckFailed"]
    assert told == [("Warning", "ScaledObjectCheckFailed", message, 1)]


@operated(jobs=3)
async def test_one_broken_trigger_does_not_keep_a_healthy_one_from_scaling(
    clock: Any, cluster: Cluster
) -> None:
    await cluster.deployment()
    await cluster.scaled_object("web", redis("mails", listLength="ten"), redis(), pollingInterval=5)
    await cluster.scaled_job("crunch", redis("mails", listLength="ten"), redis(), pollingInterval=5)
    await clock.sleep(3)
    assert cluster.replicas() == 1
    assert len(cluster.jobs()) == 3
    assert cluster.condition(SCALED_JOBS, "crunch", "Ready")[:2] == ("False", "ScaledJobCheckFailed")


@operated(jobs=0)
async def test_what_works_but_has_no_effect_is_told_once(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment()
    await cluster.scaled_object("web", redis(listLenght="5"), pollingInterval=1)
    await clock.sleep(60)
    (told,) = [one for one in cluster.events("web") if one[1] == "KEDAScalerInfo"]
    assert told[0] == "Warning"
    assert told[2].startswith("spec.triggers[0].metadata.listLenght: ")
    assert told[3] == 1
    assert ready(cluster)[0] == "True"


@operated(jobs=3)
async def test_a_defect_met_in_one_object_does_not_keep_others_waiting(
    clock: Any, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:

    async def break_one(write: Write) -> None:
        if write.name == "cursed" and write.subresource == "status":
            raise ZeroDivisionError("a defect")

    cluster.client.before = break_one
    for name in ("cursed", "web"):
        await cluster.deployment(name)
        await cluster.scaled_object(name, pollingInterval=1)
    await clock.sleep(600)
    assert ready(cluster)[0] == "True"
    assert cluster.replicas() == 1
    assert caplog.text.count("ZeroDivisionError: a defect") == 1


@operated(jobs=0, mails=4)
async def test_a_changed_spec_is_measured_at_once(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment()
    await cluster.scaled_object(pollingInterval=HOUR_S)
    await clock.sleep(2)
    await cluster.patch(SCALED_OBJECTS, "web", {"spec": {"triggers": [redis("mails")]}})
    await clock.sleep(1)
    assert cluster.replicas() == 1


@operated(jobs=0)
async def test_a_spec_that_changes_elsewhere_asks_again_too(clock: Any, cluster: Cluster) -> None:
    """The trigger reads as before, but whoever edits an object wants to see it looked at."""
    await cluster.deployment()
    await cluster.scaled_object(pollingInterval=HOUR_S)
    await clock.sleep(2)
    cluster.redis.lists["jobs"] = 5
    await cluster.patch(SCALED_OBJECTS, "web", {"spec": {"maxReplicaCount": 5}})
    await clock.sleep(1)
    assert cluster.replicas() == 1


@operated(jobs=0)
async def test_a_storm_of_changes_is_looked_at_four_times_a_second(clock: Any, cluster: Cluster) -> None:
    await cluster.deployment()
    await cluster.create(TRIGGER_AUTHENTICATIONS, "login", spec=AUTHENTICATION)
    await cluster.create(SECRETS, "redis", **secret("0"))
    await cluster.scaled_object("web", locked(), pollingInterval=HOUR_S)
    await clock.sleep(5)
    before = cluster.operator.queue.reconciles
    for count in range(500):
        await cluster.patch(SECRETS, "redis", secret(str(count)))
        await clock.sleep(0.01)
    assert 10 < cluster.operator.queue.reconciles - before <= 5 * 4 + 2


def test_a_restart_waits_for_the_first_lists_and_finds_everything_as_it_was() -> None:
    async def story(clock: Any) -> None:
        async with operating(clock, jobs=0) as cluster:
            for number in range(20):
                await cluster.deployment(f"web-{number}")
                await cluster.scaled_object(f"web-{number}", pollingInterval=HOUR_S)
            await clock.sleep(5)
        cluster.client.list_s = 0.5
        cluster.client.writes.clear()
        async with running(cluster.new_operator()):
            await clock.sleep(10)
        assert cluster.status_writes() == []

    virtualtime.run(story)
