"""`tidegate operator` as a process on a real control plane."""

from __future__ import annotations

import asyncio
import json

import pytest

from parts.event_receiver import EventReceiver
from parts.installed import Installed
from parts.installed_objects import deployment, replicas, scaled_job, scaled_object
from parts.loopback import free_port
from parts.otlp_receiver import OtlpReceiver
from parts.real_cluster import GROUP
from parts.redis_servers import RedisProcess

EVENTING = "eventing.keda.sh/v1alpha1"
FAILED = "keda.scaledobject.failed.v1"
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


async def test_cloud_events_of_an_object_that_is_wrong_arrive_from_both_kinds_of_sources(
    installed: Installed,
) -> None:
    operator = installed.operator("--k8s-cluster-name=test")
    async with EventReceiver().serving() as receiver:
        for kind, name in (("CloudEventSource", "own"), ("ClusterCloudEventSource", installed.namespace)):
            uri = f"{receiver.url}/{kind}"
            spec = {
                "destination": {"http": {"uri": uri}},
                "eventSubscription": {"includedEventTypes": [FAILED]},
            }
            metadata = {"name": name}
            installed.apply({"apiVersion": EVENTING, "kind": kind, "metadata": metadata, "spec": spec})
        try:
            await asyncio.to_thread(operator.start)
            installed.apply(scaled_object("lost", "127.0.0.1:1"))
            paths = {"/CloudEventSource", "/ClusterCloudEventSource"}
            async with asyncio.timeout(60):
                while {one.path for one in receiver.taken} != paths:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        finally:
            installed.kubectl("delete", "clustercloudeventsource", installed.namespace)
        for one in receiver.taken:
            assert one.type == FAILED
            assert one.headers["Content-Type"] == "application/json"
            assert one.headers["ce-source"] == f"/test/{installed.namespace}/keda"
            assert one.subject == f"/test/{installed.namespace}/scaledobject/lost"
        (condition,) = installed.get("cloudeventsource", "own")["status"]["conditions"]
        assert (condition["type"], condition["status"]) == ("Active", "True")
        told = await asyncio.to_thread(operator.told_metrics)
        assert 'cloudeventsource="own",eventsink="http",state="emitted"} 1\n' in told


async def test_metrics_are_sent_by_the_protocol_of_opentelemetry(
    installed: Installed, redis: RedisProcess
) -> None:
    async with OtlpReceiver().serving() as receiver:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.http_port}",
            "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=shop",
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
        }
        operator = installed.operator("--enable-opentelemetry-metrics", environment=environment)
        await asyncio.to_thread(operator.start)
        redis.call("RPUSH", "sent", "one", "two")
        installed.apply(deployment("sent"), scaled_object("sent", redis.address))
        async with asyncio.timeout(30):
            while receiver.last("keda.scaler.metrics.value", scaledObject="sent") is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        value = receiver.last("keda.scaler.metrics.value", scaledObject="sent", scalerIndex="0")
        assert value is not None
        assert value.value == 2
        assert value.attributes >= {("namespace", installed.namespace), ("scaler", "redisScaler")}
        build = receiver.last("keda.build.info")
        assert build is not None
        assert build.value == 1
        assert receiver.headers["x-tenant"] == "shop"
        assert receiver.resource["service.name"] == "keda-operator"
        assert await asyncio.to_thread(operator.stop) == 0


def test_a_receiver_that_is_away_costs_nothing_but_a_line(installed: Installed) -> None:
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}",
        "OTEL_METRIC_EXPORT_INTERVAL": "200",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
    }
    operator = installed.operator("--enable-opentelemetry-metrics", environment=environment)
    operator.start()
    operator.until("it is told", lambda: "metrics are not taken" in operator.log())
    installed.apply(deployment("calm"), scaled_object("calm", "127.0.0.1:1"))
    installed.until(
        "it is reconciled",
        lambda: (
            "Ready"
            in installed.kubectl("get", "scaledobject", "calm", "-o", "json", "-n", installed.namespace)
        ),
    )
    assert operator.stop() == 0
    assert operator.log().count("metrics are not taken") == 1
    assert "opentelemetry" not in operator.log()


def test_settings_that_cannot_be_read_end_it_with_all_problems_at_once(installed: Installed) -> None:
    operator = installed.operator(
        "--leader-elect=perhaps",
        "--kube-api-qbs=5",
        environment={
            "KEDA_OPERATOR_LEADER_ELECTION_LEASE_DURATION": "soon",
            "WATCH_LABEL_SELECTOR": "team in shop",
        },
    )
    operator.start(waits=False)
    assert operator.ended(30) == 1
    lines = operator.log().splitlines()
    assert len(lines) == 4
    for name in ("--leader-elect", "--kube-api-qbs", "LEASE_DURATION", "WATCH_LABEL_SELECTOR"):
        assert any(name in line for line in lines), lines


def test_flags_of_kedas_manifests_are_taken_and_those_without_effect_are_told(installed: Installed) -> None:
    operator = installed.operator(
        "--zap-log-level=info",
        "--zap-encoder=console",
        "--zap-time-encoding=rfc3339",
        "--kube-api-qps=20",
        environment={"KEDA_SCALEDOBJECT_CTRL_MAX_RECONCILES": "5"},
    )
    operator.start()
    for name in ("--zap-time-encoding", "--kube-api-qps", "KEDA_SCALEDOBJECT_CTRL_MAX_RECONCILES"):
        assert f"{name} has no effect" in operator.log()
    assert operator.stop() == 0


def test_a_namespace_that_is_deleted_goes_and_is_no_warning(
    installed: Installed, redis: RedisProcess
) -> None:
    doomed = f"{installed.namespace}-doomed"
    installed.kubectl("create", "namespace", doomed)
    operator = installed.operator(environment={"WATCH_NAMESPACE": doomed})
    operator.start()
    redis.call("RPUSH", "shop", *range(20))
    bodies = [deployment("shop"), scaled_object("shop", redis.address), scaled_job("shop", redis.address)]
    for body in bodies:
        body["metadata"]["namespace"] = doomed
        installed.kubectl("apply", "-f", "-", stdin=json.dumps(body))
    jobs = ("get", "jobs", "-n", doomed, "-o", "name")
    installed.until("Jobs are there", lambda: installed.kubectl(*jobs) != "")
    installed.kubectl("delete", "namespace", doomed, "--timeout=60s")
    redis.call("DEL", "shop")
    # No certificates are mounted here, which is told at the start.
    warnings = [one for one in operator.log().splitlines() if "WARNING" in one]
    assert [one for one in warnings if "certificate" not in one] == []
    assert operator.stop() == 0
