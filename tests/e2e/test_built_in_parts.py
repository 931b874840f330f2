"""Where the operator is in local mode: the namespace `keda` as tutorials look at it, manifests and a chart of
KEDA's shape written over it, and what is left when they are taken away.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from parts.charts import Helm
from parts.kubectls import kubectl_path
from parts.loopback import missing
from parts.up import Up

pytestmark = [pytest.mark.e2e, pytest.mark.real, pytest.mark.xdist_group("built-in parts")]

CHART = str(Path(__file__).with_name("keda-chart"))
DEPLOYMENTS = {
    "keda-admission",
    "keda-admission-webhooks",
    "keda-metrics-apiserver",
    "keda-operator",
    "keda-operator-metrics-apiserver",
}
SCALED = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: sleeper}
spec:
  replicas: 0
  selector: {matchLabels: {app: sleeper}}
  template:
    metadata: {labels: {app: sleeper}}
    spec: {containers: [{name: sleeper, image: busybox, command: [sleep, "3600"]}]}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: {name: sleeper}
spec:
  scaleTargetRef: {name: sleeper}
  triggers: [{type: cron, metadata: {timezone: UTC, start: 0 0 1 1 *, end: 1 0 1 1 *, desiredReplicas: "1"}}]
"""


@pytest.fixture(scope="module")
def up(shared_up: Up) -> Up:
    return shared_up


def told(up: Up, *words: str, stdin: str = "", version: str = "current") -> tuple[str, str]:
    """What a kubectl prints, and what it complains of; it must succeed."""
    path = kubectl_path(version)
    if path is None:
        missing(f"kubectl {version} is missing; `make tools` fetches it")
    run = subprocess.run(
        [str(path), *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "KUBECONFIG": str(up.kubeconfig), "HOME": str(up.folder.parent)},
    )
    assert run.returncode == 0, f"kubectl {' '.join(words)}: {run.stderr}"
    return run.stdout, run.stderr


def whole(up: Up) -> None:
    """Waits until every part is there once, and running; all are ours."""

    def is_whole() -> bool:
        found = up.get("deployments,pods", "-n", "keda")["items"]
        if any("deletionTimestamp" in one["metadata"] for one in found):
            return False
        deployments = [one for one in found if one["kind"] == "Deployment"]
        pods = [one for one in found if one["kind"] == "Pod"]
        assert all(images(one["spec"]["template"]) == ["tidegate"] for one in deployments)
        available = {one["metadata"]["name"] for one in deployments if one["status"].get("availableReplicas")}
        return available == DEPLOYMENTS and [images(pod) for pod in pods] == [["tidegate"]] * len(DEPLOYMENTS)

    up.until("one pod of each part", is_whole)


def images(template: Any) -> list[str]:
    return [one["image"].partition(":")[0] for one in template["spec"]["containers"]]


def is_defined_by_us(up: Up) -> bool:
    return "ofAnotherShape" not in json.dumps([one["spec"] for one in up.get("crds")["items"]])


def uids(up: Up, *words: str) -> dict[str, str]:
    found: list[Any] = up.get(*words)["items"]
    return {one["metadata"]["name"]: one["metadata"]["uid"] for one in found}


@pytest.mark.parametrize("version", ["1.27", "current"])
def test_the_parts_are_looked_at_as_on_a_cluster(up: Up, version: str) -> None:
    whole(up)
    out, _ = told(up, "get", "pods", "-n", "keda", "-l", "app=keda-operator", version=version)
    assert (out.split("\n")[1].split()[1:4], len(out.splitlines())) == (["1/1", "Running", "0"], 2)
    out, _ = told(up, "logs", "-n", "keda", "deployment/keda-operator", "--timestamps", version=version)
    assert "operator.local: started" in out.splitlines()[0]
    out, _ = told(up, "logs", "-n", "keda", "-l", "app=keda-operator", "--tail=1", version=version)
    assert len(out.splitlines()) == 1
    out, _ = told(up, "describe", "-n", "keda", "pod", "-l", "app=keda-operator", version=version)
    assert "Running" in out
    told(up, "rollout", "status", "-n", "keda", "deployment/keda-operator", version=version)
    told(up, "wait", "-n", "keda", "--for=condition=Ready", "pod", "--all", version=version)
    out, _ = told(up, "get", "apiservice,validatingwebhookconfiguration", version=version)
    assert "keda/keda-operator-metrics-apiserver   True" in out


def test_there_is_nothing_to_run_or_to_connect_to_in_a_part(up: Up) -> None:
    assert "has no container" in up.kubectl(
        "exec", "-n", "keda", "deploy/keda-operator", "--", "ls", check=False
    )
    said = up.kubectl("logs", "--previous", "-n", "keda", "deploy/keda-operator", check=False)
    assert 'previous terminated container "keda-operator" in pod' in said


def test_the_log_follows_what_the_operator_does(up: Up) -> None:
    command = [
        "kubectl",
        "--kubeconfig",
        str(up.kubeconfig),
        "logs",
        "-n",
        "keda",
        "deploy/keda-operator",
        "-f",
    ]
    with subprocess.Popen([*command, "--since=1s"], stdout=subprocess.PIPE, text=True) as follower:
        up.kubectl("apply", "-f", "-", stdin=SCALED)
        assert follower.stdout is not None
        line = ""
        while "default/sleeper" not in line:
            line = follower.stdout.readline()
            assert line, "the log has ended"
        follower.kill()
    wrong = SCALED.replace("  triggers:", "  minReplicaCount: 5\n  maxReplicaCount: 2\n  triggers:")
    assert "minReplicaCount" in up.kubectl("apply", "-f", "-", stdin=wrong, check=False)
    assert "default/sleeper" in up.kubectl("logs", "-n", "keda", "deployment/keda-admission-webhooks")


def test_a_part_stays_as_it_is(up: Up) -> None:
    before = uids(up, "deployments", "-n", "keda")
    _, said = told(up, "scale", "-n", "keda", "deployment/keda-operator", "--replicas=0")
    _, said = told(up, "set", "image", "-n", "keda", "deployment/keda-operator", "*=nginx")
    assert "stays as it is" in said
    told(up, "label", "-n", "keda", "deployment/keda-operator", "team=blue")
    whole(up)
    assert uids(up, "deployments", "-n", "keda") == before
    assert up.get("deployment", "-n", "keda", "keda-operator")["metadata"]["labels"]["team"] == "blue"


def test_a_part_that_is_deleted_is_there_again(up: Up) -> None:
    before = uids(up, "deployments", "-n", "keda")
    for how in ("background", "foreground"):
        _, said = told(up, "delete", "-n", "keda", "deployment/keda-operator", f"--cascade={how}")
        assert "there again at once" in said
    told(up, "delete", "pods,services", "-n", "keda", "--all")
    whole(up)
    assert len(uids(up, "services", "-n", "keda")) == 4
    assert uids(up, "deployments", "-n", "keda")["keda-operator"] != before["keda-operator"]


def test_nobody_scales_a_part(up: Up) -> None:
    scaled = SCALED.split("---")[1].replace("sleeper", "keda-operator")
    assert "is never scaled" in up.kubectl("apply", "-n", "keda", "-f", "-", stdin=scaled, check=False)
    hpa = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "more"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "keda-operator"}},
    }
    hpa["spec"]["maxReplicas"] = 3  # type: ignore[index]
    said = up.kubectl("apply", "-n", "keda", "-f", "-", stdin=json.dumps(hpa), check=False)
    assert "is never scaled" in said


def test_the_namespace_is_made_and_deleted_as_tutorials_do(up: Up) -> None:
    _, said = told(up, "create", "namespace", "keda")
    assert "is there already" in said
    assert "AlreadyExists" in up.kubectl("create", "namespace", "keda", check=False)
    told(up, "create", "configmap", "mine", "-n", "keda")
    told(up, "delete", "namespace", "keda")
    whole(up)
    assert "mine" not in uids(up, "configmaps", "-n", "keda")


def test_a_chart_of_the_same_shape_comes_and_goes(up: Up, helm: Helm) -> None:
    up.kubectl("apply", "-f", "-", stdin=SCALED)
    before = uids(up, "scaledobjects")
    where = ("-n", "keda", "--wait", "--timeout", "60s")
    helm.run("install", "keda", CHART, "--create-namespace", *where)
    helm.run("upgrade", "keda", CHART, *where, "--set", "operator.replicaCount=2")
    helm.run("rollback", "keda", "1", *where)
    assert is_defined_by_us(up)
    helm.run("uninstall", "keda", *where)
    whole(up)
    assert uids(up, "scaledobjects") == before
    helm.run("install", "other", CHART, *where)
    helm.run("uninstall", "other", *where)


@pytest.mark.parametrize(
    ("how", "version"),
    [(("apply",), "1.27"), (("apply", "--server-side"), "current"), (("create",), "current")],
)
def test_manifests_of_the_same_shape_are_written_and_deleted(
    up: Up, helm: Helm, tmp_path: Path, how: tuple[str, ...], version: str
) -> None:
    names = ("--set", "metricsServer.name=keda-metrics-apiserver,webhooks.name=keda-admission")
    file = tmp_path / "keda.yaml"
    # The files of KEDA's releases begin with it.
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: keda}\n---\n"
    file.write_text(namespace + helm.run("template", "keda", CHART, "-n", "keda", *names))
    for words in (how, how if how[0] == "apply" else ("replace",)):
        _, said = told(up, *words, "-f", str(file), version=version)
        for part in ("Deployment keda-metrics-apiserver", "definition of scaledjobs.keda.sh"):
            assert f"the {part} " in said
    assert is_defined_by_us(up)
    _, said = told(up, "delete", "--ignore-not-found", "-f", str(file), version=version)
    assert "there again at once, with all objects of its kind" in said
    whole(up)
    assert uids(up, "scaledobjects").keys() == {"sleeper"}


def test_a_crash_doubles_nothing_and_the_parts_go_when_they_are_not_wanted(up: Up) -> None:
    whole(up)
    before, written = uids(up, "pods,deployments,services", "-n", "keda"), len(up.journal())
    up.kill()
    up.start()
    whole(up)
    assert uids(up, "pods,deployments,services", "-n", "keda") == before
    assert len(up.journal()) == written
    up.stop()
    up.flags = (*up.flags, "--no-keda-namespace")
    up.start()
    up.until("no parts", lambda: up.get("pods,deployments,services", "-n", "keda")["items"] == [])
