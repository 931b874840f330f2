"""`tidegate operator` as a process on a real control plane."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from parts.installed import Installed
from parts.real_cluster import GROUP
from parts.redis_servers import RedisProcess, redis_program

pytestmark = [pytest.mark.real, pytest.mark.xdist_group(GROUP)]


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisProcess]:
    with RedisProcess(redis_program()) as redis:
        yield redis


def deployment(name: str) -> dict[str, object]:
    labels = {"app": name}
    container = {"name": "work", "image": "busybox"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def scaled_object(name: str, address: str) -> dict[str, object]:
    metadata = {"address": address, "listName": name, "listLength": "5"}
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name},
        "spec": {
            "scaleTargetRef": {"name": name},
            "pollingInterval": 1,
            "cooldownPeriod": 1,
            "triggers": [{"type": "redis", "metadata": metadata}],
        },
    }


def replicas(installed: Installed, name: str) -> int:
    return int(installed.get("deployment", name)["spec"]["replicas"])


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
