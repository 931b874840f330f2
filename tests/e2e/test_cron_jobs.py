"""kill -9 of `tidegate up` around the moments of a CronJob: each minute has its Job, once."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from parts.up import Up, needs_kubectl

pytestmark = [pytest.mark.e2e, pytest.mark.real, pytest.mark.xdist_group("cron-crash")]

MINUTES = int(os.environ.get("TIDEGATE_CRASHES", "2"))
MANIFEST = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: diary}
spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 1Mi}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: tick}
spec:
  schedule: "* * * * *"
  concurrencyPolicy: Forbid
  successfulJobsHistoryLimit: 0
  jobTemplate:
    spec:
      backoffLimit: 0
      template:
        spec:
          restartPolicy: Never
          containers:
            - name: c
              image: busybox
              command: [sh, -c, "echo $JOB >> /diary/lines"]
              env: [{name: JOB, valueFrom: {fieldRef: {fieldPath: "metadata.labels['job-name']"}}}]
              volumeMounts: [{name: diary, mountPath: /diary}]
          volumes: [{name: diary, persistentVolumeClaim: {claimName: diary}}]
"""


def lines(up: Up) -> list[str]:
    uid = up.get("pvc", "diary")["metadata"]["uid"]
    file = up.folder / "node" / "volumes" / uid / "lines"
    return file.read_text().split() if file.exists() else []


def test_crashes_around_its_moments_lose_and_double_no_job(tmp_path: Path) -> None:
    needs_kubectl()
    seed = int(os.environ.get("TIDEGATE_SEED", str(random.SystemRandom().randrange(10**6))))
    chance = random.Random(seed)
    print(f"seed {seed} (TIDEGATE_SEED={seed} repeats it)")
    up = Up(tmp_path / "state")
    up.start()
    try:
        up.kubectl("apply", "-f", "-", stdin=MANIFEST)
        for _ in range(MINUTES):
            # Up to the moment, and twice more while its Job is made, runs and is forgotten.
            time.sleep(max(60 - time.time() % 60 + chance.uniform(-0.3, 0.5), 0))
            for _ in range(3):
                up.kill()
                up.start()
                time.sleep(chance.uniform(0.05, 1.0))
        up.until("each has run", lambda: len(lines(up)) >= MINUTES)
        up.kubectl("patch", "cronjob", "tick", "-p", '{"spec": {"suspend": true}}')
        up.until("the last one is forgotten", lambda: up.get("jobs")["items"] == [])
        made = Counter(
            name
            for verb, resource, name, _, _ in up.journal()
            if (verb, resource) == ("create", "jobs.batch")
        )
        assert Counter(lines(up)) == made == Counter(set(made)), "each Job was made once and ran once"
        minutes = sorted(int(name.rpartition("-")[2]) for name in made)
        assert all(later - earlier == 1 for earlier, later in pairwise(minutes)), "no minute was left out"
    finally:
        if up.process is None:
            up.start()
        up.kubectl("delete", "cronjobs,jobs,pods,pvc", "--all", "--timeout=60s", check=False)
        up.end()
