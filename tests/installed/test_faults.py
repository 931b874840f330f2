"""An operator beside a real control plane that is in trouble, or beside its own successor."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from parts.control_plane import ControlPlane
from parts.installed import Installed
from parts.installed_objects import deployment, replicas, scaled_job, scaled_object
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


STILL_S = 10.0
MESSAGES = 10


@pytest.mark.parametrize("is_killed", [False, True], ids=["stands still", "dies"])
def test_an_etcd_in_trouble_doubles_nothing_and_loses_nothing(
    plane: ControlPlane, installed: Installed, redis: RedisProcess, *, is_killed: bool
) -> None:
    operator = installed.operator()
    operator.start()
    names = [f"new{number}" for number in range(6)]
    redis.call("RPUSH", "busy", "one")
    installed.apply(
        *(deployment(name) for name in ("busy", *names)),
        scaled_object("busy", redis.address),
        scaled_job("batch", redis.address, maxReplicaCount=100),
    )
    installed.until("it works", lambda: replicas(installed, "busy") == 1)
    installed.until("it waits", lambda: installed.condition("sj", "batch", "Ready")[0] == "True")
    # What follows is under way when the store is gone.
    installed.apply(*(scaled_object(name, redis.address) for name in names))
    redis.call("RPUSH", "batch", *range(MESSAGES))
    redis.call("RPUSH", names[0], "one")
    if is_killed:
        plane.etcd.kill()
    else:
        plane.etcd.freeze()
    try:
        time.sleep(STILL_S)
        assert operator.probe("/healthz")[0] == 200
    finally:
        if is_killed:
            plane.etcd.start()
        else:
            plane.etcd.thaw()
    patience_s = 120.0
    installed.until("Jobs are there", lambda: len(installed.get("jobs")["items"]) >= MESSAGES, patience_s)
    installed.until("one is woken", lambda: replicas(installed, names[0]) == 1, patience_s)

    def ready() -> bool:
        return all(installed.condition("so", name, "Ready")[0] == "True" for name in ("busy", *names))

    installed.until("all are ready", ready, patience_s)
    # Some more polls.
    time.sleep(4)
    assert len(installed.get("jobs")["items"]) == MESSAGES
    assert len(installed.get("hpa")["items"]) == len(names) + 1
    assert sum(replicas(installed, name) for name in names) == 1
    # From zero to one, and never back.
    assert installed.get("deployment", "busy")["metadata"]["generation"] == 2
    assert installed.get("deployment", names[0])["metadata"]["generation"] == 2
    assert operator.log().count("Traceback") == 0
    for name in ("busy", "batch", names[0]):
        redis.call("DEL", name)


def test_an_operator_that_was_away_for_longer_than_the_server_remembers_sees_all_that_has_changed(
    plane: ControlPlane, installed: Installed, redis: RedisProcess
) -> None:
    operator = installed.operator()
    operator.start()
    names = ("kept", "edited", "gone")
    installed.apply(*(deployment(name) for name in (*names, "new")))
    installed.apply(*(scaled_object(name, redis.address) for name in names))

    def ready(*names: str) -> bool:
        return all(installed.condition("so", name, "Ready")[0] == "True" for name in names)

    installed.until("all are ready", lambda: ready(*names))
    operator.hold()
    installed.kubectl("delete", "so", "gone", "-n", installed.namespace, "--wait=false")
    installed.patch("so", "gone", {"metadata": {"finalizers": None}})
    installed.patch("so", "edited", {"spec": {"maxReplicaCount": 7}})
    installed.kubectl("delete", "hpa", "keda-hpa-kept", "-n", installed.namespace)
    installed.apply(scaled_object("new", redis.address))
    # Every watch of it is at a version that nobody knows any more.
    plane.forget()
    operator.resume()
    installed.until("the new one is there", lambda: ready("new"))
    hpas = ["keda-hpa-edited", "keda-hpa-kept", "keda-hpa-new"]

    def found() -> list[str]:
        return sorted(one["metadata"]["name"] for one in installed.get("hpa")["items"])

    installed.until("HPAs are as they should be", lambda: found() == hpas)
    installed.until(
        "the edit counts", lambda: installed.get("hpa", "keda-hpa-edited")["spec"]["maxReplicas"] == 7
    )
    operator.until(
        "nobody follows what is gone", lambda: 'scaledObject="gone"' not in operator.told_metrics()
    )
    redis.call("RPUSH", "kept", "one")
    installed.until("it works", lambda: replicas(installed, "kept") == 1)
    assert operator.log().count("Traceback") == 0
    redis.call("DEL", "kept")
