"""kill -9 of `tidegate up` at random while a CronJob, a StatefulSet's updates and claims are going on.

Each minute has its Job, once; each pod of the set begins once, never two of a name at a time, and ends before
the next; claims go when they are free, with their folders. All is judged by what the programs wrote to files
that they only append to. TIDEGATE_CRASHES sets the minutes; TIDEGATE_SEED repeats a run.
"""

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
# A round of changes with its kill takes some seconds; none begins so near to the CronJob's moment.
ROUNDS, ROOM_S = 4, 15.0
# A program that finds the lock taken has a brother of its name.
MEMBER = (
    'exec 9>>/logs/$POD.lock; flock -n 9 || echo "doubled $POD $ID" >>/logs/set; '
    'echo "begin $POD $ID $ROUND" >>/logs/set; echo "$ID" >>/files/owners; '
    "trap 'echo \"end $POD $ID\" >>/logs/set; exit 0' TERM; while :; do sleep 0.1 9>&-; done"
)
MANIFEST = """
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
              command: [sh, -c, "echo begin $JOB >>/logs/cron; sleep 0.7; echo end $JOB >>/logs/cron"]
              env: [{name: JOB, valueFrom: {fieldRef: {fieldPath: "metadata.labels['job-name']"}}}]
              volumeMounts: [{name: logs, mountPath: /logs}]
          volumes: [{name: logs, hostPath: {path: LOGS}}]
---
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, selector: {app: db}, ports: [{port: 8080}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 3
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 20
      containers:
        - name: c
          image: busybox
          command: [sh, -c, MEMBER]
          env:
            - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
            - {name: ID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
            - {name: ROUND, value: "0"}
          volumeMounts: [{name: logs, mountPath: /logs}, {name: files, mountPath: /files}]
      volumes: [{name: logs, hostPath: {path: LOGS}}]
  volumeClaimTemplates:
    - metadata: {name: files}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
"""
BORROWER = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: scratch-ROUND}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: borrower-ROUND}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: c
          image: busybox
          command: [sh, -c, "echo ROUND >/scratch/note; sleep 1; cat /scratch/note >>/logs/claims"]
          volumeMounts: [{name: logs, mountPath: /logs}, {name: scratch, mountPath: /scratch}]
      volumes:
        - {name: logs, hostPath: {path: LOGS}}
        - {name: scratch, persistentVolumeClaim: {claimName: scratch-ROUND}}
"""


def test_crashes_lose_double_and_orphan_neither_jobs_nor_pods_nor_claims(tmp_path: Path) -> None:
    needs_kubectl()
    seed = int(os.environ.get("TIDEGATE_SEED", str(random.SystemRandom().randrange(10**6))))
    chance = random.Random(seed)
    print(f"seed {seed} (TIDEGATE_SEED={seed} repeats it)")
    up = Up(tmp_path / "state")
    logs = up.folder_for("logs")
    up.start()
    try:
        manifest = MANIFEST.replace("LOGS", str(logs)).replace(
            "MEMBER", f"'{MEMBER.replace(chr(39), chr(39) * 2)}'"
        )
        up.kubectl("apply", "-f", "-", stdin=manifest)
        rounds = 0
        for _ in range(MINUTES):
            for _ in range(ROUNDS):
                if 60 - time.time() % 60 < ROOM_S:
                    break
                rounds += 1
                change(up, logs, rounds, chance)
            # Up to the CronJob's moment, and twice more while its Job is made, runs and is forgotten.
            time.sleep(max(60 - time.time() % 60 + chance.uniform(-0.3, 0.5), 0))
            for _ in range(3):
                up.kill()
                up.start()
                time.sleep(chance.uniform(0.05, 1.0))
        print(f"{rounds} rounds of changes")
        up.until("each minute's Job has run", lambda: len(lines(logs, "cron", "end")) >= MINUTES)
        up.kubectl("patch", "cronjob", "tick", "-p", '{"spec": {"suspend": true}}')
        settle(up, rounds + 1)
        judge_jobs(up, logs)
        judge_set(up, logs, rounds + 1)
        judge_claims(up, logs, rounds)
    finally:
        if up.process is None:
            up.start()
        up.kubectl("delete", "cronjobs,jobs,statefulsets,pods,pvc", "--all", "--timeout=60s", check=False)
        up.end()


def change(up: Up, logs: Path, number: int, chance: random.Random) -> None:
    """An update of the set's template or count, and a claim that is deleted while a Job uses it; a kill."""
    up.kubectl("set", "env", "statefulset/db", f"ROUND={number}")
    up.kubectl("scale", "statefulset/db", f"--replicas={chance.choice((2, 3))}")
    borrower = BORROWER.replace("LOGS", str(logs)).replace("ROUND", str(number))
    up.kubectl("apply", "-f", "-", stdin=borrower)
    if number == 1:
        running = ("get", "pods", "-l", "job-name=borrower-1", "-o", "jsonpath={.items[*].status.phase}")
        up.until("one at least has its claim", lambda: up.kubectl(*running) in ("Running", "Succeeded"))
    time.sleep(chance.uniform(0.0, 1.5))
    up.kubectl("delete", "pvc", f"scratch-{number}", "--wait=false")
    time.sleep(chance.choice((0.0, chance.uniform(0.0, 0.8))))
    up.kill()
    time.sleep(chance.choice((0.0, chance.uniform(0.0, 1.0))))
    up.start()


def settle(up: Up, number: int) -> None:
    up.kubectl("set", "env", "statefulset/db", f"ROUND={number}")
    up.kubectl("scale", "statefulset/db", "--replicas=3")
    up.kubectl("rollout", "status", "statefulset/db", "--timeout=120s")
    up.until("Jobs of the CronJob are forgotten", lambda: jobs(up, "tick-") == [])
    up.until(
        "claims that nobody uses are gone", lambda: claims(up) == [f"files-db-{one}" for one in range(3)]
    )


def jobs(up: Up, beginning: str) -> list[str]:
    return [name for name in names(up, "jobs") if name.startswith(beginning)]


def claims(up: Up) -> list[str]:
    return sorted(names(up, "pvc"))


def names(up: Up, kind: str) -> list[str]:
    return [one["metadata"]["name"] for one in up.get(kind)["items"]]


def lines(logs: Path, name: str, verb: str = "") -> list[list[str]]:
    """The lines of a file that programs append to, as words; those of a verb without it."""
    file = logs / name
    found = [line.split() for line in file.read_text().splitlines()] if file.exists() else []
    return [words[1:] for words in found if words[0] == verb] if verb else found


def judge_jobs(up: Up, logs: Path) -> None:
    made = Counter(
        name
        for verb, resource, name, _, _ in up.journal()
        if (verb, resource) == ("create", "jobs.batch") and name.startswith("tick-")
    )
    begun = Counter(name for (name,) in lines(logs, "cron", "begin"))
    assert begun == made == Counter(set(made)), "each Job was made once and ran once"
    assert Counter(name for (name,) in lines(logs, "cron", "end")) == begun, "each ran to its end"
    minutes = sorted(int(name.rpartition("-")[2]) for name in made)
    assert all(later - earlier == 1 for earlier, later in pairwise(minutes)), "no minute was left out"


def judge_set(up: Up, logs: Path, newest: int) -> None:
    told = lines(logs, "set")
    assert [words for words in told if words[0] == "doubled"] == [], "two of one name at a time"
    begun, ended = lines(logs, "set", "begin"), lines(logs, "set", "end")
    pods = {
        one["metadata"]["name"]: one["metadata"]["uid"] for one in up.get("pods", "-l", "app=db")["items"]
    }
    assert sorted(pods) == ["db-0", "db-1", "db-2"]
    counts = Counter(uid for _, uid, _ in begun)
    assert set(counts.values()) == {1}, "a pod's program was started twice"
    assert {uid for _, uid in ended} == set(counts) - set(pods.values()), "each ended but those that run"
    last = {name: int(number) for name, _, number in begun}
    assert last == dict.fromkeys(pods, newest), "not all are of the last update"
    for name, uid in pods.items():
        written = up.kubectl("exec", name, "--", "cat", "/files/owners").split()
        assert written == [one for pod, one, _ in begun if pod == name], "files of a claim are lost"
        assert written[-1] == uid
    uids = {one["metadata"]["uid"] for one in up.get("pods", "-A")["items"]}
    assert set(up.processes().values()) <= uids, "a process without an owner"


def judge_claims(up: Up, logs: Path, rounds: int) -> None:
    """A Job whose claim was deleted before its pod had it waits; all others wrote their note once."""
    notes = Counter(number for (number,) in lines(logs, "claims"))
    assert set(notes.values()) <= {1}, "a Job ran twice"
    done = {
        one["metadata"]["name"].removeprefix("borrower-")
        for one in up.get("jobs")["items"]
        if one["status"].get("succeeded")
    }
    assert done == set(notes), "a Job is told as done that did nothing, or the other way round"
    assert notes or not rounds, "no claim was ever used"
    volumes = up.get("pv")["items"]
    assert sorted(one["spec"]["claimRef"]["name"] for one in volumes) == claims(up), (
        "a volume without a claim"
    )
    kept = {one["metadata"]["uid"] for one in up.get("pvc")["items"]}
    assert {one.name for one in (up.folder / "node" / "volumes").iterdir()} == kept, (
        "a folder without a claim"
    )
