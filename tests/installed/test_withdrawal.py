"""`tidegate withdraw` on a real control plane: what an uninstall does first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from parts.installed import Installed
from parts.real_cluster import GROUP
from parts.redis_servers import RedisProcess, redis_program

pytestmark = [pytest.mark.real, pytest.mark.xdist_group(GROUP)]
HELD = ("scaledobject/shop", "scaledjob/bakery")


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisProcess]:
    with RedisProcess(redis_program()) as redis:
        yield redis


def manifests(address: str) -> str:
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: shop}}
spec:
  replicas: 0
  selector: {{matchLabels: {{app: shop}}}}
  template:
    metadata: {{labels: {{app: shop}}}}
    spec:
      containers: [{{name: work, image: busybox}}]
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {{name: shop}}
spec:
  scaleTargetRef: {{name: shop}}
  pollingInterval: 1
  cooldownPeriod: 1
  triggers: [{{type: redis, metadata: {{address: "{address}", listName: shop, listLength: "5"}}}}]
---
apiVersion: keda.sh/v1alpha1
kind: ScaledJob
metadata: {{name: bakery}}
spec:
  pollingInterval: 1
  jobTargetRef:
    template:
      spec:
        restartPolicy: Never
        containers: [{{name: work, image: busybox}}]
  triggers: [{{type: redis, metadata: {{address: "{address}", listName: bakery, listLength: "1"}}}}]
"""


WEBHOOKS = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {{name: {name}}}
webhooks:
  - name: vscaledobject.kb.io
    admissionReviewVersions: [v1]
    clientConfig: {{service: {{name: nobody, namespace: {namespace}, path: /x}}}}
    failurePolicy: Ignore
    sideEffects: None
    rules: [{{apiGroups: [nobody.example], apiVersions: [v1], operations: [CREATE], resources: [things]}}]
"""


def working(installed: Installed, redis: RedisProcess) -> None:
    """One replica and one Job, by an operator that is killed then."""
    operator = installed.operator()
    operator.start()
    redis.call("DEL", "shop", "bakery")
    redis.call("RPUSH", "shop", "order")
    redis.call("RPUSH", "bakery", "bread")
    installed.apply(manifests(redis.address))
    installed.until("it works", lambda: installed.get("deployment", "shop")["spec"]["replicas"] == 1)
    installed.until("a Job is there", lambda: len(installed.get("jobs")["items"]) == 1)
    for name in HELD:
        installed.until("it is held", lambda name=name: "finalizer.keda.sh" in finalizers(installed, name))
    operator.kill()


def finalizers(installed: Installed, name: str) -> list[str]:
    found: list[str] = installed.get(name)["metadata"].get("finalizers") or []
    return found


def withdraw(installed: Installed, *flags: str) -> str:
    program = installed.program(
        "withdraw",
        "withdraw",
        f"--kubeconfig={installed.kubeconfig}",
        f"--namespace={installed.namespace}",
        f"--watch-namespace={installed.namespace}",
        f"--validating-webhook-name={installed.namespace}",
        *flags,
    )
    program.start(waits=False)
    assert program.ended() == 0, program.log()
    return program.log()


def test_after_a_crash_objects_are_released_and_their_work_stays(
    installed: Installed, redis: RedisProcess
) -> None:
    working(installed, redis)
    jobs = [one["metadata"]["uid"] for one in installed.get("jobs")["items"]]
    said = withdraw(installed)
    assert "1 scaledobjects released" in said
    assert "1 scaledjobs released" in said
    assert [finalizers(installed, name) for name in HELD] == [[], []]
    assert installed.get("deployment", "shop")["spec"]["replicas"] == 1
    assert [one["metadata"]["uid"] for one in installed.get("jobs")["items"]] == jobs
    assert withdraw(installed) == ""


def test_a_namespace_that_waits_for_a_dead_operator_ends(installed: Installed, redis: RedisProcess) -> None:
    working(installed, redis)
    installed.kubectl("delete", "namespace", installed.namespace, "--wait=false")
    installed.until(
        "all but what is held has gone",
        lambda: (
            "NotFound" in installed.kubectl("get", "deployment/shop", "-n", installed.namespace, check=False)
        ),
    )
    assert finalizers(installed, HELD[0]) == ["finalizer.keda.sh"]
    withdraw(installed)
    installed.until(
        "the namespace is gone",
        lambda: "NotFound" in installed.kubectl("get", "namespace", installed.namespace, check=False),
    )
    installed.kubectl("create", "namespace", installed.namespace)


def test_finalizers_of_others_stay(installed: Installed, redis: RedisProcess) -> None:
    working(installed, redis)
    both = {"metadata": {"finalizers": ["finalizer.keda.sh", "example.com/audit"]}}
    installed.patch("scaledobject", "shop", both)
    withdraw(installed)
    assert finalizers(installed, HELD[0]) == ["example.com/audit"]
    installed.patch("scaledobject", "shop", {"metadata": {"finalizers": None}})


def test_webhooks_of_this_installation_go_and_those_of_others_stay(installed: Installed) -> None:
    own = installed.namespace
    installed.kubectl("apply", "-f", "-", stdin=WEBHOOKS.format(name=own, namespace=own))
    assert f"ValidatingWebhookConfiguration {own} deleted" in withdraw(installed)
    installed.kubectl("apply", "-f", "-", stdin=WEBHOOKS.format(name=own, namespace="keda-of-others"))
    assert f"{own} stays" in withdraw(installed)
    installed.kubectl("delete", "validatingwebhookconfiguration", own)


def test_a_pod_of_the_operator_that_does_not_end_is_told(installed: Installed) -> None:
    labels = {"app": "keda-operator"}
    installed.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "keda-operator"},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels, "finalizers": ["example.com/stays"]},
                    "spec": {"containers": [{"name": "operator", "image": "busybox"}]},
                },
            },
        }
    )
    installed.until("its pod is there", lambda: len(installed.get("pods")["items"]) == 1)
    program = installed.program(
        "withdraw",
        "withdraw",
        f"--kubeconfig={installed.kubeconfig}",
        f"--namespace={installed.namespace}",
        f"--watch-namespace={installed.namespace}",
        f"--validating-webhook-name={installed.namespace}",
        "--timeout=0.1",
    )
    program.start(waits=False)
    assert program.ended() == 1
    (pod,) = installed.get("pods")["items"]
    assert "stop the operator" in program.log()
    assert pod["metadata"]["name"] in program.log()
    installed.patch("pod", pod["metadata"]["name"], {"metadata": {"finalizers": None}})
    assert "keda-operator stopped" in withdraw(installed)
