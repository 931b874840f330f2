"""A RabbitMQ on loopback: AMQP and management API, plain and over TLS, and users who may do less and less."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any
from urllib.parse import quote

import trustme

from parts.server_process import ServerProcess
from parts.servers import program
from parts.waiting import wait_until

CONFIGURATION = """
listeners.tcp.1 = 127.0.0.1:{ports[0]}
listeners.ssl.1 = 127.0.0.1:{ports[2]}
management.tcp.ip = 127.0.0.1
management.tcp.port = {ports[1]}
management.ssl.ip = 127.0.0.1
management.ssl.port = {ports[3]}
management.ssl.cacertfile = {folder}/ca.pem
management.ssl.certfile = {folder}/server.pem
management.ssl.keyfile = {folder}/server.key
ssl_options.cacertfile = {folder}/ca.pem
ssl_options.certfile = {folder}/server.pem
ssl_options.keyfile = {folder}/server.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = false
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = EXTERNAL
ssl_cert_login_from = common_name
default_user = admin
default_pass = {password}
loopback_users = none
cluster_name = {token}
collect_statistics_interval = 500
"""


class RabbitmqServer(ServerProcess):
    """`admin` may do everything, `reader` reads in `/` alone, `nobody` may open `/` and touch nothing.

    `certified` has no password: it logs in with a client certificate.
    """

    server = "rabbitmq"
    port_count = 6
    start_s = 90.0
    # Debian's package makes this user; as root it would run too.
    user = "rabbitmq"
    password = "hunter2-hunter2"

    @property
    def management(self) -> str:
        """Host and port of the management API."""
        return f"127.0.0.1:{self.ports[1]}"

    @property
    def tls_address(self) -> str:
        return f"127.0.0.1:{self.ports[2]}"

    @property
    def management_tls(self) -> str:
        return f"127.0.0.1:{self.ports[3]}"

    def prepare(self) -> None:
        self.ca = trustme.CA()
        server = self.ca.issue_cert("127.0.0.1", "localhost")
        client = self.ca.issue_cert("certified", common_name="certified")
        self.client_cert = client.cert_chain_pems[0].bytes().decode()
        self.client_key = client.private_key_pem.bytes().decode()
        self.ca_text = self.ca.cert_pem.bytes().decode()
        self.write("ca.pem", self.ca_text)
        self.write("server.pem", server.cert_chain_pems[0].bytes().decode())
        self.write("server.key", server.private_key_pem.bytes().decode())
        self.write("enabled_plugins", "[rabbitmq_management,rabbitmq_auth_mechanism_ssl].")
        text = CONFIGURATION.format(
            ports=self.ports, folder=self.folder, password=self.password, token=self.token
        )
        self.write("rabbitmq.conf", text)

    def command(self) -> list[str]:
        return [str(program("rabbitmq", "rabbitmq-server"))]

    def environment(self) -> dict[str, str]:
        of_erlang = "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1 +sbwt none"
        return {
            "RABBITMQ_NODENAME": f"{self.token}@localhost",
            "RABBITMQ_MNESIA_BASE": f"{self.folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{self.folder}/logs",
            "RABBITMQ_CONFIG_FILE": f"{self.folder}/rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{self.folder}/enabled_plugins",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{self.folder}/generated",
            "RABBITMQ_DIST_PORT": str(self.ports[4]),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self.ports[5]),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": of_erlang,
        }

    def is_ready(self) -> bool:
        if self.api("GET", "/overview")["cluster_name"] != self.token:
            return False
        for name, password, pattern in (
            ("reader", self.password, ".*"),
            ("nobody", self.password, "^$"),
            ("certified", "", ".*"),
        ):
            self.api("PUT", f"/users/{name}", {"password": password, "tags": "management"})
            rights = {"configure": pattern, "write": "^$", "read": pattern}
            self.api("PUT", f"/permissions/%2F/{name}", rights)
        return True

    def kill(self) -> None:
        """Erlang's port mapper starts itself, in a session of its own, and outlives the broker."""
        was_running = self._process is not None
        super().kill()
        epmd = shutil.which("epmd")
        if not was_running or epmd is None:
            return
        command = [epmd, "-port", str(self.ports[5]), "-kill"]

        def is_gone() -> bool:
            """It refuses while it still knows a node; a second time, nobody listens any more."""
            ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=5)
            return b"Cannot connect" in ended.stdout

        wait_until(is_gone, "the end of epmd", 10.0)

    # --- what tests fill it with

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """The management API as administrator; what it answers, None for nothing."""
        login = f"admin:{self.password}"
        text = self.call(method, f"/api{path}", port=self.ports[1], body=body, login=login)
        return json.loads(text) if text else None

    def make_vhost(self, name: str) -> None:
        self.api("PUT", f"/vhosts/{quote(name, safe='')}")

    def make_queue(self, name: str, messages: int = 0, vhost: str = "/") -> None:
        """A queue with so many messages, whatever it held before."""
        place = f"{quote(vhost, safe='')}/{quote(name, safe='')}"
        self.api("PUT", f"/queues/{place}", {"durable": True})
        self.api("DELETE", f"/queues/{place}/contents")
        self.publish(name, messages, vhost)

    def publish(self, name: str, messages: int, vhost: str = "/") -> None:
        message = {"properties": {}, "routing_key": name, "payload": "x", "payload_encoding": "string"}
        for _ in range(messages):
            place = f"/exchanges/{quote(vhost, safe='')}/amq.default/publish"
            assert self.api("POST", place, message)["routed"]

    def drop_queue(self, name: str, vhost: str = "/") -> None:
        self.api("DELETE", f"/queues/{quote(vhost, safe='')}/{quote(name, safe='')}")


class TokenRabbitmq(RabbitmqServer):
    """It also lets in who brings a token that the keys at `keys_uri` have signed, for audience `rabbitmq`."""

    def __init__(self, keys_uri: str) -> None:
        super().__init__()
        self.keys_uri = keys_uri

    def prepare(self) -> None:
        super().prepare()
        plugins = "rabbitmq_management,rabbitmq_auth_mechanism_ssl,rabbitmq_auth_backend_oauth2"
        self.write("enabled_plugins", f"[{plugins}].")
        backends = "auth_backends.1 = internal\nauth_backends.2 = rabbit_auth_backend_oauth2\n"
        self.write("rabbitmq.conf", (self.folder / "rabbitmq.conf").read_text() + backends)
        # Its usual configuration wants https here.
        tokens = f'{{resource_server_id, <<"rabbitmq">>}}, {{key_config, [{{jwks_url, "{self.keys_uri}"}}]}}'
        self.write("advanced.config", f"[{{rabbitmq_auth_backend_oauth2, [{tokens}]}}].")

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "RABBITMQ_ADVANCED_CONFIG_FILE": f"{self.folder}/advanced.config"}
