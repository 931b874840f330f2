"""Claimed work as a user runs it: the example, and kill -9 of `tidegate up` at each of its steps."""

from __future__ import annotations

import json
import signal
from collections import Counter
from contextlib import ExitStack, closing

import pytest

from parts.killer import Killer, overlapping, runs
from parts.redis_servers import RedisProcess, starting
from parts.up import ROOT, Up, needs_redis
from parts.waiting import wait_until
from tidegate.cli.demo import pipeline_check

pytestmark = [pytest.mark.e2e, pytest.mark.real]
EXAMPLES = ROOT / "examples"
OWN = "{jobs}:tidegate:"


@pytest.mark.xdist_group("claims")
def test_every_file_of_the_claimed_pipeline_is_summed_once_and_a_bad_name_is_put_aside(up: Up) -> None:
    needs_redis()
    up.kubectl("apply", "-f", str(EXAMPLES / "csv-claimed"))
    up.kubectl("wait", "--for=condition=Ready", "scaledjob/csv-summer", "--timeout=60s")
    assert "wrote and queued 181 files" in up.kubectl("logs", "-f", "job/claimed-generator")
    claim = up.get("pvc", "claimed-data")["metadata"]["uid"]
    folder = up.folder / "node" / "volumes" / claim

    def summed() -> int:
        done = folder / "processed"
        return len(list(done.glob("*.csv"))) if done.exists() else 0

    up.until("all files are summed", lambda: summed() == 181, 240)
    assert pipeline_check.check(folder).wrong == []
    lines = runs(folder)
    assert overlapping(lines) == []
    assert set(Counter(name for _, what, name, *_ in lines if what == "begins").values()) == {1}
    table = up.kubectl("get", "jobs", "-L", "tidegate.dev/message,tidegate.dev/attempt")
    assert "MESSAGE" in table.upper()
    up.kubectl("delete", "scaledjob", "csv-summer", "--timeout=60s")
    up.until(
        "no Job is left", lambda: up.get("jobs", "-l", "scaledjob.keda.sh/name=csv-summer")["items"] == []
    )


WORKER = """
set -eu
note() { echo "$(date +%s.%N) $1 $KEDA_TASK_DATA $KEDA_TASK_ID $KEDA_TASK_ATTEMPT" >> /data/runs.log; }
note begins
sleep 0.3
case "$KEDA_TASK_DATA" in
  poison) note fails; exit 1 ;;
  shaky*) if [ "$KEDA_TASK_ATTEMPT" = 1 ]; then note fails; kill -9 $$; fi ;;
esac
note ends
"""
# One that fails twice before its end waits for five seconds in between.
MESSAGES = [*(f"plain-{number}" for number in range(20)), "shaky-0", "shaky-1", "poison"]
KILLS = [(number, mode) for number in range(1, 7) for mode in ("before", "after")]


def manifests(address: str, worker: str = WORKER, lease_s: int = 120) -> str:
    return f"""
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: log}}
spec: {{accessModes: [ReadWriteMany], resources: {{requests: {{storage: 1Gi}}}}}}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledJob
metadata:
  name: killed
  annotations:
    tidegate.dev/claim: "true"
    tidegate.dev/claim-attempts: "2"
    tidegate.dev/claim-dead-letter: bad
    tidegate.dev/claim-lease: "{lease_s}"
spec:
  pollingInterval: 1
  maxReplicaCount: 3
  successfulJobsHistoryLimit: 2
  jobTargetRef:
    backoffLimit: 0
    ttlSecondsAfterFinished: 0
    template:
      spec:
        restartPolicy: Never
        containers:
          - name: worker
            image: busybox
            command: [sh, -c, {json.dumps(worker)}]
            volumeMounts: [{{name: log, mountPath: /data}}]
        volumes: [{{name: log, persistentVolumeClaim: {{claimName: log}}}}]
  triggers:
    - type: redis
      metadata: {{address: "{address}", listName: jobs}}
"""


@pytest.mark.xdist_group("claims-killed")
def test_kill_9_between_each_two_steps_loses_and_doubles_no_message(up: Up) -> None:
    needs_redis()
    with starting() as start, ExitStack() as stack:
        server = start()
        killer = stack.enter_context(closing(Killer(server.port, b":tidegate:leases")))
        killer.kill = up.kill
        up.kubectl("apply", "-f", "-", stdin=manifests(killer.address))
        folder = up.folder / "node" / "volumes" / up.get("pvc", "log")["metadata"]["uid"]
        waiting = MESSAGES.copy()
        for number, mode in KILLS:
            killer.aim(number, mode)
            server.call("RPUSH", "jobs", *waiting[:2])
            del waiting[:2]
            assert killer.killed.wait(60), f"no step {number}"
            up.start()
        server.call("RPUSH", "jobs", *waiting) if waiting else None
        up.until("everything has ended", lambda: server.call("HLEN", OWN + "bodies") == 0, 120)
        up.until("no Job is held", lambda: held(up) == [])
        lines = runs(folder)
        assert overlapping(lines) == []
        begun = Counter(name for _, what, name, *_ in lines if what == "begins")
        ended = Counter(name for _, what, name, *_ in lines if what == "ends")
        assert begun == {name: 2 if name in ("poison", "shaky-0", "shaky-1") else 1 for name in MESSAGES}
        assert ended == {name: 1 for name in MESSAGES if name != "poison"}
        assert server.call("LRANGE", "bad", 0, -1) == [b"poison"]
        assert server.call("LLEN", "jobs") == 0
        assert set(server.call("KEYS", "*")) <= {b"bad"}


def held(up: Up) -> list[str]:
    """Jobs that our finalizer keeps."""
    jobs = up.get("jobs", "-l", "scaledjob.keda.sh/name=killed")["items"]
    return [one["metadata"]["name"] for one in jobs if one["metadata"].get("finalizers")]


GATED = """
set -eu
note() { echo "$(date +%s.%N) $1 $KEDA_TASK_DATA $KEDA_TASK_ID $KEDA_TASK_ATTEMPT" >> /data/runs.log; }
note begins
until [ -e /data/go ]; do sleep 0.2; done
note ends
"""


class Leases:
    """What a Redis says of the leases of its list."""

    def __init__(self, server: RedisProcess) -> None:
        self.server = server

    def now_ms(self) -> float:
        seconds, microseconds = self.server.call("TIME")
        return float(seconds) * 1000 + float(microseconds) / 1000

    def ends(self) -> list[float]:
        flat = self.server.call("ZRANGE", OWN + "leases", 0, -1, "WITHSCORES")
        return [float(end) for end in flat[1::2]]

    def last(self, count: int, moment: float) -> bool:
        """Whether so many are held, all for longer than until this moment."""
        ends = self.ends()
        return len(ends) == count and min(ends) > moment


@pytest.mark.xdist_group("claims-killed")
def test_neither_a_broker_that_restarts_nor_a_process_that_stops_for_a_lease_doubles_a_job(up: Up) -> None:
    needs_redis()
    with starting() as start:
        server = start("--appendonly", "yes", "--appendfsync", "always")
        leases, names = Leases(server), [f"plain-{number}" for number in range(5)]
        up.kubectl("apply", "-f", "-", stdin=manifests(server.address, GATED, 3))
        folder = up.folder / "node" / "volumes" / up.get("pvc", "log")["metadata"]["uid"]
        server.call("RPUSH", "jobs", *names)
        up.until("three Jobs work", lambda: len(runs(folder)) == 3)

        server.kill()
        server.start()
        before = max(leases.ends())
        up.until("all are held on", lambda: leases.last(3, before))

        assert up.process is not None
        up.process.send_signal(signal.SIGSTOP)
        try:
            wait_until(lambda: max(leases.ends()) < leases.now_ms(), "every lease is over", 30)
            stopped = leases.now_ms()
        finally:
            up.process.send_signal(signal.SIGCONT)
        up.until("all are held again", lambda: leases.last(3, stopped))
        assert len(runs(folder)) == 3

        (folder / "go").touch()
        up.until("everything has ended", lambda: server.call("HLEN", OWN + "bodies") == 0)
        up.until("no Job is held", lambda: held(up) == [])
        lines = runs(folder)
        assert overlapping(lines) == []
        for what in ("begins", "ends"):
            assert Counter(name for _, one, name, *_ in lines if one == what) == Counter(names)
        assert set(server.call("KEYS", "*")) == set()
