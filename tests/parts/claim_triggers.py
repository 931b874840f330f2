"""ScaledJobs that claim, as manifests: what a user writes for each source of `parts/claim_sources.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from parts.claim_sources import AzureQueue, ClaimSource, RabbitmqQueue
from parts.claimed_rows import Rows
from parts.nats_consumer import NatsConsumer

Object = dict[str, Any]


@dataclass(frozen=True)
class Trigger:
    """`environment` is that of the worker, which passwords are read from."""

    type: str
    metadata: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    def scaled_job(self, name: str, pod: Object, **spec: Any) -> Object:
        """One whose Jobs run the pod; its first container is the worker."""
        worker, *others = pod["containers"]
        env = [{"name": one, "value": value} for one, value in self.environment.items()]
        containers = [{**worker, "env": [*worker.get("env", ()), *env]}, *others]
        template = {"spec": {"restartPolicy": "Never", **pod, "containers": containers}}
        job = {"backoffLimit": 0, **spec.pop("job", {}), "template": template}
        return {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledJob",
            "metadata": {
                "name": name,
                "namespace": "default",
                "annotations": {
                    "tidegate.dev/claim": "true",
                    **self.annotations,
                    **spec.pop("annotations", {}),
                },
            },
            "spec": {
                "jobTargetRef": job,
                "triggers": [{"type": self.type, "metadata": dict(self.metadata)}],
                **spec,
            },
        }


def _redis(_source: ClaimSource, address: str) -> Trigger:
    return Trigger("redis", {"address": address, "listName": "jobs"}, _aside("{jobs}:bad"))


def _stream(_source: ClaimSource, address: str) -> Trigger:
    metadata = {"address": address, "stream": "orders", "consumerGroup": "workers", "lagCount": "1"}
    return Trigger("redis-streams", metadata, {"tidegate.dev/claim-field": "body", **_aside("{orders}:bad")})


def _rabbitmq(source: ClaimSource, address: str) -> Trigger:
    assert isinstance(source, RabbitmqQueue)
    metadata = {"hostFromEnv": "BROKER", "queueName": "jobs", "mode": "QueueLength", "value": "1"}
    broker = f"amqp://admin:{source.server.password}@{address}"
    return Trigger("rabbitmq", metadata, _aside("bad"), {"BROKER": broker})


def _postgresql(source: ClaimSource, address: str) -> Trigger:
    assert isinstance(source, Rows)
    host, _, port = address.partition(":")
    metadata = {
        "host": host,
        "port": port,
        "userName": source.server.login,
        "dbName": "postgres",
        "sslmode": "disable",
        "passwordFromEnv": "PASSWORD",
        "query": "SELECT count(*) FROM laws WHERE state = 'waiting'",
        "targetQueryValue": "1",
    }
    wanted = source.statements
    statements = {name: getattr(wanted, name) for name in ("table", "take", "done", "failed", "back")}
    annotations = {f"tidegate.dev/claim-{name}": text for name, text in statements.items()}
    return Trigger("postgresql", metadata, annotations, {"PASSWORD": source.server.password})


def _azure(source: ClaimSource, address: str) -> Trigger:
    assert isinstance(source, AzureQueue)
    metadata = {"connectionFromEnv": "STORAGE", "queueName": "jobs", "queueLength": "1"}
    return Trigger(
        "azure-queue", metadata, _aside("bad"), {"STORAGE": source.server.connection(queue=address)}
    )


def _beanstalkd(_source: ClaimSource, address: str) -> Trigger:
    return Trigger("beanstalkd", {"server": address, "tube": "jobs", "value": "1"})


def _nats(source: ClaimSource, address: str) -> Trigger:
    assert isinstance(source, NatsConsumer)
    metadata = {
        "natsServerMonitoringEndpoint": source.server.monitoring,
        "clientUrl": f"nats://{address}",
        "account": "SHOP",
        "stream": "jobs",
        "consumer": "workers",
        "lagThreshold": "1",
    }
    return Trigger("nats-jetstream", metadata, {"tidegate.dev/claim-lease": "60", **_aside("bad")})


def _aside(place: str) -> dict[str, str]:
    return {"tidegate.dev/claim-dead-letter": place}


TRIGGERS: dict[str, Callable[[ClaimSource, str], Trigger]] = {
    "redis": _redis,
    "redis-streams": _stream,
    "rabbitmq": _rabbitmq,
    "postgresql": _postgresql,
    "azure-queue": _azure,
    "beanstalkd": _beanstalkd,
    "nats-jetstream": _nats,
}
"""How each source is named at an address: its server's, or a proxy's before it."""
