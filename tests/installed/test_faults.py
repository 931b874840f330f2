"""An operator beside a real control plane that is in trouble, or beside its own successor."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.control_plane import ControlPlane
from parts.installed import Installed
from parts.installed_objects import deployment, replicas, scaled_object
from parts.real_cluster import GROUP
from parts.redis_servers import RedisProcess
from parts.server_process import Servers

pytestmark = [pytest.mark.real, pytest.mark.xdist_group(GROUP)]

AWAY_S = 15.0


@pytest.fixture(scope="module")
def plane(servers: Servers) -> ControlPlane:
    return servers.get(ControlPlane)


@pytest.fixture
def installed(plane: ControlPlane, tmp_path: Path) -> Iterator[Installed]:
    """Always beside the control plane of the tests, which may be stopped."""
    with Installed(plane.kubeconfig, tmp_path) as installed:
        yield installed


def test_an_api_server_that_is_away_for_a_while_costs_nothing_but_the_while(
    plane: ControlPlane, installed: Installed, redis: RedisProcess
) -> None:
    operator = installed.operator()
    operator.start()
    installed.apply(deployment("away"), scaled_object("away", redis.address))
    installed.until("it is known", lambda: "keda-hpa-away" in installed.kubectl("get", "hpa", "-A"))
    plane.api_server.stop()
    try:
        redis.call("RPUSH", "away", "one")
        time.sleep(AWAY_S)
        assert operator.is_running
        assert operator.probe("/healthz")[0] == 200
    finally:
        plane.api_server.start()
    installed.until("it works", lambda: replicas(installed, "away") == 1, 40.0)
    assert operator.log().count("Traceback") == 0
    redis.call("DEL", "away")


def test_a_leader_that_cannot_renew_its_lease_ends_and_says_why(
    plane: ControlPlane, installed: Installed
) -> None:
    leader = installed.operator("--leader-elect")
    leader.start()
    leader.until("it leads", lambda: " leads " in leader.log())
    plane.api_server.stop()
    try:
        assert leader.ended(30.0) == 1
    finally:
        plane.api_server.start()
    assert "this process acts no more and ends" in leader.log()


@pytest.mark.parametrize("after_s", [0.2, 1.0, 2.5])
def test_what_a_killed_operator_has_begun_its_successor_finishes(
    installed: Installed, redis: RedisProcess, after_s: float
) -> None:
    first = installed.operator()
    first.start()
    names = [f"work{number}" for number in range(12)]
    redis.call("RPUSH", names[0], "one")
    installed.apply(
        *(body for name in names for body in (deployment(name), scaled_object(name, redis.address)))
    )
    time.sleep(after_s)
    first.kill()
    installed.operator().start()

    def ready() -> bool:
        return all(installed.condition("scaledobject", name, "Ready")[0] == "True" for name in names)

    installed.until("all are ready", ready)
    assert len(installed.get("hpa")["items"]) == len(names)
    installed.until("one works", lambda: replicas(installed, names[0]) == 1)
    assert sum(replicas(installed, name) for name in names) == 1
    redis.call("DEL", names[0])
