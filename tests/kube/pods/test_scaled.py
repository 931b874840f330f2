"""A Deployment that is scaled from nothing and back: our operator on a real control plane, whose own HPA
controller asks us, with our node below it; and all of it in local mode. kubectl shows the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from redis import Redis

from parts.control_plane import ControlPlane
from parts.installed import Installed
from parts.installed_metrics import MetricsApi
from parts.installed_objects import scaled_object
from parts.looks import Sides, compare, events, printed, status
from parts.redis_servers import RedisProcess, redis_program
from parts.server_process import Servers
from parts.side import NAMESPACE

FLAGS = ("--hpa-interval", "1")
COOLDOWN_S = 10
"""The HPA, which looks every second, comes first on both sides."""
OBJECTS = "scaledobjects,horizontalpodautoscalers,deployments,replicasets,pods"
NO_DELAY = {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}}
WORKER = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 0
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - {name: work, image: busybox, command: [sh, -c, "trap exit TERM; while :; do sleep 0.2; done"]}
"""


def begin(sides: Sides) -> None:
    """What runs beside the real one is the fixture's."""


def end(sides: Sides) -> None:
    for side in sides:
        side.release("scaledobject", "shop")


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisProcess]:
    with RedisProcess(redis_program()) as redis:
        yield redis


@pytest.fixture(scope="module")
def scaled(
    sides: Sides, servers: Servers, redis: RedisProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sides]:
    """Both with the worker and what scales it; each reads a database of its own."""
    plane = servers.get(ControlPlane)
    with (
        Installed(plane.token_kubeconfig, tmp_path_factory.mktemp("installed")) as installed,
        MetricsApi(installed, plane) as metrics,
    ):
        operator = metrics.operator()
        operator.environment["WATCH_NAMESPACE"] = NAMESPACE
        operator.start()
        server = metrics.server()
        server.start()
        metrics.register(server)
        metrics.let_hpas_ask()
        for index, side in enumerate(sides):
            scaler: dict[str, Any] = scaled_object(
                "shop", redis.address, maxReplicaCount=3, advanced=NO_DELAY, cooldownPeriod=COOLDOWN_S
            )
            scaler["spec"]["triggers"][0]["metadata"]["databaseIndex"] = str(index)
            side.cluster.kubectl(
                "-n", NAMESPACE, "apply", "-f", "-", stdin=f"{WORKER}---\n{yaml.dump(scaler)}"
            )
        yield sides
        for side in sides:
            side.kubectl("delete", "scaledobject", "shop", "--timeout=30s")


def call(redis: RedisProcess, database: int, *words: str) -> None:
    with Redis(port=redis.port, db=database, protocol=2) as client:
        client.execute_command(*words)


def replicas(count: int) -> Any:
    def holds(found: Any) -> bool:
        return bool(found["spec"]["replicas"] == count == found.get("status", {}).get("readyReplicas", 0))

    return holds


def is_at_least(found: Any) -> bool:
    """Whether an HPA has asked for its least number, and would have less."""
    conditions = found.get("status", {}).get("conditions", [])
    return any(one["reason"] == "TooFewReplicas" for one in conditions)


def shown(sides: Sides) -> None:
    compare(
        sides,
        status("scaledobject", "shop"),
        status("hpa", "keda-hpa-shop"),
        printed("get", OBJECTS, "-o", "wide"),
        printed("describe", "scaledobjects,horizontalpodautoscalers,deployments"),
        events("shop", "keda-hpa-shop"),
    )


def test_it_waits_at_zero(scaled: Sides) -> None:
    for side in scaled:
        side.until(
            "it is measured",
            "scaledobject",
            "shop",
            holds=lambda found: any(
                one["type"] == "Active" and one["status"] == "False"
                for one in found.get("status", {}).get("conditions", [])
            ),
        )
    shown(scaled)


def test_it_grows_with_the_queue_and_goes_back(scaled: Sides, redis: RedisProcess) -> None:
    for index, side in enumerate(scaled):
        call(redis, index, "RPUSH", "shop", *["order"] * 13)
        side.until("all three work", "deployment", "shop", holds=replicas(3))
    shown(scaled)
    for index, side in enumerate(scaled):
        call(redis, index, "DEL", "shop")
        side.until("its HPA goes down first", "hpa", "keda-hpa-shop", holds=is_at_least)
        side.until("nobody works", "deployment", "shop", holds=replicas(0))
        side.until("nobody is left", "pods", "-l", "app=shop", holds=lambda found: not found["items"])
    shown(scaled)
    values = [
        json.loads(side.kubectl("get", "scaledobject", "shop", "-o", "json"))["spec"] for side in scaled
    ]
    for spec in values:
        spec["triggers"][0]["metadata"].pop("databaseIndex")
    assert values[0] == values[1]
