"""From a message to the decision it leads to, where the server tells of changes: polls are an hour apart.

Messages are put over a connection that is open: a login of the bench's own is none of the way.
"""

from __future__ import annotations

import asyncio
import random
import struct
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import redis

from bench.figures import Figure, goal, quantile
from bench.servers import Up, port_of, redis_server
from tidegate.kube.client import Client
from tidegate.kube.config import load
from tidegate.kube.resource import CONFIG_MAPS, DEPLOYMENTS, PODS, SCALED_OBJECTS, Resource

PUSHES = 60
POLLING_S = 3600
PATIENCE_S = 30.0
QUIET_S = 1.2
"""A watch wakes once a second: what a burst waits for is not measured here."""

PART = "From push to decision"

# The servers of the tests are those of the benchmark.
sys.path.append(str(Path(__file__).parent.parent / "tests"))


Act = Callable[[Client], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Source:
    """A server that runs: its trigger, what puts a message there and what takes it away; both are told.

    They get a client of the Kubernetes API.
    """

    trigger: dict[str, Any]
    put: Act
    take: Act
    annotations: dict[str, str] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    objects: tuple[tuple[Resource, dict[str, Any]], ...] = ()
    stop: Callable[[], Awaitable[None]] | None = None


def _by(act: Callable[..., object], *given: Any) -> Act:
    """What a client does that waits for its answer: in a thread."""
    return lambda _: asyncio.to_thread(act, *given)


@contextmanager
def _redis(folder: Path) -> Iterator[Source]:
    with redis_server(folder) as queue:
        metadata = {"address": f"127.0.0.1:{port_of(queue)}", "listName": "work", "listLength": "1"}
        trigger = {"type": "redis", "metadata": metadata}
        yield Source(trigger, _by(queue.rpush, "work", 1), _by(queue.delete, "work"))


@contextmanager
def _redis_cluster(_folder: Path) -> Iterator[Source]:
    from parts.redis_servers import starting
    from parts.waiting import wait_until

    with starting() as start:
        node = start("--cluster-enabled", "yes")
        node.call("CLUSTER", "ADDSLOTS", *range(16384))
        wait_until(lambda: b"cluster_state:ok" in node.call("CLUSTER", "INFO"), "the cluster is one", 20)
        with redis.Redis(port=node.port) as queue:
            metadata = {"addresses": node.address, "listName": "work", "listLength": "1"}
            trigger = {"type": "redis-cluster", "metadata": metadata}
            yield Source(trigger, _by(queue.rpush, "work", 1), _by(queue.delete, "work"))


@contextmanager
def _postgresql(_folder: Path) -> Iterator[Source]:
    import psycopg

    from parts.postgresql_server import PostgresqlServer

    with (
        PostgresqlServer() as server,
        psycopg.connect(server.address_of("postgres"), autocommit=True) as database,
    ):
        database.execute("CREATE TABLE work (id int)")
        metadata = {
            "host": "127.0.0.1",
            "port": str(server.port),
            "userName": server.login,
            "dbName": "postgres",
            "sslmode": "disable",
            "passwordFromEnv": "PASSWORD",
            "query": "SELECT count(*) FROM work",
            "targetQueryValue": "1",
        }
        yield Source(
            {"type": "postgresql", "metadata": metadata},
            _by(database.execute, "WITH put AS (INSERT INTO work VALUES (1)) SELECT pg_notify('work', '')"),
            _by(database.execute, "WITH gone AS (DELETE FROM work) SELECT pg_notify('work', '')"),
            {"tidegate.dev/listen": "work"},
            {"PASSWORD": server.password},
        )


@contextmanager
def _etcd(_folder: Path) -> Iterator[Source]:
    from parts.etcd_server import EtcdServer

    with EtcdServer() as server:
        server.put("work", "0")
        metadata = {"endpoints": server.address, "watchKey": "work", "value": "1"}
        yield Source(
            {"type": "etcd", "metadata": metadata},
            _by(server.put, "work", "1"),
            _by(server.put, "work", "0"),
        )


@contextmanager
def _kafka(_folder: Path) -> Iterator[Source]:
    from aiokafka import AIOKafkaProducer

    from parts.kafka_server import KafkaBroker

    with KafkaBroker() as broker:
        asyncio.run(broker.create(work=1))
        asyncio.run(broker.commit("workers", "work", 0))
        sent = 0
        producers: list[Any] = []

        async def send() -> None:
            nonlocal sent
            if not producers:
                producer: Any = AIOKafkaProducer
                producers.append(producer(bootstrap_servers=broker.address))
                await producers[0].start()
            sent += 1
            await producers[0].send_and_wait("work", b"x", partition=0)

        async def take() -> None:
            # A commit is not heard. The record that comes after it is, and counts as read.
            await broker.commit("workers", "work", sent + 1)
            await send()

        async def stop() -> None:
            for producer in producers:
                await producer.stop()

        metadata = {"bootstrapServers": broker.address, "consumerGroup": "workers", "topic": "work"}
        yield Source(
            {"type": "kafka", "metadata": {**metadata, "lagThreshold": "1"}},
            lambda _: send(),
            lambda _: take(),
            {"tidegate.dev/listen": "work"},
            stop=stop,
        )


@contextmanager
def _rabbitmq(_folder: Path) -> Iterator[Source]:
    from parts.rabbitmq_server import RabbitmqServer
    from tidegate.connections.adapter import Surroundings
    from tidegate.connections.rabbitmq import frames
    from tidegate.connections.rabbitmq.link import Dialling, Link
    from tidegate.kit.systems.rabbitmq import AmqpServer

    with RabbitmqServer() as broker:
        broker.api("PUT", "/exchanges/%2F/work", {"type": "topic"})
        broker.make_queue("work")
        broker.api("POST", "/bindings/%2F/e/work/q/work", {"routing_key": "work.new"})
        server = AmqpServer("127.0.0.1", broker.port, username="admin", password=broker.password)
        links: list[Link] = []

        async def publish(key: str) -> None:
            if not links:
                links.append(Link(server, Dialling(Surroundings())))
                await links[0].open()
                links[0].send(frames.open_channel(1))
            links[0].send(_published("work", key))

        async def take() -> None:
            # A queue that is emptied tells nobody. The message that comes after it is heard and not kept.
            await asyncio.to_thread(broker.api, "DELETE", "/queues/%2F/work/contents")
            await publish("work.done")

        async def stop() -> None:
            for link in links:
                await link.close()

        metadata = {"queueName": "work", "mode": "QueueLength", "value": "1", "hostFromEnv": "RABBITMQ"}
        yield Source(
            {"type": "rabbitmq", "metadata": metadata},
            lambda _: publish("work.new"),
            lambda _: take(),
            {"tidegate.dev/listen": "work/work.*"},
            {"RABBITMQ": f"amqp://admin:{broker.password}@{broker.address}/"},
            stop=stop,
        )


def _published(exchange: str, key: str) -> bytes:
    """A message of one byte."""
    from tidegate.connections.claims import rabbitmq_frames as messages
    from tidegate.connections.rabbitmq import frames

    head, body = struct.pack(">HHQH", 60, 0, 1, 0), b"x"
    where = b"\x00\x00" + frames.short(exchange) + frames.short(key) + b"\x00"
    parts = ((messages.HEADER, head), (messages.BODY, body))
    return frames.method(1, messages.PUBLISH, where) + b"".join(
        frames.HEAD.pack(kind, 1, len(payload)) + payload + bytes([frames.END]) for kind, payload in parts
    )


@contextmanager
def _pods(_folder: Path) -> Iterator[Source]:
    container = {"name": "load", "image": "load", "command": ["sleep", "3600"]}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "load", "namespace": "default", "labels": {"app": "load"}},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
    }
    yield Source(
        {"type": "kubernetes-workload", "metadata": {"podSelector": "app=load", "value": "1"}},
        lambda client: client.create(PODS, "default", pod),
        lambda client: client.delete(PODS, "default", "load", grace_s=0),
    )


@contextmanager
def _kubernetes(_folder: Path) -> Iterator[Source]:
    def write(number: str) -> Act:
        return lambda client: client.patch(CONFIG_MAPS, "default", "work", {"data": {"n": number}})

    metadata = {"resourceKind": "ConfigMap", "resourceName": "work", "key": "n", "targetValue": "1"}
    yield Source(
        {"type": "kubernetes-resource", "metadata": metadata},
        write("1"),
        write("0"),
        objects=((CONFIG_MAPS, {"metadata": {"name": "work", "namespace": "default"}, "data": {"n": "0"}}),),
    )


@contextmanager
def _nats(_folder: Path) -> Iterator[Source]:
    from parts.nats_server import NatsServer

    with NatsServer() as server:
        server.make("work", "workers")
        metadata = {
            "natsServerMonitoringEndpoint": server.monitoring,
            "clientUrl": f"nats://127.0.0.1:{server.port}",
            "account": "SHOP",
            "stream": "work",
            "consumer": "workers",
            "lagThreshold": "1",
        }
        yield Source(
            {"type": "nats-jetstream", "metadata": metadata},
            _by(server.publish, "work", 1),
            # That a message is done nobody tells of; that a stream was changed is told.
            _by(_emptied, server),
        )


def _emptied(server: Any) -> None:
    server.ask("$JS.API.STREAM.PURGE.work")
    for subjects in (["work", "other"], ["work"]):
        server.ask("$JS.API.STREAM.UPDATE.work", {"name": "work", "subjects": subjects})


SOURCES: dict[str, Callable[[Path], AbstractContextManager[Source]]] = {
    "redis": _redis,
    "redis-cluster": _redis_cluster,
    "postgresql": _postgresql,
    "etcd": _etcd,
    "kafka": _kafka,
    "rabbitmq": _rabbitmq,
    "kubernetes-resource": _kubernetes,
    "kubernetes-workload": _pods,
    "nats-jetstream": _nats,
}


def measure(folder: Path, name: str, pushes: int = PUSHES) -> list[Figure]:
    """A message at a time, at random moments, for a Deployment at zero; a watch sees `spec.replicas`."""
    with SOURCES[name](folder) as source:
        up = Up(folder / "state")
        try:
            waits = asyncio.run(_pushes(up, source, pushes))
        finally:
            up.stop()
    means = f"a message is put → a watch shows the Deployment's new replicas, {pushes} messages, no poll"
    return [
        Figure(PART, f"`{name}` p50", quantile(waits, 0.5) * 1e3, "ms", means),
        Figure(PART, f"`{name}` p99", quantile(waits, 0.99) * 1e3, "ms", means, goal("<", 250)),
    ]


class _Replicas:
    """The Deployment's replicas as a watch shows them."""

    def __init__(self) -> None:
        self.now = -1
        self._is_changed = asyncio.Event()

    async def follow(self, client: Client, opened: asyncio.Event) -> None:
        async for event in client.watch(DEPLOYMENTS, "default", on_open=opened.set):
            if event.type != "BOOKMARK":
                self.now = msgspec.json.decode(event.raw)["spec"].get("replicas", 1)
                self._is_changed.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while self.now != count:
                self._is_changed.clear()
                await self._is_changed.wait()


async def _pushes(up: Up, source: Source, pushes: int) -> list[float]:
    client, seen, opened = Client(load(up.kubeconfig)), _Replicas(), asyncio.Event()
    waits: list[float] = []
    chance = random.Random(1)
    following = asyncio.create_task(seen.follow(client, opened))
    try:
        await opened.wait()
        for resource, body in source.objects:
            await client.create(resource, "default", body)
        await client.create(DEPLOYMENTS, "default", deployment(source))
        await client.create(SCALED_OBJECTS, "default", scaled_object(source))
        await seen.until(0)
        for number in range(pushes + 1):
            await asyncio.sleep(QUIET_S + chance.random())
            began_s = time.monotonic()
            await source.put(client)
            await seen.until(1)
            # The first one also pays for the object's own arrival.
            if number:
                waits.append(time.monotonic() - began_s)
            await asyncio.sleep(QUIET_S)
            await source.take(client)
            await seen.until(0)
    finally:
        following.cancel()
        await asyncio.wait([following])
        await client.close()
        if source.stop is not None:
            await source.stop()
    return waits


def deployment(source: Source) -> dict[str, Any]:
    env = [{"name": name, "value": value} for name, value in source.env.items()]
    container = {"name": "worker", "image": "worker", "command": ["sleep", "3600"], "env": env}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "worker", "namespace": "default"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "worker"}},
            "template": {
                "metadata": {"labels": {"app": "worker"}},
                "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
            },
        },
    }


def scaled_object(source: Source) -> dict[str, Any]:
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "worker", "namespace": "default", "annotations": source.annotations},
        "spec": {
            "pollingInterval": POLLING_S,
            "cooldownPeriod": 0,
            "maxReplicaCount": 1,
            "scaleTargetRef": {"name": "worker"},
            "triggers": [source.trigger],
        },
    }
