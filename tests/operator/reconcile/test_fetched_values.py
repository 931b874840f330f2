"""What is fetched for a trigger takes effect like a Secret: when it comes, changes, and cannot be had."""

from __future__ import annotations

from typing import Any

from parts.cluster import Cluster, operated, redis
from parts.fetching import holds
from tidegate.base.errors import Denied, Unreachable
from tidegate.kube.resource import SCALED_OBJECTS, TRIGGER_AUTHENTICATIONS

TOKEN = "boundServiceAccountToken of ServiceAccount shop/{}"
ROBOT = TOKEN.format("robot")


async def web(cluster: Cluster, *accounts: str) -> None:
    """A ScaledObject with a trigger for each account, whose token is its password."""
    for name in accounts:
        refs = [{"parameter": "password", "serviceAccountName": name}]
        await cluster.create(TRIGGER_AUTHENTICATIONS, name, spec={"boundServiceAccountToken": refs})
    await cluster.deployment()
    triggers = [redis(name) | {"authenticationRef": {"name": name}} for name in accounts]
    await cluster.scaled_object("web", *triggers)


def ready(cluster: Cluster) -> tuple[str, str, str]:
    return cluster.condition(SCALED_OBJECTS, "web", "Ready")


def warnings(cluster: Cluster) -> list[str]:
    return [message for type, _, message, _ in cluster.events("web") if type == "Warning"]


@operated(robot=3)
async def test_a_trigger_is_measured_once_its_value_has_come(clock: Any, cluster: Cluster) -> None:
    cluster.redis.password = "t-1"
    cluster.safes.delay_s = 1.5
    cluster.safes.drawers[ROBOT] = holds(3_600, token="t-1")
    await web(cluster, "robot")
    await clock.sleep(1)
    assert warnings(cluster) == []
    assert cluster.replicas() == 0
    await clock.sleep(2)
    assert ready(cluster)[0] == "True"
    assert cluster.replicas() == 1
    assert warnings(cluster) == []


@operated(robot=3)
async def test_a_value_that_takes_long_is_waited_for_without_a_warning(clock: Any, cluster: Cluster) -> None:
    cluster.safes.delay_s = 9
    cluster.safes.drawers[ROBOT] = holds(3_600, token="t-1")
    await web(cluster, "robot")
    await clock.sleep(8)
    plan = next(iter(cluster.operator.steps.tracker.by_key.values())).plan
    assert plan is not None
    assert plan.waiting == {0: f"waiting for {ROBOT} on the API server"}
    assert warnings(cluster) == []
    assert cluster.replicas() == 0


@operated(robot=3)
async def test_waiting_scales_nothing_down(clock: Any, cluster: Cluster) -> None:
    cluster.safes.drawers[ROBOT] = holds(3_600, token="t-1")
    await web(cluster, "robot")
    await clock.sleep(5)
    assert cluster.replicas() == 1
    cluster.redis.lists["robot"] = 0
    cluster.safes.delay_s = 9
    cluster.safes.drawers[TOKEN.format("other")] = holds(3_600, token="t-2")
    refs = [{"parameter": "password", "serviceAccountName": "other"}]
    await cluster.patch(TRIGGER_AUTHENTICATIONS, "robot", {"spec": {"boundServiceAccountToken": refs}})
    await clock.sleep(8)
    assert cluster.replicas() == 1


@operated(robot=3)
async def test_a_changed_value_takes_effect_at_once(clock: Any, cluster: Cluster) -> None:
    cluster.redis.password = "t-1"
    cluster.safes.drawers[ROBOT] = holds(600, token="t-1")
    await web(cluster, "robot")
    await clock.sleep(5)
    assert ready(cluster)[0] == "True"
    cluster.safes.drawers[ROBOT] = holds(600, token="t-2")
    await clock.sleep(295)
    cluster.redis.password = "t-2"
    await clock.sleep(10)
    assert ready(cluster)[0] == "True"
    assert len(cluster.safes.calls) == 2


@operated(robot=3)
async def test_a_rotated_value_is_fetched_when_its_server_refuses_the_old_one(
    clock: Any, cluster: Cluster
) -> None:
    cluster.redis.password = "t-1"
    cluster.safes.drawers[ROBOT] = holds(token="t-1")
    await web(cluster, "robot")
    await clock.sleep(40)
    cluster.redis.password = "t-2"
    cluster.safes.drawers[ROBOT] = holds(token="t-2")
    await clock.sleep(32)
    assert len(cluster.safes.calls) == 2
    assert ready(cluster)[0] == "True"


@operated(robot=3, other=5)
async def test_a_source_that_fails_takes_only_its_own_triggers(clock: Any, cluster: Cluster) -> None:
    cluster.safes.drawers[ROBOT] = Denied("get a token of ServiceAccount shop/robot", answer="forbidden")
    cluster.safes.drawers[TOKEN.format("other")] = holds(3_600, token="t-2")
    await web(cluster, "robot", "other")
    await clock.sleep(5)
    assert cluster.replicas() == 1
    status, _, message = ready(cluster)
    assert status == "False"
    assert "cannot get a token of ServiceAccount shop/robot: forbidden" in message
    assert "other" not in message


@operated(robot=3)
async def test_it_heals_when_the_source_does(clock: Any, cluster: Cluster) -> None:
    cluster.safes.trouble = Unreachable("connect", on="the API server", answer="connection refused")
    await web(cluster, "robot")
    await clock.sleep(30)
    assert ready(cluster)[0] == "False"
    cluster.safes.trouble = None
    cluster.safes.drawers[ROBOT] = holds(3_600, token="t-1")
    await clock.sleep(61)
    assert ready(cluster)[0] == "True"
    assert cluster.replicas() == 1


@operated(robot=3)
async def test_a_value_that_cannot_be_renewed_serves_on_and_is_warned_of_once(
    clock: Any, cluster: Cluster
) -> None:
    cluster.safes.drawers[ROBOT] = holds(600, token="t-1")
    await web(cluster, "robot")
    await clock.sleep(5)
    cluster.safes.trouble = Unreachable("connect", on="the API server", answer="connection refused")
    await clock.sleep(585)
    assert ready(cluster)[0] == "True"
    told = [one for one in warnings(cluster) if "could not be fetched again" in one]
    assert len(told) == 1
    assert ROBOT in told[0]
    await clock.sleep(30)
    assert ready(cluster)[0] == "False"
    assert cluster.replicas() == 1


@operated(robot=0)
async def test_nothing_is_fetched_per_poll(clock: Any, cluster: Cluster) -> None:
    cluster.safes.drawers[ROBOT] = holds(token="t-1")
    await web(cluster, "robot")
    await clock.sleep(3_500)
    assert len(cluster.safes.calls) == 12


@operated(robot=0)
async def test_what_an_object_wanted_is_forgotten_with_it(clock: Any, cluster: Cluster) -> None:
    cluster.safes.drawers[ROBOT] = holds(token="t-1")
    await web(cluster, "robot")
    await clock.sleep(5)
    await cluster.objects.delete(SCALED_OBJECTS, "shop", "web")
    await clock.sleep(5)
    assert len(cluster.operator.fetching) == 0


@operated(robot=0)
async def test_a_token_appears_in_nothing_that_is_told(clock: Any, cluster: Cluster) -> None:
    cluster.safes.drawers[ROBOT] = holds(token="x-marks-the-spot")
    await web(cluster, "robot")
    await clock.sleep(5)
    assert "x-marks-the-spot" not in repr(cluster.objects.list(SCALED_OBJECTS, "shop"))
    assert "x-marks-the-spot" not in repr(list(cluster.operator.steps.tracker.by_key.values()))
