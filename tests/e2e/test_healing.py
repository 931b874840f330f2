"""Redis, its password and what refers to it come and go: said, survived, and healed without being asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from parts.manifests import sleepers
from parts.up import ROOT, Up, needs_redis

pytestmark = [pytest.mark.e2e, pytest.mark.real]
QUEUE = ROOT / "examples" / "queue-worker"
PASSWORD, WRONG = "change-me", "not-this-one"
# Everything here happens long before a poll would bring it about.
SOON_S = 40.0

REDIS_TRIGGER = """
    - type: redis
      metadata: {address: "queue.default.svc:6379", listName: jobs, listLength: "5"}
      authenticationRef: {name: queue-auth}
"""
SCALED_OBJECT = f"""
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {{name: web}}
spec:
  scaleTargetRef: {{name: web}}
  pollingInterval: 300
  cooldownPeriod: 1
  triggers:{REDIS_TRIGGER}"""
SCALED_JOB = f"""
apiVersion: keda.sh/v1alpha1
kind: ScaledJob
metadata: {{name: crunch}}
spec:
  pollingInterval: 300
  maxReplicaCount: 1
  jobTargetRef:
    template:
      spec:
        restartPolicy: Never
        containers: [{{name: c, image: any, command: [sleep, "0.2"]}}]
  triggers:{REDIS_TRIGGER}"""
AUTHENTICATION = """
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata: {name: queue-auth}
spec:
  secretTargetRef: [{parameter: password, name: queue-secret, key: password}]
"""
ALWAYS = (
    sleepers("other", 0)
    + """---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: other}
spec:
  scaleTargetRef: {name: other}
  triggers:
    - type: cron
      metadata: {timezone: UTC, start: 0 0 * * *, end: 59 23 * * *, desiredReplicas: "2"}
    - type: cron
      metadata: {timezone: UTC, start: 58 23 * * *, end: 1 0 * * *, desiredReplicas: "2"}
"""
)


def ready(up: Up, what: str = "scaledobject/web") -> dict[str, str]:
    conditions = up.get(what).get("status", {}).get("conditions", ())
    return next((one for one in conditions if one["type"] == "Ready"), {})


def says(up: Up, status: str, text: str = "") -> None:
    """Waits until Ready has this status and its message holds the text."""

    def is_said() -> bool:
        one = ready(up)
        return one.get("status") == status and text in one.get("message", "")

    up.until(f"Ready is {status} ({text})", is_said, SOON_S)


def replicas(up: Up, name: str = "web") -> int:
    return int(up.get("deployment", name)["spec"]["replicas"])


def secret(password: str) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "queue-secret"},
            "stringData": {"password": password},
        }
    )


def apply(up: Up, manifest: str) -> None:
    up.kubectl("apply", "-f", "-", stdin=manifest)


def start_redis(up: Up) -> None:
    for file in ("00-programs.yaml", "01-redis.yaml"):
        up.kubectl("apply", "-f", str(QUEUE / file))
    up.kubectl("rollout", "status", "deployment/queue", "--timeout=30s")


def test_every_missing_piece_is_said_and_heals_when_it_comes(up: Up) -> None:
    """No piece is waited for by polling: the interval is five minutes."""
    needs_redis()
    apply(up, SCALED_OBJECT)
    says(up, "False", "there is no Deployment default/web")
    assert "there is no TriggerAuthentication default/queue-auth" in ready(up)["message"]
    apply(up, sleepers("web", 2))
    up.until("the target is found", lambda: "there is no Deployment" not in ready(up)["message"], SOON_S)
    says(up, "False", "there is no TriggerAuthentication default/queue-auth")
    apply(up, AUTHENTICATION)
    says(up, "False", "there is no Secret default/queue-secret")
    apply(up, secret(WRONG))
    says(up, "False", "cannot open a connection on Redis queue.default.svc:6379")
    apply(up, ALWAYS)
    up.until("the other object scales", lambda: replicas(up, "other") >= 1, SOON_S)
    start_redis(up)
    says(up, "False", "the password was not accepted")
    assert replicas(up) == 2, "unknown is not zero"
    apply(up, secret(PASSWORD))
    says(up, "True")
    up.until("an empty queue needs nobody", lambda: replicas(up) == 0, SOON_S)

    events = up.kubectl("describe", "scaledobject", "web")
    for text in (
        "KEDAScalerFailed",
        "the password was not accepted",
        "ScaledObjectReady",
        "KEDAScaleTargetDeactivated",
    ):
        assert text in events
    everything = up.kubectl("get", "so,ta,hpa,deploy,pods,events", "-o", "yaml") + up.output.read_text()
    assert WRONG not in everything
    assert PASSWORD not in everything


def test_a_redis_that_goes_and_comes_back_takes_nothing_with_it(up: Up) -> None:
    needs_redis()
    start_redis(up)
    for manifest in (sleepers("web", 2), AUTHENTICATION, secret(PASSWORD)):
        apply(up, manifest)
    up.kubectl("create", "-f", str(QUEUE / "load" / "send-messages.yaml"))
    up.kubectl("wait", "--for=condition=Complete", "job", "--all", "--timeout=30s")
    apply(up, SCALED_OBJECT.replace("pollingInterval: 300", "pollingInterval: 1"))
    says(up, "True")
    up.until("several are wanted", lambda: replicas(up) > 2, SOON_S)
    up.kubectl("scale", "deployment/queue", "--replicas=0")
    says(up, "False", "Triggers defined in ScaledObject are not working correctly")
    present = replicas(up)
    assert present > 2
    up.kubectl("scale", "deployment/queue", "--replicas=1")
    # The messages are gone with the Redis: now zero is known.
    says(up, "True")
    up.until("back to zero", lambda: replicas(up) == 0, SOON_S)


def test_a_finished_job_starts_the_next_long_before_the_poll_and_a_deletion_leaves_nothing(up: Up) -> None:
    needs_redis()
    start_redis(up)
    for manifest in (AUTHENTICATION, secret(PASSWORD), SCALED_JOB):
        apply(up, manifest)
    up.kubectl("wait", "--for=condition=Ready", "scaledjob/crunch", "--timeout=30s")
    up.kubectl("create", "-f", str(QUEUE / "load" / "send-messages.yaml"))
    up.kubectl("wait", "--for=condition=Complete", "job", "--all", "--timeout=30s")
    # An edit is looked at at once, and so is every end of a Job.
    up.kubectl(
        "patch", "scaledjob", "crunch", "--type=merge", "-p", '{"spec": {"successfulJobsHistoryLimit": 2}}'
    )

    def created() -> list[Any]:
        return [
            one
            for one in up.journal()
            if one[0] == "create" and one[2].startswith("crunch-") and one[1] == "jobs.batch"
        ]

    up.until("five Jobs, one after the other", lambda: len(created()) >= 5, SOON_S)
    rounds = [annotations["tidegate.dev/round"] for *_, annotations in created()]
    assert len(set(rounds)) == len(rounds), "one Job a round"
    up.kubectl("delete", "scaledjob", "crunch", "--timeout=30s")
    left = ("jobs", "-l", "scaledjob.keda.sh/name=crunch")
    up.until("its Jobs are gone", lambda: up.get(*left)["items"] == [], SOON_S)


def test_a_deleted_scaled_object_restores_the_count_and_takes_its_hpa_along(up: Up) -> None:
    apply(up, ALWAYS.replace("replicas: 0", "replicas: 1"))
    restore = '{"spec": {"advanced": {"restoreToOriginalReplicaCount": true}}}'
    up.kubectl("patch", "scaledobject", "other", "--type=merge", "-p", restore)
    up.until("scaled by the HPA", lambda: replicas(up, "other") == 2, SOON_S)
    up.kubectl("annotate", "scaledobject", "other", "autoscaling.keda.sh/paused-replicas=4")
    up.until("paused at four", lambda: replicas(up, "other") == 4, SOON_S)
    up.until("no HPA while paused", lambda: up.get("hpa")["items"] == [], SOON_S)
    up.kubectl("annotate", "scaledobject", "other", "autoscaling.keda.sh/paused-replicas-")
    up.until("the HPA is back", lambda: len(up.get("hpa")["items"]) == 1, SOON_S)
    up.kubectl("delete", "scaledobject", "other", "--timeout=30s")
    up.until("its HPA is gone", lambda: up.get("hpa")["items"] == [], SOON_S)
    assert replicas(up, "other") == 1
