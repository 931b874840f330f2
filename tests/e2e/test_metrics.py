"""A real Prometheus collects from `tidegate up`, with the kubeconfig's token and from the plain port."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from parts.loopback import free_port
from parts.monitoring import panel_queries, rules
from parts.prometheus_server import PrometheusServer
from parts.up import Up, needs_kubectl
from parts.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.real]
MANIFEST = """
apiVersion: keda.sh/v1alpha1
kind: ScaledJob
metadata: {name: crunch}
spec:
  pollingInterval: 1
  maxReplicaCount: 1
  jobTargetRef:
    template:
      spec: {restartPolicy: Never, containers: [{name: c, image: any, command: ["true"]}]}
  triggers:
    - type: cron
      name: always
      metadata: {timezone: UTC, start: "0 0 1 1 *", end: "59 23 31 12 *", desiredReplicas: "1"}
    - type: redis
      metadata: {address: "127.0.0.1:1", listName: jobs}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: any, command: [sleep, "1000"]}]}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: web}
spec:
  scaleTargetRef: {name: web}
  pollingInterval: 1
  fallback: {failureThreshold: 1, replicas: 1}
  triggers:
    - type: redis
      metadata: {address: "127.0.0.1:1", listName: web}
---
apiVersion: eventing.keda.sh/v1alpha1
kind: CloudEventSource
metadata: {name: events}
spec: {destination: {http: {uri: "http://127.0.0.1:1"}}}
"""
# Nothing is paused.
EMPTY = {'keda_scaled_object_paused{namespace=~".*"} == 1'}
ALWAYS = 'namespace="default",scaledObject="crunch",scaler="always",triggerIndex="0",type="scaledjob"'


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def up(tmp_path: Path, port: int) -> Iterator[Up]:
    needs_kubectl()
    server = Up(tmp_path / "state", "--metrics-port", str(port), "--metrics-old-names")
    server.start()
    try:
        yield server
    finally:
        server.end()


def api_job(up: Up, folder: Path) -> dict[str, Any]:
    """How a Prometheus collects through the API, with what the kubeconfig holds."""
    config = yaml.safe_load(up.kubeconfig.read_text())
    authority = folder / "ca.crt"
    authority.write_bytes(base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]))
    return {
        "job_name": "api",
        "scheme": "https",
        "tls_config": {"ca_file": str(authority)},
        "authorization": {"credentials": config["users"][0]["user"]["token"]},
        "static_configs": [{"targets": [f"127.0.0.1:{up.port}"]}],
    }


def test_prometheus_collects_both_ways(up: Up, port: int, tmp_path: Path) -> None:
    class Collecting(PrometheusServer):
        # An alert stands as soon as it is so: nobody waits for ten minutes here.
        rules = tuple({**rule, "for": "0s"} for rule in rules())
        jobs = (
            api_job(up, tmp_path),
            {"job_name": "plain", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]},
        )

    up.kubectl("apply", "-f", "-", stdin=MANIFEST)
    with Collecting() as prometheus:
        for job in ("api", "plain"):
            value = f'keda_scaler_metrics_value{{job="{job}",{ALWAYS}}}'
            wait_until(lambda: prometheus.value(value) == ["1"], f"{job} tells {value}", 30)  # noqa: B023
            errors = f'increase(keda_scaler_errors_total{{job="{job}",scaler="redisScaler"}}[20s]) > 0'
            wait_until(lambda: bool(prometheus.value(errors)), f"{job} counts errors", 60)  # noqa: B023
        assert prometheus.value('up{job="plain"}') == ["1"]
        assert prometheus.value("scrape_samples_post_metric_relabeling")[0] != "0"
        assert {query for _, query in panel_queries() if not prometheus.value(query)} == EMPTY
        stands = {"TidegateTriggerFails", "TidegateServerFails", "TidegateFallbackActive"}
        wait_until(lambda: prometheus.standing() >= stands, f"{stands} stand", 60)
        assert prometheus.standing() <= stands | {"TidegateObjectNotReady"}
    text = up.kubectl("get", "--raw", "/metrics")
    assert "keda_scaler_metrics_value{" in text
    up.kubectl("create", "serviceaccount", "nobody")
    refused = up.kubectl("get", "--raw", "/metrics", "--as=system:serviceaccount:default:nobody", check=False)
    assert "Forbidden" in refused or "forbidden" in refused
