"""NATS with JetStream on loopback: one server, or a cluster of three."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import Any

from parts.server_process import ServerProcess, free_ports
from parts.servers import program
from parts.waiting import wait_until

CONFIGURATION = """
server_name: {token}
host: {host}
port: {port}
http: "{host}:{monitoring}"
jetstream {{ store_dir: "{folder}", max_mem: 64M, max_file: 256M }}
accounts {{
  SYS: {{ users: [{{user: sys, password: pw}}] }}
  SHOP: {{ jetstream: enabled, users: [{{user: shop, password: pw}}] }}
  OTHER: {{ jetstream: enabled, users: [{{user: other, password: pw}}] }}
}}
no_auth_user: shop
system_account: SYS
"""
CREATIONS = 4
"""Times that a stream or consumer is asked for."""

CLUSTER = """
cluster {{ name: c1, listen: "{host}:{routing}", routes: [{routes}] }}
"""


class NatsServer(ServerProcess):
    """Who does not log in is in the account SHOP; there is another, OTHER."""

    server = "nats"
    port_count = 2

    @property
    def monitoring(self) -> str:
        """Host and port of the monitoring pages."""
        return f"{self.host}:{self.ports[1]}"

    def prepare(self) -> None:
        self.write("nats.conf", self.configuration())

    def configuration(self) -> str:
        return CONFIGURATION.format(
            token=self.token,
            host=self.host,
            port=self.port,
            monitoring=self.ports[1],
            folder=self.folder,
        )

    def command(self) -> list[str]:
        return [str(program("nats", "bin/nats-server")), "-c", "nats.conf"]

    def is_ready(self) -> bool:
        return self.page("/varz")["server_name"] == self.token and self.page("/healthz")["status"] == "ok"

    def page(self, path: str) -> Any:
        """A page of the monitoring port."""
        return self.get(path, port=self.ports[1])

    def ask(
        self,
        subject: str,
        body: Any = None,
        user: str = "shop",
        *,
        password: str = "pw",
        is_acknowledged: bool = False,
        headers: bytes = b"",
    ) -> Any:
        """The JSON answer to a request; raises what JetStream says went wrong. A body is sent as JSON, or as
        it is where it is bytes."""
        payload = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        login = json.dumps({"verbose": False, "user": user, "pass": password, "headers": True})
        sizes = f"{len(headers)} {len(headers) + len(payload)}" if headers else f"{len(payload)}"
        lines = f"CONNECT {login}\r\nSUB _INBOX.one 1\r\n"
        lines += f"{'H' if headers else ''}PUB {subject} _INBOX.one {sizes}\r\n"
        payload = headers + payload
        with socket.create_connection((self.host, self.port), 5) as connection:
            connection.sendall(lines.encode() + payload + b"\r\n")
            with connection.makefile("rb") as said:
                for line in said:
                    if line.startswith(b"MSG "):
                        answer = json.loads(said.read(int(line.split()[-1])))
                        assert "error" not in answer, (subject, answer)
                        if is_acknowledged:
                            to = line.split()[3].decode()
                            connection.sendall(f"PUB {to} 4\r\n+ACK\r\nPING\r\n".encode())
                            assert any(one == b"PONG\r\n" for one in said)
                        return answer
                    assert not line.startswith(b"-ERR"), line
        raise AssertionError(f"{subject} was not answered")

    def make(self, stream: str, *consumers: str, user: str = "shop", copies: int = 1) -> None:
        """A stream with durable pull consumers. Its subject is its name."""
        form = {"name": stream, "subjects": [stream], "num_replicas": copies}
        self._create(f"$JS.API.STREAM.CREATE.{stream}", form, user)
        for consumer in consumers:
            form = {"stream_name": stream, "config": {"durable_name": consumer, "ack_policy": "explicit"}}
            self._create(f"$JS.API.CONSUMER.DURABLE.CREATE.{stream}.{consumer}", form, user)

    def _create(self, subject: str, form: Any, user: str) -> None:
        """Asks again where no answer comes: a cluster may lose what it is asked while it chooses a leader.

        What is there already in the same form is an answer too.
        """
        for _ in range(CREATIONS - 1):
            with suppress(TimeoutError):
                self.ask(subject, form, user)
                return
        self.ask(subject, form, user)

    def publish(self, stream: str, count: int, user: str = "shop") -> None:
        for number in range(count):
            self.ask(stream, {"number": number}, user)

    def take(self, stream: str, consumer: str, user: str = "shop") -> Any:
        """A worker takes one message and does not acknowledge it."""
        return self.ask(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}", {"batch": 1}, user)

    def acknowledge(self, stream: str, consumer: str, user: str = "shop") -> None:
        """A worker takes one message and is done with it."""
        self.ask(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}", {"batch": 1}, user, is_acknowledged=True)


class Node(NatsServer):
    """One of a cluster: its own address, the ports of them all."""

    port_count = 0

    def __init__(self, host: str, ports: list[int], routes: str) -> None:
        super().__init__()
        self.host, self._shared, self._routes = host, ports, routes

    def prepare(self) -> None:
        self.ports = self._shared
        super().prepare()

    def configuration(self) -> str:
        cluster = CLUSTER.format(host=self.host, routing=self._shared[2], routes=self._routes)
        return super().configuration() + cluster

    def is_ready(self) -> bool:
        return bool(self.page("/varz")["server_name"] == self.token)


class NatsCluster:
    """Three nodes on 127.0.1.1 to 127.0.1.3, with the same ports, as pods have them."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []

    def start(self) -> None:
        ports = free_ports(3)
        hosts = [f"127.0.1.{number}" for number in (1, 2, 3)]
        routes = ", ".join(f'"nats://{host}:{ports[2]}"' for host in hosts)
        self.nodes = [Node(host, ports, routes) for host in hosts]
        for node in self.nodes:
            node.start()
        wait_until(lambda: all(self._is_well(node) for node in self.nodes), "the nodes meet", 30)

    def _is_well(self, node: Node) -> bool:
        meta = node.page("/jsz").get("meta_cluster", {})
        return meta.get("cluster_size") == len(self.nodes) and bool(meta.get("leader"))

    def leader(self, stream: str, consumer: str) -> Node | None:
        """The node that says of itself that it leads a consumer."""
        for node in self.nodes:
            with suppress(OSError, LookupError, StopIteration):
                account = node.page("/jsz?acc=SHOP&consumers=true")["account_details"][0]
                detail = next(one for one in account["stream_detail"] if one["name"] == stream)
                found = next(one for one in detail["consumer_detail"] if one["name"] == consumer)
                if found["cluster"].get("leader") == node.token:
                    return node
        return None

    def settle(self, consumer: str, *streams: str) -> None:
        """Returns when a node leads the consumer of each stream: a busy machine may hold an election."""
        wait_until(
            lambda: all(self.leader(stream, consumer) for stream in streams), "leaders are elected", 30
        )

    def close(self) -> None:
        for node in self.nodes:
            node.close()

    def __enter__(self) -> Any:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
