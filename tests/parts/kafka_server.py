"""Kafka brokers (KRaft) on loopback: one with every kind of listener, or several as one cluster."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import socket
import struct
from collections.abc import Iterable, Mapping, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.protocol.commit import OffsetCommitRequest_v3
from cryptography.hazmat.primitives import serialization

from parts import faults
from parts.server_process import ServerProcess
from parts.servers import installed
from tidegate.base.errors import TidegateError, Unreachable
from tidegate.connections.adapter import Surroundings
from tidegate.connections.kafka import wire
from tidegate.connections.kafka.cluster import Cluster
from tidegate.connections.kafka.ends import read_offsets
from tidegate.connections.kafka.link import Dialling, Traffic

USER, PASSWORD = "alice", "hunter2-alice"
Topics = Iterable[tuple[str, list[tuple[int, int, str]]]]
LISTENERS = ("PLAIN", "CONTROLLER", "PROXIED", "SASL", "TLS", "MUTUAL", "SASLTLS")

CONFIGURATION = """
process.roles={roles}
node.id={node}
controller.quorum.voters=1@127.0.0.1:{controller}
listeners={listeners}
advertised.listeners={advertised}
listener.security.protocol.map=PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT,SASL:SASL_PLAINTEXT,TLS:SSL,MUTUAL:SSL,SASLTLS:SASL_SSL
inter.broker.listener.name=PLAIN
controller.listener.names=CONTROLLER
log.dirs={folder}/data
auto.create.topics.enable=true
delete.topic.enable=true
num.partitions=1
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions={offset_partitions}
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=2
log.cleaner.enable=false
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
ssl.client.auth=requested
listener.name.mutual.ssl.client.auth=required
"""

LOGINS = {
    "plain": f'plain.PlainLoginModule required user_{USER}="{PASSWORD}"',
    "scram-sha-256": "scram.ScramLoginModule required",
    "scram-sha-512": "scram.ScramLoginModule required",
    # The broker's own unsecured validator: it believes every token that is well-formed and not yet over.
    "oauthbearer": 'oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker"',
}


class KafkaBroker(ServerProcess):
    """A broker. `joins` is the broker that is the controller too; without it this one is.

    What it advertises on the listener `proxied` is `proxy_port`, where a test puts a proxy in front of it.
    """

    server = "kafka"
    port_count = len(LISTENERS) + 1
    start_s = 60.0
    # A broker that leaves in good order waits for the others to take over, which here are leaving too.
    stop_s = 1.0
    flags: tuple[str, ...] = ()

    def __init__(self, node: int = 1, joins: KafkaBroker | None = None, offset_partitions: int = 1) -> None:
        super().__init__()
        self.node = node
        self.joins = joins
        self.offset_partitions = joins.offset_partitions if joins else offset_partitions
        self.cluster_id = joins.cluster_id if joins else new_cluster_id()
        self.is_new = True

    # --- the process

    def prepare(self) -> None:
        issued = faults.authority().issue_cert("127.0.0.1", "localhost")
        key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        chain = b"".join(one.bytes() for one in issued.cert_chain_pems)
        self.write("broker.pem", (key + chain).decode())
        self.write("ca.pem", faults.authority().cert_pem.bytes().decode())
        places = dict(zip(LISTENERS, self.ports, strict=False))
        if self.joins:
            del places["CONTROLLER"]
        advertised = {**places, "PROXIED": self.proxy_port}
        advertised.pop("CONTROLLER", None)
        text = CONFIGURATION.format(
            roles="broker" if self.joins else "broker,controller",
            node=self.node,
            controller=(self.joins or self).listener("CONTROLLER"),
            listeners=_listed(places),
            advertised=_listed(advertised),
            folder=self.folder,
            offset_partitions=self.offset_partitions,
        )
        modules = "org.apache.kafka.common.security."
        for listener in ("sasl", "sasltls"):
            for mechanism, module in LOGINS.items():
                text += f"listener.name.{listener}.{mechanism}.sasl.jaas.config={modules}{module};\n"
        self.write("server.properties", text + self._more())
        scram = [f"SCRAM-SHA-{size}=[name={USER},password={PASSWORD}]" for size in (256, 512)]
        self.run(
            [*self._java("kafka.tools.StorageTool"), "format", "-t", self.cluster_id]
            + ["-c", "server.properties"]
            + [word for one in scram for word in ("--add-scram", one) if not self.joins]
        )

    def command(self) -> Sequence[str]:
        return [*self._java("kafka.Kafka"), "server.properties"]

    def is_ready(self) -> bool:
        request = struct.pack(">hhih", 3, 2, 1, -1) + struct.pack(">i", 0)
        with socket.create_connection(("127.0.0.1", self.port), timeout=self.probe_s) as one:
            one.sendall(struct.pack(">i", len(request)) + request)
            return self.cluster_id.encode() in one.recv(4096)

    def _more(self) -> str:
        """What a subclass adds to its configuration."""
        return ""

    def _java(self, program: str) -> list[str]:
        jars = installed("kafka") / "lib" / "*"
        flags = ["-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *self.flags]
        return ["java", *flags, "-cp", str(jars), program]

    def freeze(self) -> None:
        """It is there, and neither reads nor answers until it is thawed."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def listener(self, name: str) -> int:
        return self.ports[LISTENERS.index(name)]

    @property
    def proxy_port(self) -> int:
        return self.ports[-1]

    def at(self, listener: str) -> str:
        """The address of a listener."""
        return f"127.0.0.1:{self.listener(listener)}"

    # --- what a test puts into it

    async def create(self, **partitions: int) -> None:
        """Topics by name."""
        await self.create_topics([NewTopic(name, count, 1) for name, count in partitions.items()])

    async def create_topics(self, topics: Sequence[NewTopic]) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.address)
        await admin.start()
        try:
            for reply in [await admin.create_topics(topics)]:
                assert all(entry[1] == 0 for entry in reply.topic_errors), reply
        finally:
            await admin.close()
        await self._until_led([topic.name for topic in topics])

    async def _until_led(self, names: Sequence[str]) -> None:
        """Returns when each partition's leader knows that it is one."""
        cluster = self._cluster()
        try:
            async with asyncio.timeout(self.start_s):
                while True:
                    cluster.begin()
                    topics, _ = await cluster.look(names, ())
                    places = [(name, number) for name in names for number in topics[name].leaders]
                    ends = await read_offsets(cluster, places, topics, wire.LATEST)
                    if places and not any(isinstance(end, TidegateError) for end in ends.values()):
                        return
                    await asyncio.sleep(0.1)
        finally:
            await cluster.close()

    def _cluster(self) -> Cluster:
        cluster = Cluster([self.address], "the test's")
        cluster.dialling = Dialling(Traffic(), Surroundings(timeout_s=30.0))
        return cluster

    async def topics(self) -> set[str]:
        """The names of those there are."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.address)
        await admin.start()
        try:
            return set(await admin.list_topics())
        finally:
            await admin.close()

    async def delete(self, *topics: str) -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.address)
        await admin.start()
        try:
            await admin.delete_topics(list(topics))
        finally:
            await admin.close()

    async def produce(self, topic: str, *counts: int) -> None:
        """As many messages for each partition in turn."""
        await self.produce_all({topic: counts})

    async def produce_all(self, topics: Mapping[str, Sequence[int]]) -> None:
        """The same for many topics."""
        producer = AIOKafkaProducer(bootstrap_servers=self.address, linger_ms=5)
        await producer.start()
        try:
            for topic, counts in topics.items():
                for partition, count in enumerate(counts):
                    for _ in range(count):
                        await producer.send(topic, b"x", partition=partition)
            await producer.flush()
        finally:
            await producer.stop()

    async def commit(self, group: str, topic: str, *offsets: int | None) -> None:
        """The group's offset for each partition in turn; None leaves one out."""
        places = [(n, offset, "") for n, offset in enumerate(offsets) if offset is not None]
        await self.commit_all({group: [(topic, places)]})

    async def commit_all(self, groups: Mapping[str, Topics]) -> None:
        """For many groups: topics with partition, offset and a text."""
        cluster = self._cluster()
        waiting = dict(groups)
        try:
            for _ in range(100):
                cluster.begin()
                cluster.forget(waiting)
                await cluster.look([], waiting)
                done = await asyncio.gather(*(_committed(cluster, waiting, node) for node in cluster.nodes))
                waiting = {group: waiting[group] for group in waiting.keys() - set().union(*done)}
                if not waiting:
                    return
                # The groups' coordinators come up with the first commit.
                await asyncio.sleep(0.1)
            raise AssertionError(f"nobody takes the commits of {len(waiting)} groups")
        finally:
            await cluster.close()


class TokenKafka(KafkaBroker):
    """It takes tokens of `issuer` for audience `kafka`, signed by a key at `keys_uri`, and no others."""

    def __init__(self, issuer: str, keys_uri: str) -> None:
        super().__init__()
        self.issuer = issuer
        self.keys_uri = keys_uri
        self.flags = (f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={keys_uri}",)

    def _more(self) -> str:
        package, listener = "org.apache.kafka.common.security.oauthbearer", "listener.name.sasl.oauthbearer"
        # The last line of a name counts.
        return f"""
{listener}.sasl.jaas.config={package}.OAuthBearerLoginModule required;
{listener}.sasl.server.callback.handler.class={package}.OAuthBearerValidatorCallbackHandler
sasl.oauthbearer.jwks.endpoint.url={self.keys_uri}
sasl.oauthbearer.expected.issuer={self.issuer}
sasl.oauthbearer.expected.audience=kafka
"""


async def _committed(cluster: Cluster, groups: Mapping[str, Topics], node: int) -> set[str]:
    """The groups whose commits their coordinator, this node, has taken."""
    requests = {
        group: OffsetCommitRequest_v3(group, -1, "", -1, list(topics))
        for group, topics in groups.items()
        if cluster.coordinator(group) == node
    }
    try:
        replies = await cluster.ask(node, lambda _: list(requests.values())) if requests else []
    except Unreachable:
        return set()
    taken = set()
    for group, reply in zip(requests, replies, strict=True):
        codes = {code for _, partitions in reply.topics for _, code in partitions}
        assert codes <= {0, 14, 15, 16}, codes
        if codes == {0}:
            taken.add(group)
    return taken


def new_cluster_id() -> str:
    """A random id as Kafka writes them (16 bytes in base64), which never begins with "-": its command line
    would take that for a flag.
    """
    first, *rest = os.urandom(16)
    return base64.urlsafe_b64encode(bytes([first & 0x7F, *rest])).decode()[:22]


def _listed(places: Mapping[str, int]) -> str:
    return ",".join(f"{name}://127.0.0.1:{port}" for name, port in places.items())
