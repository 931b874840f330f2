"""Cassandra on loopback: one node, logins with passwords, everything in its own folder."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence

from parts.server_process import ServerProcess
from parts.servers import installed
from tidegate.connections.cassandra import frames

LOGIN = PASSWORD = "cassandra"

CONFIG = """\
cluster_name: {token}
num_tokens: 1
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
authenticator: PasswordAuthenticator
authorizer: CassandraAuthorizer
role_manager: CassandraRoleManager
data_file_directories: [{folder}/data]
commitlog_directory: {folder}/commitlog
saved_caches_directory: {folder}/caches
hints_directory: {folder}/hints
cdc_raw_directory: {folder}/cdc
commitlog_sync: periodic
commitlog_sync_period: 10000ms
commitlog_segment_size: 4MiB
memtable_heap_space: 32MiB
memtable_offheap_space: 16MiB
file_cache_size: 16MiB
endpoint_snitch: SimpleSnitch
seed_provider:
- class_name: org.apache.cassandra.locator.SimpleSeedProvider
  parameters: [{{seeds: "127.0.0.1:{ports[1]}"}}]
listen_address: 127.0.0.1
storage_port: {ports[1]}
ssl_storage_port: {ports[2]}
rpc_address: 127.0.0.1
native_transport_port: {ports[0]}
auto_snapshot: false
"""
LOGGING = """<configuration>
<appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
<encoder><pattern>%msg%n</pattern></encoder></appender>
<root level="WARN"><appender-ref ref="OUT"/></root>
</configuration>
"""

JAVA = "jdk.internal.misc jdk.internal.util jdk.internal.util.jar jdk.internal.ref jdk.internal.reflect"
JAVA += (
    " jdk.internal.perf jdk.internal.math jdk.internal.module java.lang java.lang.reflect java.lang.module"
)
JAVA += " java.io java.nio java.net java.util java.util.concurrent java.util.concurrent.atomic sun.nio.ch"
OPENED = {
    "java.base": JAVA.split(),
    "java.rmi": [f"sun.rmi.{one}" for one in ("registry", "server", "transport", "transport.tcp")],
    "java.management.rmi": ["com.sun.jmx.remote.internal.rmi"],
    "java.management": ["sun.management"],
    "jdk.management": ["com.sun.management", "com.sun.management.internal"],
}


class CassandraProcess(ServerProcess):
    server = "cassandra"
    port_count = 3
    start_s = 120.0
    stop_s = 1.0  # it takes its time to stop nicely, and its data are ours

    def prepare(self) -> None:
        self.write("cassandra.yaml", CONFIG.format(token=self.token, folder=self.folder, ports=self.ports))
        self.write("logback.xml", LOGGING)

    def command(self) -> Sequence[str]:
        quick = ["skip_wait_for_gossip_to_settle", "ring_delay_ms", "superuser_setup_delay_ms"]
        return [
            "java",
            "-Xmx384m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            *_opened(),
            "-Djava.security.manager=allow",
            "-Djdk.attach.allowAttachSelf=true",
            f"-Dlogback.configurationFile=file://{self.folder}/logback.xml",
            f"-Dcassandra.config=file:///{self.folder}/cassandra.yaml",
            f"-Dcassandra.storagedir={self.folder}",
            "-Dcassandra-foreground=yes",
            *(f"-Dcassandra.{name}=0" for name in quick),
            "-cp",
            f"{installed(self.server) / 'lib'}/*",
            "org.apache.cassandra.service.CassandraDaemon",
        ]

    def is_ready(self) -> bool:
        found = self.run_cql("SELECT cluster_name FROM system.local")
        return self.token.encode() in found

    def run_cql(self, *statements: str) -> bytes:
        """Runs them as the first user; the body of the last answer."""

        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as one:
            _told(one, frames.STARTUP, frames.startup())
            _told(one, frames.AUTH_RESPONSE, frames.login(LOGIN, PASSWORD))
            said = b""
            for statement in statements:
                said = _told(one, frames.QUERY, frames.query(statement, 1))
            return said


def _opened() -> Iterator[str]:
    for module, packages in OPENED.items():
        for package in packages:
            for word in ("--add-opens", "--add-exports"):
                yield word
                yield f"{module}/{package}=ALL-UNNAMED"


def _told(one: socket.socket, opcode: int, body: bytes) -> bytes:
    one.sendall(frames.frame(4, 0, opcode, body))
    head = _exactly(one, 9)
    _, _, _, said, length = struct.unpack(">BBhBi", head)
    answer = _exactly(one, length)
    if said == frames.ERROR:
        raise LookupError(answer[6:].decode(errors="replace"))
    return answer


def _exactly(one: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        piece = one.recv(count - len(found))
        if not piece:
            raise OSError("closed")
        found += piece
    return found
