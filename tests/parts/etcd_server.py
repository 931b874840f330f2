"""An etcd on loopback, without logins at first."""

from __future__ import annotations

import base64
import json
from typing import Any

from parts.server_process import ServerProcess
from parts.servers import program


class EtcdServer(ServerProcess):
    server = "etcd"
    port_count = 2

    def command(self) -> list[str]:
        clients, peers = (f"http://127.0.0.1:{port}" for port in self.ports)
        return [
            *(str(program("etcd", "etcd")), "--name", self.token, "--data-dir", str(self.folder / "store")),
            *("--listen-client-urls", clients, "--advertise-client-urls", clients),
            *("--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers),
            *("--initial-cluster", f"{self.token}={peers}"),
            *("--experimental-watch-progress-notify-interval", "1s"),
        ]

    def is_ready(self) -> bool:
        members = self.ask("/v3/cluster/member/list", {})["members"]
        return [one["name"] for one in members] == [self.token] and self.get("/health")["health"] == "true"

    def ask(self, path: str, body: Any, token: str = "") -> Any:
        """A call of the JSON gateway."""
        headers = {"authorization": token} if token else {}
        return json.loads(self.call("POST", path, body=body, **headers))

    def put(self, key: str, value: str, token: str = "") -> None:
        texts = {"key": key, "value": value}
        self.ask(
            "/v3/kv/put", {name: base64.b64encode(t.encode()).decode() for name, t in texts.items()}, token
        )
