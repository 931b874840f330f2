"""Real kubectls of several versions, each verb, against the served API."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from parts.kubectls import Kubectl, apply, good
from parts.served import Served
from tidegate.kube.resource import CONFIG_MAPS, DEPLOYMENTS, JOBS, NAMESPACES, PODS

pytestmark = pytest.mark.real

APP = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: c, image: "web:1", ports: [{containerPort: 80}], env: [{name: A, value: "1"}]}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {app: web}}
data: {a: "1"}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: tool, command: [work]}]}}}
---
apiVersion: v1
kind: Pod
metadata: {name: alone, labels: {app: alone}}
spec: {containers: [{name: c, image: tool, command: [sleep, "1"]}]}
"""
DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: tides.sea.example}
spec:
  group: sea.example
  scope: Namespaced
  names: {plural: tides, singular: tide, kind: Tide, shortNames: [td], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
    additionalPrinterColumns:
    - {name: Word, type: string, jsonPath: .spec.word}
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            description: What the tide is asked to do.
            properties:
              word: {type: string, description: A word to remember.}
              replicas: {type: integer}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
"""
TIDE = """
apiVersion: sea.example/v1
kind: Tide
metadata: {name: high}
spec: {word: moon, replicas: 1}
"""
PAIR = """
apiVersion: v1
kind: ConfigMap
metadata: {name: one}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: two}
"""


async def test_apply_creates_then_changes_nothing_then_configures(served: Served, kubectl: Kubectl) -> None:
    first = await apply(kubectl, APP)
    assert [line.rpartition(" ")[2] for line in first] == ["created"] * 5
    version = served.plane.reads.version
    again = await apply(kubectl, APP)
    assert [line.rpartition(" ")[2] for line in again] == ["unchanged"] * 5
    assert served.plane.reads.version == version, "an apply that changes nothing writes nothing"
    changed = await apply(kubectl, APP.replace("web:1", "web:2").replace('a: "1"', 'b: "2"'))
    assert [line.rpartition(" ")[2] for line in changed] == ["configured"] * 2 + ["unchanged"] * 3
    assert (await good(kubectl, "get", "cm", "settings", "-o", "jsonpath={.data}")) == '{"b":"2"}'
    template = "{.spec.template.spec.containers[0]['image','ports','env']}"
    assert "web:2" in await good(kubectl, "get", "deploy", "web", "-o", f"jsonpath={template}")


async def test_get_in_every_form(kubectl: Kubectl) -> None:
    await apply(kubectl, APP)
    table = (await good(kubectl, "get", "deploy,job,svc", "-o", "wide")).splitlines()
    assert table[0].split()[:5] == ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert table[1].split()[:2] == ["deployment.apps/web", "0/2"]
    assert table[1].endswith("app=web   ") or table[1].rstrip().endswith("app=web")
    assert await good(kubectl, "get", "cm", "-l", "app=web", "-o", "name") == "configmap/settings\n"
    assert await good(kubectl, "get", "cm", "-l", "app!=web,app in (x)", "-o", "name") == ""
    body = json.loads(await good(kubectl, "get", "cm", "settings", "-o", "json"))
    assert (body["kind"], body["data"]) == ("ConfigMap", {"a": "1"})
    assert 'data:\n  a: "1"' in await good(kubectl, "get", "cm", "settings", "-o", "yaml")
    listed = json.loads(await good(kubectl, "get", "pods,cm", "-o", "json"))
    assert {item["kind"] for item in listed["items"]} == {"Pod", "ConfigMap"}
    assert "web" in await good(kubectl, "get", "all", "-A", "--show-labels")
    assert "settings" in await good(kubectl, "get", "cm", "--sort-by=.metadata.name")
    assert "alone" in await good(kubectl, "get", "pods", "--field-selector=status.phase!=Running")
    assert await good(kubectl, "get", "--raw", "/readyz") == "ok"
    code, _, err = await kubectl("get", "pod", "nosuch")
    assert (code, err) == (1, 'Error from server (NotFound): pods "nosuch" not found\n')
    assert "doesn't have a resource type" in (await kubectl("get", "nosuch"))[2]


async def test_describe_tells_of_every_kind(served: Served, kubectl: Kubectl) -> None:
    await apply(kubectl, APP)
    pod = served.plane.objects.get(PODS, "default", "alone")
    assert pod is not None
    await served.plane.objects.event(pod, "Normal", "Started", "Started container c", "node")
    out = await good(kubectl, "describe", "pod", "alone")
    assert "Started container c" in out
    for words in (["deploy", "web"], ["svc", "web"], ["job", "once"], ["cm", "settings"], ["node"], ["ns"]):
        assert "Name:" in await good(kubectl, "describe", *words)
    assert "Started" in await good(kubectl, "events")
    assert "pod/alone" in await good(kubectl, "get", "events")


async def test_changes_by_every_verb(served: Served, kubectl: Kubectl) -> None:
    await apply(kubectl, APP)
    await good(kubectl, "scale", "deploy", "web", "--replicas=5")
    await good(kubectl, "scale", "deploy", "web", "--replicas=3", "--current-replicas=5")
    assert (await kubectl("scale", "deploy", "web", "--replicas=1", "--current-replicas=5"))[0] == 1
    strategic = '{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"web:9"}]}}}}'
    await good(kubectl, "patch", "deploy", "web", "-p", strategic)
    await good(kubectl, "set", "image", "deploy/web", "c=web:10")
    await good(kubectl, "patch", "cm", "settings", "--type=merge", "-p", '{"data":{"b":"moon"}}')
    operations = '[{"op":"replace","path":"/data/a","value":"9"}]'
    await good(kubectl, "patch", "cm", "settings", "--type=json", "-p", operations)
    await good(kubectl, "label", "cm", "settings", "tier=x")
    assert (await kubectl("label", "cm", "settings", "tier=y"))[0] == 1
    await good(kubectl, "label", "cm", "settings", "tier=y", "app-", "--overwrite")
    await good(kubectl, "annotate", "cm", "settings", "note=hello")
    await good(kubectl, "edit", "cm", "settings")
    deployment = served.plane.objects.get(DEPLOYMENTS, "default", "web")
    settings = served.plane.objects.get(CONFIG_MAPS, "default", "settings")
    assert deployment is not None
    assert settings is not None
    assert deployment["spec"]["replicas"] == 3
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert (container["image"], container["env"]) == ("web:10", [{"name": "A", "value": "1"}])
    assert settings["data"] == {"a": "9", "b": "sun"}
    assert settings["metadata"]["labels"] == {"tier": "y"}
    assert settings["metadata"]["annotations"]["note"] == "hello"


async def test_a_watch_shows_changes_as_they_come(served: Served, kubectl: Kubectl) -> None:
    await apply(kubectl, PAIR)
    watch = asyncio.ensure_future(kubectl("get", "cm", "one", "-w", "--request-timeout=3s"))
    for _ in range(200):
        if served.server.requests["watch", "configmaps"]:
            break
        await asyncio.sleep(0.02)
    await served.plane.objects.patch(CONFIG_MAPS, "default", "one", {"data": {"a": "1", "b": "2"}})
    await served.plane.objects.patch(CONFIG_MAPS, "default", "two", {"data": {"c": "3"}})
    _, out, _ = await watch
    rows = [line.split()[:2] for line in out.splitlines()]
    assert rows == [["NAME", "DATA"], ["one", "0"], ["one", "2"]]


async def test_wait_and_rollout_status_see_what_controllers_write(served: Served, kubectl: Kubectl) -> None:
    await apply(kubectl, APP)
    objects = served.plane.objects
    waits = [
        asyncio.ensure_future(kubectl("wait", "--for=condition=Complete", "job/once", "--timeout=10s")),
        asyncio.ensure_future(kubectl("wait", "--for=delete", "cm/settings", "--timeout=10s")),
        asyncio.ensure_future(kubectl("rollout", "status", "deploy/web", "--timeout=10s")),
    ]
    for _ in range(200):
        if all(served.server.requests["watch", name] for name in ("jobs", "configmaps", "deployments")):
            break
        await asyncio.sleep(0.02)
    deployment = objects.get(DEPLOYMENTS, "default", "web")
    assert deployment is not None
    counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 2)
    status = {"observedGeneration": deployment["metadata"]["generation"], **counts}
    await objects.patch(DEPLOYMENTS, "default", "web", {"status": status}, "status")
    conditions = [{"type": "Complete", "status": "True"}]
    await objects.patch(JOBS, "default", "once", {"status": {"conditions": conditions}}, "status")
    await objects.delete(CONFIG_MAPS, "default", "settings")
    answers = await asyncio.gather(*waits)
    assert [code for code, _, _ in answers] == [0, 0, 0], answers
    assert "successfully rolled out" in answers[2][1]
    code, _, err = await kubectl("wait", "--for=condition=Available", "deploy/web", "--timeout=1s")
    assert (code, "timed out" in err) == (1, True)


async def test_delete_waits_cascades_and_forces(served: Served, kubectl: Kubectl) -> None:
    await apply(kubectl, APP)
    out = await good(kubectl, "delete", "cm/settings", "svc/web", "--timeout=10s")
    assert len(out.splitlines()) == 2
    await good(kubectl, "delete", "deploy", "web", "--cascade=foreground", "--wait=false")
    deployment = served.plane.objects.get(DEPLOYMENTS, "default", "web")
    assert deployment is not None
    assert deployment["metadata"]["finalizers"] == ["foregroundDeletion"]
    await good(kubectl, "delete", "job", "--all", "--cascade=orphan", "--wait=false")
    await good(kubectl, "delete", "pod", "-l", "app=alone", "--force", "--grace-period=0")
    assert served.plane.objects.get(PODS, "default", "alone") is None
    code, _, err = await kubectl("delete", "cm", "settings")
    assert (code, "NotFound" in err) == (1, True)
    await good(kubectl, "delete", "cm", "settings", "--ignore-not-found")


async def test_logs_of_pods_jobs_and_selectors(served: Served, kubectl: Kubectl) -> None:
    await apply(kubectl, APP)
    job = served.plane.objects.get(JOBS, "default", "once")
    assert job is not None
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "once", "uid": job["metadata"]["uid"]}
    template = job["spec"]["template"]
    pod: dict[str, Any] = {
        "metadata": {
            "name": "once-x",
            "namespace": "default",
            "labels": template["metadata"]["labels"],
            "ownerReferences": [{**owner, "controller": True}],
        },
        "spec": template["spec"],
    }
    await served.plane.objects.create(PODS, pod)
    await served.plane.objects.patch(PODS, "default", "once-x", {"status": {"phase": "Running"}}, "status")
    assert (await good(kubectl, "logs", "alone")).splitlines() == ["default/alone/c", "one", "two", "three"]
    assert (await good(kubectl, "logs", "job/once")).startswith("default/once-x/c\n")
    assert "[pod/alone/c] one" in await good(kubectl, "logs", "-l", "app=alone", "--prefix")
    following = asyncio.ensure_future(kubectl("logs", "-f", "job/once"))
    for _ in range(200):
        if any(asked.follow for asked in served.pods.asked):
            break
        await asyncio.sleep(0.02)
    served.pods.more.set()
    assert (await following)[1].endswith("three\nfour\n")
    code, _, err = await kubectl("logs", "alone", "--previous")
    assert (code, 'previous terminated container "c" in pod "alone" not found' in err) == (1, True)


async def test_exec_carries_output_input_and_exit_codes(kubectl: Kubectl) -> None:
    await apply(kubectl, APP)
    assert await good(kubectl, "exec", "alone", "--", "echo", "a", "b c") == "a b c\n"
    assert await good(kubectl, "exec", "-i", "alone", "--", "cat", stdin="from here\n") == "from here\n"
    code, out, err = await kubectl("exec", "alone", "--", "fail", "3")
    assert (code, out) == (3, "")
    assert err == "it broke\ncommand terminated with exit code 3\n"
    code, _, err = await kubectl("exec", "alone", "--", "refuse")
    assert (code, 'container "c" is not running' in err) == (1, True)


async def test_create_in_whatever_encoding_this_version_prefers(served: Served, kubectl: Kubectl) -> None:
    await good(kubectl, "create", "namespace", "away")
    for words in (
        ["configmap", "made", "--from-literal=x=y"],
        ["secret", "generic", "hidden", "--from-literal=x=y"],
        ["serviceaccount", "worker"],
        ["deployment", "sleepy", "--image=tool", "--replicas=0", "--port=80"],
        ["job", "task", "--image=tool", "--", "work", "hard"],
        ["role", "reader", "--verb=get", "--resource=pods"],
        ["rolebinding", "readers", "--role=reader", "--serviceaccount=away:worker"],
        ["service", "clusterip", "front", "--tcp=80"],
    ):
        await good(kubectl, "-n", "away", "create", *words)
    objects = served.plane.objects
    assert objects.get(NAMESPACES, "", "away") is not None
    made = objects.get(CONFIG_MAPS, "away", "made")
    deployment = objects.get(DEPLOYMENTS, "away", "sleepy")
    job = objects.get(JOBS, "away", "task")
    assert made is not None
    assert deployment is not None
    assert job is not None
    assert made["data"] == {"x": "y"}
    assert deployment["spec"]["replicas"] == 0
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert job["spec"]["template"]["spec"]["containers"][0]["command"] == ["work", "hard"]
    code, _, err = await kubectl("create", "configmap", "made", "-n", "away")
    assert (code, 'configmaps "made" already exists' in err) == (1, True)


async def test_discovery_and_explanations(kubectl: Kubectl) -> None:
    rows = [line.split() for line in (await good(kubectl, "api-resources")).splitlines()]
    assert ["jobs", "batch/v1", "true", "Job"] in rows
    assert "apps/v1" in (await good(kubectl, "api-versions")).splitlines()
    assert "<[]Container>" in await good(kubectl, "explain", "pod.spec")
    assert "Server Version" in await good(kubectl, "version")
    assert "is running at" in await good(kubectl, "cluster-info")


async def test_custom_resources_as_soon_as_they_are_defined(served: Served, kubectl: Kubectl) -> None:
    await apply(kubectl, DEFINITION)
    await good(kubectl, "wait", "--for=condition=Established", "crd/tides.sea.example", "--timeout=5s")
    await apply(kubectl, TIDE)
    assert (await apply(kubectl, TIDE))[0].endswith("unchanged")
    assert (await apply(kubectl, TIDE.replace("moon", "earth")))[0].endswith("configured")
    rows = [line.split() for line in (await good(kubectl, "get", "td")).splitlines()]
    assert rows == [["NAME", "WORD", "READY"], ["high", "earth"]]
    patch = '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}'
    await good(kubectl, "patch", "td", "high", "--type=merge", "--subresource=status", "-p", patch)
    assert "True" in await good(kubectl, "get", "tide")
    await good(kubectl, "wait", "--for=condition=Ready", "tide/high", "--timeout=5s")
    await good(kubectl, "scale", "tide", "high", "--replicas=4")
    assert "4" in await good(kubectl, "get", "td", "high", "-o", "jsonpath={.spec.replicas}")
    assert "A word to remember." in await good(kubectl, "explain", "tide.spec.word")
    code, _, err = await kubectl("apply", "-f", "-", stdin=TIDE.replace("moon", "1, weight: 2"))
    # Strict or not, all that is wrong is told in one answer.
    assert code == 1
    assert "spec.word: Invalid value: 1" in err
    assert "spec.weight: Forbidden: unknown field" in err
    out = await good(kubectl, "apply", "--validate=warn", "-f", "-", stdin=TIDE.replace("moon", "m, wait: 2"))
    assert out == "tide.sea.example/high configured\n"
    assert "high" in await good(kubectl, "get", "all")
    await good(kubectl, "delete", "crd", "tides.sea.example", "--timeout=10s")
    assert (await kubectl("get", "td"))[0] == 1


async def test_dry_runs_leave_everything_as_it_is(served: Served, kubectl: Kubectl) -> None:
    await apply(kubectl, APP)
    version = served.plane.reads.version
    changed = APP.replace("web:1", "web:2")
    out = await apply(kubectl, changed, "--dry-run=server")
    assert out[0] == "deployment.apps/web configured (server dry run)"
    code, out_text, _ = await kubectl("diff", "-f", "-", stdin=changed)
    assert (code, "+      - image: web:2" in out_text or "image: web:2" in out_text) == (1, True)
    await good(kubectl, "delete", "cm", "settings", "--dry-run=server")
    assert served.plane.reads.version == version


async def test_replace_and_run(served: Served, kubectl: Kubectl) -> None:
    await apply(kubectl, APP)
    settings = APP.split("---")[1].replace('a: "1"', 'z: "1"')
    await good(kubectl, "replace", "-f", "-", stdin=settings)
    assert await good(kubectl, "get", "cm", "settings", "-o", "jsonpath={.data.z}") == "1"
    await good(kubectl, "run", "quick", "--image=tool", "--restart=Never", "--", "work")
    pod = served.plane.objects.get(PODS, "default", "quick")
    assert pod is not None
    assert pod["spec"]["containers"][0]["args"] == ["work"]
