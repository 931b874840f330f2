"""An etcd on loopback, without logins at first."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from parts.server_process import ServerProcess
from parts.servers import program


class EtcdServer(ServerProcess):
    server = "etcd"
    port_count = 2
    flags: tuple[str, ...] = ()
    # What flags of this release begin with that were new in it.
    new = "experimental-"

    def program(self) -> Path:
        return program("etcd", "etcd")

    def command(self) -> list[str]:
        clients, peers = (f"http://127.0.0.1:{port}" for port in self.ports)
        return [
            *(str(self.program()), "--name", self.token, "--data-dir", str(self.folder / "store")),
            *("--listen-client-urls", clients, "--advertise-client-urls", clients),
            *("--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers),
            *("--initial-cluster", f"{self.token}={peers}"),
            *(f"--{self.new}watch-progress-notify-interval", "1s"),
            *self.flags,
        ]

    def is_ready(self) -> bool:
        # Its members are told to those who log in alone; the log is its own.
        return f"Name:{self.token}" in self.log() and bool(self.get("/health")["health"] == "true")

    def enable_logins(self) -> None:
        """`root` (password `pw`) may do all; `reader` (password `hunter2`) may read what begins with `a`."""
        self.ask("/v3/auth/user/add", {"name": "root", "password": "pw"})
        self.ask("/v3/auth/user/add", {"name": "reader", "password": "hunter2"})
        self.ask("/v3/auth/role/add", {"name": "a"})
        first, last = (base64.b64encode(one).decode() for one in (b"a", b"b"))
        self.ask(
            "/v3/auth/role/grant", {"name": "a", "perm": {"permType": 0, "key": first, "range_end": last}}
        )
        for user, role in (("reader", "a"), ("root", "root")):
            self.ask("/v3/auth/user/grant", {"user": user, "role": role})
        self.ask("/v3/auth/enable", {})

    def root(self) -> str:
        """A token of `root`."""
        return str(self.ask("/v3/auth/authenticate", {"name": "root", "password": "pw"})["token"])

    def ask(self, path: str, body: Any, token: str = "") -> Any:
        """A call of the JSON gateway."""
        headers = {"authorization": token} if token else {}
        return json.loads(self.call("POST", path, body=body, **headers))

    def remove(self, key: str) -> None:
        self.ask("/v3/kv/deleterange", {"key": base64.b64encode(key.encode()).decode()})

    def put(self, key: str, value: str, token: str = "") -> None:
        texts = {"key": key, "value": value}
        self.ask(
            "/v3/kv/put", {name: base64.b64encode(t.encode()).decode() for name, t in texts.items()}, token
        )


class LatestEtcd(EtcdServer):
    server = "etcd-3.7"
    new = ""

    def program(self) -> Path:
        return program("etcd-3.7", "bin/etcd")
