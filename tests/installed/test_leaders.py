"""Two replicas of the operator beside a real control plane: at most one acts, and soon somebody does."""

from __future__ import annotations

import time

import pytest

from parts.installed import Installed, Program
from parts.installed_objects import deployment, replicas, rules, scaled_object
from parts.real_cluster import GROUP
from parts.redis_servers import RedisProcess

pytestmark = [pytest.mark.real, pytest.mark.xdist_group(GROUP)]

SHORT = {
    "KEDA_OPERATOR_LEADER_ELECTION_LEASE_DURATION": "6s",
    "KEDA_OPERATOR_LEADER_ELECTION_RENEW_DEADLINE": "4s",
    "KEDA_OPERATOR_LEADER_ELECTION_RETRY_PERIOD": "500ms",
}


def holder(installed: Installed) -> str:
    return str(installed.get("lease", "operator.keda.sh")["spec"]["holderIdentity"])


def leads(program: Program) -> bool:
    return " leads " in program.log()


def pair(installed: Installed, **environment: str) -> tuple[Program, Program]:
    """The leader, and one that waits; both are ready."""
    made = [installed.operator("--leader-elect", environment=environment) for _ in range(2)]
    made[0].start()
    made[0].until("the first leads", lambda: leads(made[0]))
    made[1].start()
    return made[0], made[1]


def test_the_lease_of_a_leader_that_stops_is_taken_within_two_seconds(installed: Installed) -> None:
    first, second = pair(installed)
    assert not leads(second)
    before = holder(installed)
    assert first.stop() == 0
    second.until("the second leads", lambda: leads(second), 2.0)
    assert holder(installed) not in ("", before)


def test_a_leader_that_is_killed_is_followed_within_twenty_seconds(
    installed: Installed, redis: RedisProcess
) -> None:
    first, second = pair(installed)
    installed.apply(deployment("orders"), scaled_object("orders", redis.address))
    installed.until("it is known", lambda: "keda-hpa-orders" in installed.kubectl("get", "hpa", "-A"))
    first.kill()
    redis.call("RPUSH", "orders", "one")
    second.until("the second leads", lambda: leads(second), 20.0)
    installed.until("it works", lambda: replicas(installed, "orders") == 1)
    redis.call("DEL", "orders")


def test_a_leader_that_stood_still_past_its_lease_writes_nothing_more_and_ends(
    installed: Installed, redis: RedisProcess
) -> None:
    first, second = pair(installed, **SHORT)
    installed.apply(deployment("held"), scaled_object("held", redis.address))
    installed.until("it is known", lambda: "keda-hpa-held" in installed.kubectl("get", "hpa", "-A"))
    first.hold()
    second.until("the second leads", lambda: leads(second), 15.0)
    second.stop()
    # Nobody else acts now: whatever happens from here on, the first one has done.
    redis.call("RPUSH", "held", "one")
    first.resume()
    assert first.ended(20.0) == 1
    assert "this process acts no more" in first.log()
    time.sleep(1)
    assert replicas(installed, "held") == 0
    redis.call("DEL", "held")


def test_a_replica_that_may_not_have_the_lease_is_not_ready_and_says_why(installed: Installed) -> None:
    operator = installed.operator("--leader-elect", kubeconfig=installed.account(rules(without=("leases",))))
    operator.start(waits=False)
    operator.until(
        "it says why", lambda: 'cannot create resource "leases"' in operator.probe("/readyz")[1], 30.0
    )
    assert operator.probe("/readyz")[0] == 503
    assert operator.probe("/healthz")[0] == 200
    assert operator.stop() == 0


def test_a_leader_whose_lease_is_taken_away_ends(installed: Installed) -> None:
    leader = installed.operator("--leader-elect", environment=SHORT)
    leader.start()
    leader.until("it leads", lambda: leads(leader))
    installed.patch("lease", "operator.keda.sh", {"spec": {"holderIdentity": "thief"}})
    assert leader.ended(10.0) == 1
    assert "thief has it" in leader.log()
