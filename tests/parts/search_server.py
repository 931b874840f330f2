"""Elasticsearch and OpenSearch, one node each, on loopback: plain HTTP, no logins."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from parts.server_process import ServerProcess
from parts.servers import installed


class _SearchNode(ServerProcess):
    port_count = 2
    start_s = 90.0
    flags: ClassVar[tuple[str, ...]] = ()

    def command(self) -> Sequence[str]:
        folder = installed(self.server)
        flags = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *self.flags]
        path = f"{folder / 'classes'}:{folder / 'lib' / '*'}"
        places = [str(self.folder / "home"), self.token, *map(str, self.ports)]
        return ["java", *flags, "-cp", path, "TestNode", *places]

    def is_ready(self) -> bool:
        health = self.get("/_cluster/health?wait_for_status=yellow&timeout=1s")
        return bool(health["cluster_name"] == self.token and health["status"] in ("yellow", "green"))

    def fill(self, index: str, *documents: Any) -> None:
        """Documents that are found when this returns."""
        for one in documents:
            self.call("POST", f"/{index}/_doc?refresh=true", body=one)

    def keep_template(self, name: str, body: Any) -> None:
        """A search template."""
        source = json.dumps(body) if not isinstance(body, str) else body
        self.call("PUT", f"/_scripts/{name}", body={"script": {"lang": "mustache", "source": source}})


class ElasticsearchServer(_SearchNode):
    server = "elasticsearch"
    flags = ("-Des.distribution.flavor=default",)


class OpensearchServer(_SearchNode):
    server = "opensearch"
