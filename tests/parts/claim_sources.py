"""Sources of claimed work at real servers, as the laws of claims need them: filled, looked at, emptied."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import Any, Protocol
from urllib.error import HTTPError
from xml.etree import ElementTree

from parts.asked_leases import AskedLeases
from parts.azurite_server import Azurite
from parts.claimed_rows import rows
from parts.elasticmq_server import REGION, ElasticMq
from parts.nats_consumer import nats_consumer
from parts.rabbitmq_server import RabbitmqServer
from parts.redis_servers import RedisProcess, redis_of, starting
from parts.server_process import Servers
from parts.waiting import wait_until
from tidegate.kit.identity import AwsKeys
from tidegate.kit.systems.aws import AwsServer
from tidegate.kit.systems.azure_queue_claims import AzureQueueSource
from tidegate.kit.systems.claims import Source
from tidegate.kit.systems.rabbitmq import AmqpServer
from tidegate.kit.systems.rabbitmq_claims import RabbitmqQueueSource
from tidegate.kit.systems.redis import Mode, RedisServer
from tidegate.kit.systems.redis_claims import RedisListSource, RedisStreamSource
from tidegate.kit.systems.sqs_claims import SqsSource


class ClaimSource(Protocol):
    """A place that messages are claimed from, at a server of our own.

    `port` is the server's. `keeps_leases`: a lease ends by itself, and another holder may take the message;
    where it does not, what is held ends with the connection. `is_behind_proxy`: who is told a proxy's address
    asks nobody else. `gives_receipts`: identity and receipt are all that it knows of a claim: no list of what
    is held, no count of ended Jobs. `tells_losses`: it says so of a message that somebody else has taken
    since. `holds_on`: a lease that has ended is renewed while nobody else has taken the message. `shortest_s`
    is the shortest lease or rest that it can keep. One death in `pace` is died, where each is a wait.
    """

    port: int
    keeps_leases: bool
    is_behind_proxy: bool
    gives_receipts: bool
    tells_losses: bool
    holds_on: bool
    shortest_s: float
    pace: int

    def empty(self) -> None:
        """Nothing is in it, and nothing beside it."""

    def lasts(self, lease_s: float) -> None:
        """What is claimed from now on is held for so long, where the server itself has to know."""

    def push(self, *bodies: bytes) -> None: ...

    def source(self, address: str) -> Source:
        """As a trigger names it, at this address."""

    def unclaimed(self) -> list[bytes]:
        """The bodies that nobody has claimed, in order."""

    def dead(self) -> list[bytes]:
        """The bodies that were put aside."""

    def kept(self) -> int:
        """How many messages are claimed, or were released and rest, once nobody is connected that claims."""


class InRedis(AskedLeases):
    """`mode` cluster: a cluster of one node, which tells its own address."""

    keeps_leases = True
    gives_receipts = False
    shortest_s = 0.5

    def __init__(self, server: RedisProcess, mode: Mode = "single") -> None:
        self.server = server
        self.port = server.port
        self.mode: Mode = mode
        self.is_behind_proxy = mode == "single"

    def named(self, address: str) -> RedisServer:
        return RedisServer((address,), mode=self.mode)

    def empty(self) -> None:
        self.server.call("FLUSHALL")


class RedisList(InRedis):
    bad = "{jobs}:bad"

    def push(self, *bodies: bytes) -> None:
        self.server.call("RPUSH", "jobs", *bodies)

    def source(self, address: str) -> Source:
        return RedisListSource(self.named(address), "jobs", dead_letter=self.bad)

    def unclaimed(self) -> list[bytes]:
        found: list[bytes] = self.server.call("LRANGE", "jobs", 0, -1)
        return found

    def dead(self) -> list[bytes]:
        found: list[bytes] = self.server.call("LRANGE", self.bad, 0, -1)
        return found

    def kept(self) -> int:
        sizes = {"leases": "ZCARD", "waiting": "ZCARD", "bodies": "HLEN", "holders": "HLEN", "ended": "HLEN"}
        counts = {name: self.server.call(size, f"{{jobs}}:tidegate:{name}") for name, size in sizes.items()}
        assert counts["bodies"] == counts["leases"] + counts["waiting"], counts
        assert counts["leases"] == counts["holders"], counts
        assert counts["ended"] <= counts["bodies"], counts
        return int(counts["bodies"])


class RedisStream(InRedis):
    bad = "{orders}:bad"

    def push(self, *bodies: bytes) -> None:
        for body in bodies:
            self.server.call("XADD", "orders", "*", "kind", "csv", "body", body)

    def source(self, address: str) -> Source:
        return RedisStreamSource(self.named(address), "orders", "workers", "body", self.bad)

    def unclaimed(self) -> list[bytes]:
        """The entries that the group has not read."""
        groups = self._raw("XINFO", "GROUPS", "orders") if self.server.call("EXISTS", "orders") else []
        last = groups[0][groups[0].index(b"last-delivered-id") + 1] if groups else b"0-0"
        return self._bodies("orders", b"(" + last)

    def dead(self) -> list[bytes]:
        return self._bodies(self.bad, "-")

    def kept(self) -> int:
        pending = int(self._raw("XPENDING", "orders", "workers")[0])
        sizes = {"leases": "ZCARD", "waiting": "ZCARD", "ended": "HLEN"}
        own = "{orders}:tidegate:workers:"
        counts = {name: self.server.call(size, own + name) for name, size in sizes.items()}
        assert pending == counts["leases"] + counts["waiting"], (pending, counts)
        assert counts["ended"] <= pending, (pending, counts)
        return pending

    def _bodies(self, key: str, first: Any) -> list[bytes]:
        entries = self._raw("XRANGE", key, first, "+")
        return [fields[fields.index(b"body") + 1] for _, fields in entries]

    def _raw(self, *command: Any) -> Any:
        """The reply as Redis gives it."""
        return self.server.call("EVAL", "return redis.call(unpack(ARGV))", 0, *command)


def in_redis(
    kind: Callable[[RedisProcess, Mode], InRedis], mode: Mode, major: int | None = None
) -> Callable[[], Any]:
    """Starts a Redis with such a source, as a context; `major` is its version, where one matters."""

    @contextmanager
    def started() -> Iterator[InRedis]:
        with starting() as start:
            if mode == "cluster":
                server = start("--cluster-enabled", "yes")
                server.call("CLUSTER", "ADDSLOTS", *range(16384))
                ok = lambda: b"cluster_state:ok" in server.call("CLUSTER", "INFO")  # noqa: E731
                wait_until(ok, "the cluster serves its slots", 20)
            else:
                server = start(program=redis_of(major) if major else "")
            yield kind(server, mode)

    return started


class RabbitmqQueue(AskedLeases):
    keeps_leases = False
    is_behind_proxy = True
    gives_receipts = False
    shortest_s = 0.5

    def __init__(self, server: RabbitmqServer) -> None:
        self.server = server
        self.port = server.port

    def empty(self) -> None:
        for queue in self.server.api("GET", "/queues/%2F?columns=name"):
            with suppress(HTTPError):
                # Who claimed from it and holds nothing any more takes its queue with it.
                self.server.drop_queue(queue["name"])
        self.server.make_queue("jobs")
        self.server.make_queue("bad")

    def push(self, *bodies: bytes) -> None:
        for body in bodies:
            message = {
                "properties": {"headers": {"kind": "csv"}},
                "routing_key": "jobs",
                "payload": base64.b64encode(body).decode(),
                "payload_encoding": "base64",
            }
            assert self.server.api("POST", "/exchanges/%2F/amq.default/publish", message)["routed"]

    def source(self, address: str) -> Source:
        host, _, port = address.partition(":")
        server = AmqpServer(host, int(port), username="admin", password=self.server.password)
        return RabbitmqQueueSource(server, "jobs", "bad")

    def unclaimed(self) -> list[bytes]:
        return self._bodies("jobs")

    def dead(self) -> list[bytes]:
        return self._bodies("bad")

    def kept(self) -> int:
        """What lies in the queues of claims once nobody reads them: what is read is not looked at."""
        names = [one["name"] for one in self.server.api("GET", "/queues/%2F?columns=name")]
        claims = [name for name in names if name.startswith("tidegate.claims.")]
        count = 0
        for name in claims:
            wait_until(partial(self._is_unread, name), f"nobody reads {name} any more", 20)
            with suppress(HTTPError):
                count += len(self._bodies(name))
        return count

    def _bodies(self, queue: str) -> list[bytes]:
        asked = {"count": 10_000, "ackmode": "ack_requeue_true", "encoding": "base64"}
        found = self.server.api("POST", f"/queues/%2F/{queue}/get", asked)
        return [base64.b64decode(one["payload"]) for one in found]

    def _is_unread(self, queue: str) -> bool:
        consumers = self.server.api("GET", "/consumers/%2F")
        return all(one["queue"]["name"] != queue for one in consumers)


@contextmanager
def rabbitmq_queue() -> Iterator[RabbitmqQueue]:
    server = RabbitmqServer()
    try:
        server.start()
        yield RabbitmqQueue(server)
    finally:
        server.close()


class AzureQueue(AskedLeases):
    keeps_leases = True
    is_behind_proxy = True
    gives_receipts = True
    shortest_s = 1.0
    pace = 2

    def __init__(self, server: Azurite) -> None:
        self.server = server
        self.port = server.port_of("queue")
        for queue in ("jobs", "bad"):
            server.client.make_queue(queue)

    def empty(self) -> None:
        for queue in ("jobs", "bad"):
            self.server.client.call("queue", "DELETE", f"/{queue}/messages")

    def push(self, *bodies: bytes) -> None:
        for one in bodies:
            body = b"<QueueMessage><MessageText>%s</MessageText></QueueMessage>" % one
            self.server.client.call("queue", "POST", "/jobs/messages", body=body)

    def source(self, address: str) -> Source:
        return AzureQueueSource(self.server.storage("queue", address), "jobs", "bad")

    def unclaimed(self) -> list[bytes]:
        return self._peeked("jobs")

    def dead(self) -> list[bytes]:
        return self._peeked("bad")

    def kept(self) -> int:
        headers, _ = self.server.client.exchange("queue", "GET", "/jobs", {"comp": "metadata"})
        return int(headers["x-ms-approximate-messages-count"]) - len(self.unclaimed())

    def _peeked(self, queue: str) -> list[bytes]:
        query = {"peekonly": "true", "numofmessages": "32"}
        answer = self.server.client.call("queue", "GET", f"/{queue}/messages", query)
        return [(one.text or "").encode() for one in ElementTree.fromstring(answer).iter("MessageText")]


@contextmanager
def azure_queue() -> Iterator[ClaimSource]:
    with closing(Servers()) as servers:
        yield AzureQueue(servers.get(Azurite))


class SqsQueue(AskedLeases):
    keeps_leases = True
    is_behind_proxy = True
    gives_receipts = True
    holds_on = False
    shortest_s = 1.0
    pace = 3

    def __init__(self, server: ElasticMq) -> None:
        self.server = server
        self.port = server.port
        for queue in ("jobs", "bad"):
            server.ask("CreateQueue", QueueName=queue)

    def empty(self) -> None:
        for queue in ("jobs", "bad"):
            self.server.ask("PurgeQueue", QueueUrl=self.server.url(queue))

    def push(self, *bodies: bytes) -> None:
        for one in bodies:
            self.server.ask("SendMessage", QueueUrl=self.server.url("jobs"), MessageBody=one.decode())

    def source(self, address: str) -> Source:
        server = AwsServer("sqs", REGION, AwsKeys("key", "hunter2-hunter2"), f"http://{address}")
        return SqsSource(server, self.server.url("jobs"), "bad")

    def unclaimed(self) -> list[bytes]:
        return self.server.seen("jobs")

    def dead(self) -> list[bytes]:
        return self.server.seen("bad")

    def kept(self) -> int:
        return self.server.in_flight("jobs")


@contextmanager
def sqs_queue() -> Iterator[ClaimSource]:
    with closing(Servers()) as servers:
        yield SqsQueue(servers.get(ElasticMq))


SOURCES: dict[str, Callable[[], Any]] = {
    "postgresql": rows,
    "redis": in_redis(RedisList, "single"),
    "redis-cluster": in_redis(RedisList, "cluster"),
    "redis-streams": in_redis(RedisStream, "single"),
    "redis-cluster-streams": in_redis(RedisStream, "cluster"),
    "rabbitmq": rabbitmq_queue,
    "azure-queue": azure_queue,
    "nats-jetstream": nats_consumer,
    "aws-sqs-queue": sqs_queue,
}
"""By the name of the trigger: how its server is started, a context."""
