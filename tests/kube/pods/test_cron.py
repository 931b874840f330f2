"""A CronJob on a real control plane with our node, and in local mode: kubectl shows the same."""

from __future__ import annotations

from typing import Any

from parts.looks import Sides, compare, events, printed
from parts.side import Side

FLAGS = ("--hpa-interval", "1")
MANIFEST = """
apiVersion: batch/v1
kind: CronJob
metadata: {name: tick, labels: {a: b}}
spec:
  schedule: "* * * * *"
  timeZone: Asia/Kolkata
  concurrencyPolicy: Forbid
  successfulJobsHistoryLimit: 1
  jobTemplate:
    metadata: {labels: {kind: tick}, annotations: {note: m}}
    spec:
      template:
        metadata: {labels: {app: tick}}
        spec:
          restartPolicy: Never
          containers: [{name: c, image: busybox, command: [sh, -c, "echo done"]}]
"""


def begin(sides: Sides) -> None:
    for side in sides:
        side.cluster.kubectl("apply", "-n", "compared", "-f", "-", stdin=MANIFEST)


def end(sides: Sides) -> None:
    """Nothing of it is outside the namespace."""


def shape(side: Side) -> Any:
    """What the status of the CronJob and the metadata of its Job are made of."""
    cron = side.status("cronjob", "tick")
    [job] = side.until("a Job", "jobs", holds=lambda found: len(found["items"]) == 1)["items"]
    meta = job["metadata"]
    minute = meta["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"]
    [owner] = meta["ownerReferences"]
    return (
        sorted(cron),
        sorted(meta["labels"]),
        sorted(one for one in meta["annotations"] if not one.startswith("tidegate.dev/")),
        minute[16:],
        {**owner, "uid": ""},
        job["spec"],
    )


def test_a_job_of_its_schedule(sides: Sides) -> None:
    for side in sides:
        side.cluster.until(
            "the first one has succeeded",
            lambda side=side: "lastSuccessfulTime" in side.status("cronjob", "tick"),  # type: ignore[misc]
            90,
        )
        side.kubectl("patch", "cronjob", "tick", "-p", '{"spec": {"suspend": true}}')
    ours, right = (shape(side) for side in sides)
    for part in (ours[-1], right[-1]):
        del part["selector"]
        for labels in (part["template"]["metadata"]["labels"],):
            labels["controller-uid"] = labels["batch.kubernetes.io/controller-uid"] = ""
            labels["job-name"] = labels["batch.kubernetes.io/job-name"] = ""
    assert ours == right
    for side in sides:
        side.kubectl("create", "job", "by-hand", "--from=cronjob/tick")
        side.kubectl("wait", "--for=condition=complete", "job/by-hand", "--timeout=60s")
        side.until("one is kept", "jobs", holds=lambda found: len(found["items"]) == 1)
    compare(
        sides,
        printed("get", "cronjobs", "-o", "wide"),
        printed("get", "jobs,pods", "-o", "custom-columns=K:.kind,O:.metadata.ownerReferences[*].kind"),
        events("by-hand"),
    )
