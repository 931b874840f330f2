"""`tidegate operator` as a process on a real control plane."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from parts.installed import Installed
from parts.installed_objects import deployment, replicas, scaled_object
from parts.real_cluster import GROUP
from parts.redis_servers import RedisProcess, redis_program

pytestmark = [pytest.mark.real, pytest.mark.xdist_group(GROUP)]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisProcess]:
    with RedisProcess(redis_program()) as redis:
        yield redis


def test_a_deployment_goes_from_zero_to_one_and_back(installed: Installed, redis: RedisProcess) -> None:
    operator = installed.operator()
    operator.start()
    assert operator.probe("/healthz") == (200, "ok")
    installed.apply(deployment("shop"), scaled_object("shop", redis.address))
    installed.until("its HPA is there", lambda: "keda-hpa-shop" in installed.kubectl("get", "hpa", "-A"))
    assert replicas(installed, "shop") == 0
    redis.call("RPUSH", "shop", "order")
    installed.until("it works", lambda: replicas(installed, "shop") == 1)
    redis.call("DEL", "shop")
    installed.until("it rests", lambda: replicas(installed, "shop") == 0)
    assert operator.stop() == 0
