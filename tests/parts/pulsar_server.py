"""Pulsar standalone on loopback: broker, bookie and metadata in one JVM."""

from __future__ import annotations

import json
from collections.abc import Sequence

from parts.server_process import ServerProcess
from parts.servers import installed

CONFIGURATION = """
brokerServicePort={ports[0]}
webServicePort={ports[1]}
bindAddress=127.0.0.1
advertisedAddress=127.0.0.1
clusterName={token}
managedLedgerDefaultEnsembleSize=1
managedLedgerDefaultWriteQuorum=1
managedLedgerDefaultAckQuorum=1
managedLedgerCacheSizeMB=16
allowLoopback=true
loadBalancerEnabled=false
systemTopicEnabled=false
topicLevelPoliciesEnabled=false
webSocketServiceEnabled=false
defaultNumberOfNamespaceBundles=1
dbStorage_writeCacheMaxSizeMb=16
dbStorage_readAheadCacheMaxSizeMb=4
"""

OPENED = {
    "java.base": (
        "java.nio",
        "jdk.internal.misc",
        "sun.nio.ch",
        "java.util.zip",
        "java.io",
        "sun.net",
        "java.lang",
    ),
    "java.management": ("sun.management",),
    "jdk.management": ("com.sun.management.internal",),
}
TEXTS = json.dumps({"name": "", "schema": "", "type": "STRING", "properties": {}})


class PulsarServer(ServerProcess):
    server = "pulsar"
    port_count = 3
    start_s = 180.0
    probe_s = 20.0
    stop_s = 20.0

    @property
    def admin(self) -> str:
        """The admin API's base URL."""
        return f"http://{self.host}:{self.ports[1]}"

    def prepare(self) -> None:
        self.write("standalone.conf", CONFIGURATION.format(ports=self.ports, token=self.token))

    def command(self) -> Sequence[str]:
        flags = ["-Xmx256m", "-XX:MaxDirectMemorySize=256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        for module, packages in OPENED.items():
            for package in packages:
                flags += ["--add-opens", f"{module}/{package}=ALL-UNNAMED"]
        flags += ["-Dio.netty.tryReflectionSetAccessible=true", "-Dpulsar.allocator.pooled=false"]
        places = ["--metadata-dir", "meta", "--bookkeeper-dir", "bk", "--bookkeeper-port", str(self.ports[2])]
        return [
            "java",
            *flags,
            *("-cp", str(installed("pulsar") / "lib" / "*")),
            *("org.apache.pulsar.PulsarStandaloneStarter", "--config", "standalone.conf"),
            *("--no-functions-worker", "--no-stream-storage", "-a", "127.0.0.1"),
            *places,
        ]

    def is_ready(self) -> bool:
        clusters = self.get("/admin/v2/clusters", port=self.ports[1])
        return self.token in clusters and bool(
            self.get("/admin/v2/namespaces/public/default", port=self.ports[1])
        )

    def make(self, topic: str, *subscriptions: str, partitions: int = 0) -> None:
        """A topic of public/default, with subscriptions that begin at its end."""
        path = f"/admin/v2/persistent/public/default/{topic}"
        if partitions:
            self.call("PUT", f"{path}/partitions", port=self.ports[1], body=partitions)
        else:
            self.call("PUT", path, port=self.ports[1])
        for one in subscriptions:
            self.call("PUT", f"{path}/subscription/{one}", port=self.ports[1])

    def publish(self, topic: str, count: int) -> None:
        """Messages, one an entry, by the broker's own REST interface."""
        for number in range(count):
            body = {"valueSchema": TEXTS, "messages": [{"payload": f"m{number}"}]}
            self.call("POST", f"/topics/persistent/public/default/{topic}", port=self.ports[1], body=body)

    def skip(self, topic: str, subscription: str, count: int) -> None:
        """As if so many messages had been acknowledged."""
        path = f"/admin/v2/persistent/public/default/{topic}/subscription/{subscription}/skip/{count}"
        self.call("POST", path, port=self.ports[1])
