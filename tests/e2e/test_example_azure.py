"""The examples on Azure Storage and Event Hubs as a user runs them, with Azurite in a pod."""

from __future__ import annotations

import json

import pytest

from parts.servers import installed
from parts.up import ROOT, Up

pytestmark = [pytest.mark.e2e, pytest.mark.real, pytest.mark.xdist_group("azurite")]
EXAMPLES = ROOT / "examples"
FILE_OF_TASKS = "task-processor/03-scaledjob.yaml"


def replicas(up: Up, name: str) -> int:
    return int(up.get("deployment", name)["spec"].get("replicas", 1))


def polled(up: Up, file: str) -> tuple[float | None, str]:
    text = up.tidegate("poll", "-f", str(EXAMPLES / file), "--kubeconfig", str(up.kubeconfig), "-o", "json")
    [answer] = json.loads(text)
    return answer["value"], answer["failure"]


def test_workers_follow_a_queue_of_uploads_from_one_to_three(up: Up) -> None:
    installed("azurite")
    up.kubectl("apply", "-f", str(EXAMPLES / "image-uploads"))
    up.kubectl("wait", "--for=condition=complete", "job/make-upload-queue", "--timeout=120s")
    up.kubectl("wait", "--for=condition=Ready", "scaledobject/thumbnailer", "--timeout=60s")
    assert polled(up, "image-uploads/04-scaling.yaml") == (0, "")
    assert replicas(up, "thumbnailer") == 1

    up.kubectl("create", "-f", str(EXAMPLES / "image-uploads" / "load" / "forty-images.yaml"))
    up.until("three workers", lambda: replicas(up, "thumbnailer") == 3, 120)
    up.until("all messages are deleted", lambda: polled(up, "image-uploads/04-scaling.yaml") == (0, ""), 120)
    up.until("back to one", lambda: replicas(up, "thumbnailer") == 1, 120)
    assert "devstoreaccount1;AccountKey" not in up.kubectl("get", "events,scaledobjects", "-o", "yaml")


def test_each_task_of_the_tutorial_is_printed_by_a_job_of_its_own(up: Up) -> None:
    installed("azurite")
    told = up.kubectl("apply", "-f", str(EXAMPLES / "task-processor"))
    assert "scaledjob.keda.sh/task-processor created" in told
    up.kubectl("wait", "--for=condition=complete", "job/make-task-queue", "--timeout=120s")
    up.kubectl("wait", "--for=condition=Ready", "scaledjob/task-processor", "--timeout=60s")
    up.kubectl("create", "-f", str(EXAMPLES / "task-processor" / "load" / "three-tasks.yaml"))
    label = "scaledjob.keda.sh/name=task-processor"

    def done() -> int:
        jobs = up.get("jobs", "-l", label)["items"]
        return sum((one.get("status") or {}).get("succeeded", 0) for one in jobs)

    up.until("each task has had its Job", lambda: done() == 3, 120)
    up.until("all messages are deleted", lambda: polled(up, FILE_OF_TASKS) == (0, ""), 60)
    assert sorted(up.kubectl("logs", "-l", label).splitlines()) == [
        "processing task: $(reboot); `reboot` stays a text",
        "processing task: resize photo-17.jpg",
        "processing task: send the bill of May",
    ]
    assert len(up.get("jobs", "-l", label)["items"]) == 3
    assert "AccountKey" not in up.kubectl("get", "events,scaledjobs,jobs", "-o", "yaml")


def test_crawlers_follow_the_events_of_a_hub_by_their_checkpoints(up: Up) -> None:
    installed("azurite")
    up.kubectl("apply", "-f", str(EXAMPLES / "event-hub-crawler"))
    for server in ("crawler-storage", "pages-hub"):
        up.kubectl("rollout", "status", f"deployment/{server}", "--timeout=120s")
    up.kubectl("wait", "--for=condition=Ready", "scaledobject/crawler", "--timeout=60s")
    assert polled(up, "event-hub-crawler/04-scaling.yaml") == (0, "")

    up.kubectl("create", "-f", str(EXAMPLES / "event-hub-crawler" / "load" / "two-hundred-events.yaml"))
    up.until("one for each partition", lambda: replicas(up, "crawler") == 5, 120)
    value, failure = polled(up, "event-hub-crawler/04-scaling.yaml")
    assert failure == ""
    assert value is not None
    assert value <= 50, "capped at one replica for each partition"
    up.until("all are processed", lambda: polled(up, "event-hub-crawler/04-scaling.yaml") == (0, ""), 120)
    up.until("back to one", lambda: replicas(up, "crawler") == 1, 120)
