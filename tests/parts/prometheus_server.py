"""Prometheus and VictoriaMetrics on loopback; the second takes samples in a line: values are exact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote_plus

import yaml

from parts.server_process import ServerProcess
from parts.servers import program
from parts.waiting import wait_until


class _PromServer(ServerProcess):
    def value(self, query: str) -> list[str]:
        """The values of a query's result."""
        result = self.get(f"/api/v1/query?query={quote_plus(query)}")["data"]["result"]
        return [one["value"][1] for one in result]


class PrometheusServer(_PromServer):
    """It scrapes what `jobs` say, by default nothing: queries such as `vector(7)` need no samples. `rules`
    are alert rules; they are looked at each second."""

    server = "prometheus"
    jobs: Sequence[dict[str, Any]] = ()
    rules: Sequence[dict[str, Any]] = ()

    def prepare(self) -> None:
        settings = {
            "global": {
                "external_labels": {"token": self.token},
                "scrape_interval": "1s",
                "evaluation_interval": "1s",
            },
            "scrape_configs": list(self.jobs),
            "rule_files": ["rules.yml"],
        }
        groups = [{"name": "rules", "rules": list(self.rules)}] if self.rules else []
        self.write("rules.yml", yaml.safe_dump({"groups": groups}))
        self.write("prometheus.yml", yaml.safe_dump(settings))

    def command(self) -> list[str]:
        return [
            str(program("prometheus", "prometheus")),
            f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/samples",
            f"--web.listen-address={self.address}",
        ]

    def standing(self) -> set[str]:
        """The names of the alerts that stand."""
        alerts = self.get("/api/v1/alerts")["data"]["alerts"]
        return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}

    def is_ready(self) -> bool:
        return self.token in self.get("/api/v1/status/config")["data"]["yaml"] and bool(
            self.call("GET", "/-/ready")
        )


class VictoriaServer(_PromServer):
    server = "victoria-metrics"

    def command(self) -> list[str]:
        return [
            str(program("victoria-metrics", "victoria-metrics")),
            f"-storageDataPath={self.folder}/samples",
            f"-httpListenAddr={self.address}",
            "-search.latencyOffset=0s",
            "-search.disableCache",
        ]

    def is_ready(self) -> bool:
        return self.folder.name in self.call("GET", "/flags").decode()

    def push(self, samples: dict[str, float]) -> None:
        """Samples of now, visible when this returns: asked for too soon, a series stays unknown for long."""
        lines = "".join(f"{name} {value}\n" for name, value in samples.items())
        self.call("POST", "/api/v1/import/prometheus", body=lines.encode())
        self.call("GET", "/internal/force_flush")
        for name in samples:
            wait_until(lambda: bool(self.value(name)), f"{name} is there", 15)  # noqa: B023
