"""The examples as a user runs them: `tidegate up`, kubectl, and the manifests as they are."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from parts.servers import program
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


def needs_rabbitmq() -> None:
    program("rabbitmq", "rabbitmq-server")


@pytest.mark.xdist_group("rabbitmq")
def test_five_messages_are_five_jobs_of_a_named_template(up: Up) -> None:
    """A tutorial as people write it: a Job by name, a Secret for an authentication, a host without scheme."""
    needs_rabbitmq()
    example = EXAMPLES / "rabbitmq-jobs"
    up.kubectl("apply", "-f", str(example))
    up.kubectl("wait", "--for=condition=complete", "job/make-queue", "--timeout=90s")
    up.kubectl("wait", "--for=condition=Ready", "scaledjob/rabbitmq-consumer", "--timeout=60s")
    told = up.kubectl("describe", "scaledjob", "rabbitmq-consumer")
    assert 'authenticationRef.name "rabbitmq-secret" names a Secret' in told
    assert "host has no scheme: amqp:// is assumed" in told

    up.kubectl("create", "-f", str(example / "load" / "five-messages.yaml"))

    def consumers() -> list[dict[str, Any]]:
        jobs: list[dict[str, Any]] = up.get("jobs", "-l", "scaledjob.keda.sh/name=rabbitmq-consumer")["items"]
        return jobs

    up.until("five Jobs are done", lambda: [has_succeeded(job) for job in consumers()] == [True] * 5)
    done = [up.kubectl("logs", f"job/{job['metadata']['name']}").strip() for job in consumers()]
    assert sorted(done) == [f"done: message-{n}" for n in range(1, 6)]
    up.until("nothing is active", lambda: condition(up, "rabbitmq-consumer", "Active") == "False")
    assert len(consumers()) == 5

    # A changed password takes effect at once, for the trigger and for the next Jobs.
    secret = up.get("secret", "rabbitmq-secret")["data"]
    user = base64.b64decode(secret["RABBITMQ_USER"]).decode()
    ctl = ("exec", "deployment/rabbitmq", "--", "rabbitmqctl", "-q")
    up.kubectl(*ctl, "change_password", user, "another#/password")
    up.kubectl(
        *ctl, "eval", "[rabbit_networking:close_connection(P, <<>>) || P <- rabbit_networking:connections()]."
    )
    up.until("the old password fails", lambda: condition(up, "rabbitmq-consumer", "Ready") != "True")
    up.kubectl(
        "patch", "secret", "rabbitmq-secret", "-p", '{"stringData": {"RABBITMQ_PASS": "another#/password"}}'
    )
    up.until("the new one is used", lambda: condition(up, "rabbitmq-consumer", "Ready") == "True", 30)
    everything = up.kubectl("get", "events,scaledjobs,jobs", "-o", "yaml")
    assert "another#/password" not in everything

    up.kubectl("delete", "-f", str(example), "--timeout=60s")
    up.until("no process is left", lambda: up.processes() == {})


def has_succeeded(job: dict[str, Any]) -> bool:
    return bool((job.get("status") or {}).get("succeeded"))


def condition(up: Up, name: str, type: str) -> str:
    conditions = up.get("scaledjob", name)["status"].get("conditions") or []
    return next((str(one["status"]) for one in conditions if one["type"] == type), "")


@pytest.mark.xdist_group("rabbitmq")
def test_workers_of_a_virtual_host_come_and_go(up: Up) -> None:
    needs_rabbitmq()
    example = EXAMPLES / "rabbitmq-workers"
    up.kubectl("apply", "-f", str(example))
    up.kubectl("wait", "--for=condition=complete", "job/make-uploads", "--timeout=90s")
    up.kubectl("wait", "--for=condition=Ready", "scaledobject/media-worker", "--timeout=60s")
    assert replicas(up, "media-worker") == 0

    load = str(example / "load" / "hundred-messages.yaml")
    up.kubectl("create", "-f", load)
    up.until("several replicas", lambda: replicas(up, "media-worker") >= 3)
    up.until("drained and back to zero", lambda: replicas(up, "media-worker") == 0, 120)
    told = up.kubectl("describe", "scaledobject", "media-worker")
    assert "KEDAScaleTargetActivated" in told
    assert "KEDAScaleTargetDeactivated" in told

    up.kubectl("apply", "-f", str(example / "with-cpu" / "scaling.yaml"))
    up.kubectl("create", "-f", load)
    up.until("several replicas", lambda: replicas(up, "media-worker") >= 3)
    metrics = up.get("hpa", "keda-hpa-media-worker")["spec"]["metrics"]
    assert [one["type"] for one in metrics] == ["External", "Resource"]
    assert metrics[1]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 50}
    up.until("drained and back to zero", lambda: replicas(up, "media-worker") == 0, 120)


@pytest.mark.xdist_group("hours")
def test_each_workflow_job_gets_a_runner_of_its_own(up: Up) -> None:
    example = EXAMPLES / "ci-runners"
    up.kubectl("apply", "-f", str(example))
    up.kubectl("rollout", "status", "deployment/github", "--timeout=60s")
    up.kubectl("wait", "--for=condition=Ready", "scaledjob/ci-runner", "--timeout=60s")
    up.kubectl("create", "-f", str(example / "load" / "six-jobs.yaml"))

    def runners() -> list[dict[str, Any]]:
        jobs: list[dict[str, Any]] = up.get("jobs", "-l", "scaledjob.keda.sh/name=ci-runner")["items"]
        return jobs

    up.until("six runners are done", lambda: [has_succeeded(job) for job in runners()] == [True] * 6, 120)
    said = [up.kubectl("logs", f"job/{job['metadata']['name']}").splitlines()[-1] for job in runners()]
    assert sorted(said) == [f"done: job {number}" for number in range(1, 7)]
    up.until("nothing is active", lambda: condition(up, "ci-runner", "Active") == "False")
    assert len(runners()) == 6
    assert "ghp_only-for-the-example" not in up.kubectl("get", "events,scaledjobs,jobs", "-o", "yaml")


@pytest.mark.xdist_group("hours")
def test_numbers_of_an_own_application_scale_workers_by_json_and_by_prometheus(up: Up) -> None:
    program("prometheus", "prometheus")
    example = EXAMPLES / "own-metrics"
    up.kubectl("apply", "-f", str(example))
    for server in ("shop", "prometheus"):
        up.kubectl("rollout", "status", f"deployment/{server}", "--timeout=60s")
    for name in ("packer", "mailer"):
        up.kubectl("wait", "--for=condition=Ready", f"scaledobject/{name}", "--timeout=60s")
        assert replicas(up, name) == 0

    for queue, name, other in (("orders", "packer", "mailer"), ("mails", "mailer", "packer")):
        up.kubectl("create", "-f", str(example / "load" / f"sixty-{queue}.yaml"))
        up.until("several replicas", lambda name=name: replicas(up, name) >= 3)  # type: ignore[misc]
        assert replicas(up, other) == 0
        up.until("done and back to zero", lambda name=name: replicas(up, name) == 0, 120)  # type: ignore[misc]

    # A shop that is gone has no number: that is no zero.
    up.kubectl("create", "-f", str(example / "load" / "sixty-mails.yaml"))
    up.until("several replicas", lambda: replicas(up, "mailer") >= 3)
    up.kubectl("scale", "deployment/shop", "--replicas=0")
    for name in ("mailer", "packer"):
        up.until("unknown", lambda name=name: ready(up, name) == "False")  # type: ignore[misc]
    assert replicas(up, "mailer") >= 3


def ready(up: Up, name: str) -> str:
    conditions = up.get("scaledobject", name)["status"].get("conditions") or []
    return next((str(one["status"]) for one in conditions if one["type"] == "Ready"), "")


@pytest.mark.xdist_group("postgresql")
def test_backup_jobs_follow_the_size_while_the_window_is_open(up: Up) -> None:
    program("postgresql", "postgres")
    example = EXAMPLES / "backup-by-size"
    now = datetime.now(ZoneInfo("Europe/Berlin"))
    later, end = now + timedelta(hours=1), now + timedelta(hours=2)
    window = (example / "02-window.yaml").read_text()
    closed = window.replace("start: 0 0 * * *", f"start: {later.minute} {later.hour} * * *")
    closed = closed.replace("end: 59 23 * * *", f"end: {end.minute} {end.hour} * * *")
    for file in ("01-database.yaml", "03-programs.yaml", "04-scaling.yaml"):
        up.kubectl("apply", "-f", str(example / file))
    up.kubectl("apply", "-f", "-", stdin=closed)
    up.kubectl("wait", "--for=condition=Ready", "scaledjob/backup", "--timeout=90s")
    up.kubectl("create", "-f", str(example / "load" / "six-tables.yaml"))

    def asked(query: str) -> list[str]:
        psql = ("exec", "deployment/shop-database", "--", "psql", "-U", "shop", "-qAtc", query)
        return up.kubectl(*psql).splitlines()

    def polled() -> tuple[float, str]:
        scaling = str(example / "04-scaling.yaml")
        told = up.tidegate("poll", "-f", scaling, "--kubeconfig", str(up.kubeconfig), "-o", "json")
        [answer] = json.loads(told)
        return answer["value"], answer["failure"]

    up.until("all are due", lambda: asked("SELECT count(*) FROM backup.due") == ["6"])
    assert polled() == (0, "")
    assert backups(up) == []

    up.kubectl("apply", "-f", str(example / "02-window.yaml"))
    up.until("all are backed up", lambda: asked("SELECT count(*) FROM backup.made") == ["6"], 90)
    up.until("three Jobs are done", lambda: [has_succeeded(job) for job in backups(up)] == [True] * 3)
    parts = asked("SELECT part FROM backup.made ORDER BY part")
    assert parts == [f"public.orders_{number}" for number in range(1, 7)]
    up.until("nothing is active", lambda: condition(up, "backup", "Active") == "False")
    assert polled() == (0, "")
    assert len(backups(up)) == 3

    # What is not whole has another name.
    claim = up.get("pvc", "backups")["metadata"]["uid"]
    kept = sorted(path.suffix for path in (up.folder / "node" / "volumes" / claim).iterdir())
    assert kept == [".dump"] * 6

    up.kubectl("apply", "-f", "-", stdin=closed)
    up.until("the window is closed", lambda: asked("SELECT backup.is_open()") == ["f"])
    up.kubectl("create", "-f", str(example / "load" / "six-tables.yaml"))
    up.until("more are due", lambda: asked("SELECT count(*) FROM backup.due") == ["6"])
    assert polled() == (0, "")
    assert len(backups(up)) == 3
    everything = up.kubectl("get", "events,scaledjobs,jobs", "-o", "yaml")
    assert "change-me" not in everything

    up.kubectl("delete", "-f", str(example), "--timeout=60s")
    up.until("no process is left", lambda: up.processes() == {})


def backups(up: Up) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = up.get("jobs", "-l", "scaledjob.keda.sh/name=backup")["items"]
    return jobs


@pytest.mark.xdist_group("hours")
def test_an_image_of_ones_own_from_its_dockerfile(up: Up) -> None:
    """The section of the README; the Dockerfile that it shows is this one."""
    folder = EXAMPLES / "own-image"
    shown = (ROOT / "README.md").read_text("utf-8")
    assert f"```dockerfile\n{(folder / 'Dockerfile').read_text('utf-8')}```" in shown
    up.kubectl("apply", "-f", str(folder / "job.yaml"))
    up.until(
        "the pod says what to do", lambda: "tidegate images add acme/report" in str(up.get("pods")["items"])
    )
    added = up.tidegate(
        "images",
        "add",
        "acme/report",
        "--dockerfile",
        str(folder / "Dockerfile"),
        "--data-dir",
        str(up.folder),
    )
    assert "image acme/report added" in added
    up.kubectl("wait", "--for=condition=Complete", "job/report", "--timeout=60s")
    said = up.kubectl("logs", "job/report")
    assert said.splitlines()[1:] == ["3 times the", "2 times tide", "2 times in"]
    assert said in shown
    up.kubectl("delete", "-f", str(folder / "job.yaml"))
