"""A NATS server with JetStream on loopback."""

from __future__ import annotations

from typing import Any

from parts.server_process import ServerProcess
from parts.servers import program

CONFIGURATION = """
server_name: {token}
host: 127.0.0.1
port: {port}
http: "127.0.0.1:{monitoring}"
jetstream {{ store_dir: "{folder}", max_mem: 64M, max_file: 256M }}
"""


class NatsServer(ServerProcess):
    server = "nats"
    port_count = 2

    @property
    def monitoring(self) -> str:
        """Host and port of the monitoring pages."""
        return f"127.0.0.1:{self.ports[1]}"

    def prepare(self) -> None:
        text = CONFIGURATION.format(
            token=self.token, port=self.port, monitoring=self.ports[1], folder=self.folder
        )
        self.write("nats.conf", text)

    def command(self) -> list[str]:
        return [str(program("nats", "bin/nats-server")), "-c", "nats.conf"]

    def is_ready(self) -> bool:
        return self.page("/varz")["server_name"] == self.token and self.page("/healthz")["status"] == "ok"

    def page(self, path: str) -> Any:
        """A page of the monitoring port."""
        return self.get(path, port=self.ports[1])
