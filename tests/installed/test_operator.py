"""`tidegate operator` as a process on a real control plane."""

from __future__ import annotations

import pytest

from parts.installed import Installed
from parts.installed_objects import deployment, replicas, scaled_object
from parts.real_cluster import GROUP
from parts.redis_servers import RedisProcess

pytestmark = [pytest.mark.real, pytest.mark.xdist_group(GROUP)]


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


def test_metrics_are_told_under_the_names_of_keda(installed: Installed, redis: RedisProcess) -> None:
    operator = installed.operator("--metrics-old-names", "--leader-elect", "--leader-election-id=told")
    operator.start()
    redis.call("RPUSH", "told", "one", "two")
    installed.apply(deployment("told"), scaled_object("told", redis.address))
    labels = (
        f'{{namespace="{installed.namespace}",metric="s0-redis-told",scaledObject="told",'
        'scaler="redisScaler",triggerIndex="0",type="scaledobject"}'
    )
    value = f"keda_scaler_metrics_value{labels} 2\n"
    operator.until("the value is told", lambda: value in operator.told_metrics())
    text = operator.told_metrics()
    assert f"keda_scaler_errors_total{labels} 0\n" in text
    assert 'keda_trigger_registered_total{type="redis"} 1\n' in text
    assert "process_resident_memory_bytes" in text
    assert 'leader_election_master_status{name="told"} 1\n' in text


def test_metrics_can_be_turned_off(installed: Installed) -> None:
    operator = installed.operator("--enable-prometheus-metrics=false")
    operator.start()
    assert operator.told_metrics() == ""
