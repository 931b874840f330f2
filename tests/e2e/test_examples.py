"""The examples as a user runs them: `tidegate up`, kubectl, and the manifests as they are."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from parts.up import ROOT, Up, needs_redis
from tidegate.cli.demo import pipeline_check

pytestmark = [pytest.mark.e2e, pytest.mark.real]
EXAMPLES = ROOT / "examples"


def replicas(up: Up, name: str) -> int:
    return int(up.get("deployment", name)["spec"].get("replicas", 1))


@pytest.mark.xdist_group("pipeline")
def test_the_csv_pipeline_by_hand(up: Up) -> None:
    """The walk of the README, line by line."""
    needs_redis()
    assert "scaledjob.keda.sh/csv-processor created" in up.kubectl(
        "apply", "-f", str(EXAMPLES / "csv-pipeline")
    )
    up.kubectl("wait", "--for=condition=Ready", "scaledjob/csv-processor", "--timeout=60s")
    assert "wrote and queued 181 files" in up.kubectl("logs", "-f", "job/data-generator")

    def processed() -> int:
        return int(up.kubectl("exec", "inspector", "--", "sh", "-c", "ls /app/data/processed | wc -l"))

    up.until("all files are processed", lambda: processed() == 181, 120)
    rows = up.kubectl("exec", "inspector", "--", "cat", "/app/data/processed/20220101_aggregated_sales.csv")
    assert rows.splitlines()[0] == "item_id,total_quantity"
    claim = up.get("pvc", "data-pvc")["metadata"]["uid"]
    assert pipeline_check.check(up.folder / "node" / "volumes" / claim).wrong == []

    table = up.kubectl("get", "scaledjob,jobs")
    assert "csv-processor" in table
    assert "Complete" in table
    described = up.kubectl("describe", "scaledjob", "csv-processor")
    assert "KEDAJobsCreated" in described
    job = up.get("jobs", "-l", "scaledjob.keda.sh/name=csv-processor")["items"][0]["metadata"]["name"]
    assert "processing 2022" in up.kubectl("logs", f"job/{job}")

    up.kubectl("delete", "-f", str(EXAMPLES / "csv-pipeline"), "--timeout=60s")
    up.until("no pod is left", lambda: up.get("pods")["items"] == [])
    up.until("no process is left", lambda: up.processes() == {})


@pytest.mark.xdist_group("queue")
def test_a_deployment_scales_from_zero_to_many_and_back(up: Up) -> None:
    needs_redis()
    up.kubectl("apply", "-f", str(EXAMPLES / "queue-worker"))
    up.kubectl("rollout", "status", "deployment/queue", "--timeout=30s")
    up.kubectl("wait", "--for=condition=Ready", "scaledobject/worker", "--timeout=30s")
    assert replicas(up, "worker") == 0
    # Its Secret is in the cluster, its Redis a Service of it.
    scaling = str(EXAMPLES / "queue-worker" / "03-scaling.yaml")
    polled = up.tidegate("poll", "-f", scaling, "--kubeconfig", str(up.kubeconfig), "-o", "json")
    [answer] = json.loads(polled)
    assert (answer["metric"], answer["value"], answer["failure"]) == ("s0-redis-jobs", 0, "")

    up.kubectl("create", "-f", str(EXAMPLES / "queue-worker" / "load" / "send-messages.yaml"))
    up.until("several replicas", lambda: replicas(up, "worker") >= 3)
    assert "keda-hpa-worker" in up.kubectl("get", "hpa")
    up.until("drained and back to zero", lambda: replicas(up, "worker") == 0, 120)
    events = up.kubectl("describe", "scaledobject", "worker")
    assert "KEDAScaleTargetActivated" in events
    assert "KEDAScaleTargetDeactivated" in events


@pytest.mark.xdist_group("hours")
def test_office_hours_follow_the_clock_of_their_zone(up: Up) -> None:
    """The example as it is, except that the office opens a minute ago."""
    now = datetime.now(ZoneInfo("Europe/Berlin"))
    start, later, end = now - timedelta(minutes=1), now + timedelta(hours=1), now + timedelta(hours=2)
    manifest = (EXAMPLES / "office-hours" / "office-hours.yaml").read_text()
    manifest = manifest.replace("0 8 * * 1-5", f"{start.minute} {start.hour} * * *")
    manifest = manifest.replace("0 18 * * 1-5", f"{end.minute} {end.hour} * * *")
    up.kubectl("apply", "-f", "-", stdin=manifest)
    up.until("three replicas", lambda: replicas(up, "reception") == 3)

    closed = manifest.replace(f"{start.minute} {start.hour} * * *", f"{later.minute} {later.hour} * * *")
    closed = closed.replace("cooldownPeriod: 60", "cooldownPeriod: 1")
    up.kubectl("apply", "-f", "-", stdin=closed)
    up.until("none outside", lambda: replicas(up, "reception") == 0)
