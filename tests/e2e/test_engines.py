"""Local mode with podman behind it, by kubectl: images run, and survive the server as processes do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from parts.podman import IMAGE, Podman, own_podman
from parts.up import Up, needs_kubectl

pytestmark = [pytest.mark.e2e, pytest.mark.real, pytest.mark.xdist_group("podman")]

# What the image does not have comes by volumes; nothing of this machine is in it.
WEB = f"""
apiVersion: v1
kind: ConfigMap
metadata: {{name: page}}
data: {{index.html: from the page}}
---
apiVersion: v1
kind: Secret
metadata: {{name: login}}
stringData: {{token: s3cret}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 1
      initContainers:
        - name: before
          image: {IMAGE}
          command: [sh, -c, "echo made before > /mnt/made"]
          volumeMounts: [{{name: own, mountPath: /mnt}}]
      containers:
        - name: server
          image: {IMAGE}
          command: [httpd, -f, -p, "8080", -h, /srv]
          env: [{{name: TOKEN, valueFrom: {{secretKeyRef: {{name: login, key: token}}}}}}]
          readinessProbe: {{periodSeconds: 1, httpGet: {{port: 8080, path: /index.html}}}}
          volumeMounts:
            - {{name: page, mountPath: /srv, readOnly: true}}
            - {{name: own, mountPath: /mnt}}
            - {{name: login, mountPath: /etc/login}}
      volumes:
        - {{name: page, configMap: {{name: page}}}}
        - {{name: login, secret: {{secretName: login}}}}
        - {{name: own, emptyDir: {{}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{selector: {{app: web}}, ports: [{{port: 80, targetPort: 8080}}]}}
"""


def job(name: str, script: str) -> str:
    container = {"name": "c", "image": IMAGE, "command": ["sh", "-c", script]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    spec = {"backoffLimit": 0, "template": template}
    return json.dumps({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec})


def pod(name: str, annotations: dict[str, str] | None = None, **container: Any) -> str:
    spec = {"terminationGracePeriodSeconds": 1, "containers": [{"name": "c", "image": IMAGE, **container}]}
    metadata = {"name": name, "annotations": annotations or {}}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    with own_podman() as one:
        yield one


@pytest.fixture(scope="module")
def up(podman: Podman, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    needs_kubectl()
    inside = ("env", *(f"{name}={value}" for name, value in podman.environment.items()))
    one = Up(tmp_path_factory.mktemp("engines") / "data", "--runtime", "podman", inside=inside)
    try:
        one.start()
        one.kubectl("apply", "-f", "-", stdin=WEB)
        one.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
        yield one
    finally:
        one.end()


def statuses(up: Up) -> dict[str, tuple[str, str, int]]:
    """Of each pod of the Deployment: its container, when that began, and how often it was started again."""
    found = {}
    for one in json.loads(up.kubectl("get", "pods", "-l", "app=web", "-o", "json"))["items"]:
        container = one["status"]["containerStatuses"][0]
        began = container["state"]["running"]["startedAt"]
        found[one["metadata"]["name"]] = (container["containerID"], began, container["restartCount"])
    return found


def test_a_job_reaches_a_deployment_by_the_name_of_its_service(up: Up) -> None:
    up.kubectl("apply", "-f", "-", stdin=job("asks", "wget -qO- http://web/index.html"))

    up.kubectl("wait", "--for=condition=complete", "job/asks", "--timeout=60s")

    assert up.kubectl("logs", "-f", "job/asks") == "from the page"


def test_a_job_whose_program_fails_is_failed_with_its_exit_code(up: Up) -> None:
    up.kubectl("apply", "-f", "-", stdin=job("fails", "echo no; exit 3"))

    up.kubectl("wait", "--for=condition=failed", "job/fails", "--timeout=60s")

    code = "jsonpath={.items[0].status.containerStatuses[0].state.terminated.exitCode}"
    assert up.kubectl("get", "pods", "-l", "job-name=fails", "-o", code) == "3"
    assert up.kubectl("logs", "job/fails") == "no\n"


def test_a_command_in_a_container_sees_its_image_its_volumes_and_its_variables(up: Up) -> None:
    script = "echo $TOKEN; cat /etc/login/token /mnt/made; ls /usr 2>/dev/null; hostname"

    told = up.kubectl("exec", "deployment/web", "--", "sh", "-c", script).splitlines()

    assert told[:2] == ["s3cret", "s3cretmade before"]
    assert told[2] in statuses(up)


def test_the_node_and_its_pods_say_what_runs_them(up: Up) -> None:
    runtime = "jsonpath={.items[0].status.nodeInfo.containerRuntimeVersion}"

    assert up.kubectl("get", "nodes", "-o", runtime) == "podman"
    assert all(one.startswith("podman://") for one, _, _ in statuses(up).values())


def test_an_image_that_may_not_be_fetched_and_a_runtime_that_is_none_are_told(up: Up) -> None:
    absent = pod("absent", image="localhost/not/there:1", imagePullPolicy="Never")
    up.kubectl("apply", "-f", "-", stdin=absent)

    refused = up.kubectl("apply", "-f", "-", stdin=pod("odd", {"tidegate.dev/runtime": "rkt"}), check=False)

    assert 'metadata.annotations[tidegate.dev/runtime]: Unsupported value: "rkt"' in refused
    reason = "jsonpath={.status.containerStatuses[0].state.waiting.reason}"
    up.until(
        "the image is missed", lambda: up.kubectl("get", "pod", "absent", "-o", reason) == "ErrImageNeverPull"
    )
    up.kubectl("delete", "pod", "absent")


def test_a_killed_server_finds_its_containers_again_and_removes_what_no_pod_has(
    up: Up, podman: Podman
) -> None:
    before, ran = statuses(up), sorted(podman.containers())
    node = (up.folder / "node" / "node-id").read_text().strip()
    up.kill()
    podman("create", "--name=lost", f"--label=tidegate.dev/node={node}", "--network=host", IMAGE, "true")
    podman("create", "--name=mine", "--network=host", IMAGE, "true")

    up.start()
    try:
        up.until("it is swept", lambda: "lost" not in podman.containers())
        up.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
        assert statuses(up) == before
        assert sorted(podman.containers()) == sorted([*ran, "mine"])
        assert up.kubectl("exec", "deployment/web", "--", "echo", "on") == "on\n"
    finally:
        podman("rm", "mine")


def test_a_container_that_ends_is_started_again_and_its_log_before_is_kept(up: Up) -> None:
    up.kubectl("apply", "-f", "-", stdin=pod("ends", command=["sh", "-c", "echo round; exit 1"]))
    reason = "jsonpath={.status.containerStatuses[0].state.waiting.reason}"

    up.until("it backs off", lambda: up.kubectl("get", "pod", "ends", "-o", reason) == "CrashLoopBackOff")

    assert up.kubectl("logs", "ends", "--previous") == "round\n"
    up.kubectl("delete", "pod", "ends")


def test_what_is_deleted_leaves_no_container(up: Up, podman: Podman) -> None:
    up.kubectl("delete", "deployment", "web", "--cascade=foreground")
    up.kubectl("delete", "jobs", "--all")
    up.kubectl("wait", "--for=delete", "pods", "--all", "--timeout=60s")

    assert podman.containers() == []
