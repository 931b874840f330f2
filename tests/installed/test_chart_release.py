"""The chart on a real control plane: installed, used, upgraded, uninstalled. Its pods are run by our node."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import yaml

from parts.chart_cluster import NAMESPACE, RELEASE, ChartCluster
from parts.charts import Object
from parts.loopback import missing

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("chart")]
SHOP = "shop"
QUEUE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: redis, labels: {app: redis}}
spec:
  selector: {matchLabels: {app: redis}}
  template:
    metadata: {labels: {app: redis}}
    spec: {containers: [{name: redis, image: redis, ports: [{containerPort: 6379}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: redis}
spec: {selector: {app: redis}, ports: [{port: 6379}]}
"""


METRICS = "external.metrics.k8s.io"
# Rights whose occasion this story need not bring about, with that occasion.
SELDOM = {
    "keda-operator keda.sh scaledobjects/finalizers update": "looked up when an HPA names its owner",
    "keda-operator keda.sh scaledjobs/finalizers update": "looked up when a Job names its owner",
    "keda-operator keda.sh scaledobjects get": "a write found nothing: is the object itself gone?",
    "keda-operator keda.sh scaledjobs get": "a write found nothing: is the object itself gone?",
    "keda-operator keda.sh triggerauthentications get": "another wrote its status meanwhile",
    "keda-operator keda.sh clustertriggerauthentications get": "another wrote its status meanwhile",
    "keda-operator batch jobs get": "a Job of that name was there: is it ours?",
    "keda-operator  secrets update": "certificates are renewed",
    "keda-operator  serviceaccounts list": "a workload's own identity of AWS",
    "keda-operator  serviceaccounts watch": "a workload's own identity of AWS",
}


def rights(manifest: str) -> set[tuple[str, str, str, str]]:
    """(account, group, resource, verb) of all that the manifest's own roles give to its accounts."""
    objects = [one for one in yaml.safe_load_all(manifest) if one]
    roles = {(one["kind"], one["metadata"]["name"]): one for one in objects if "rules" in one}
    found = set()
    for binding in (one for one in objects if one["kind"].endswith("RoleBinding")):
        role = roles.get((binding["roleRef"]["kind"], binding["roleRef"]["name"]))
        for rule in role["rules"] if role is not None else ():
            for account in binding["subjects"]:
                found |= {
                    (account["name"], group, resource, verb)
                    for group in rule["apiGroups"]
                    for resource in rule["resources"]
                    for verb in rule["verbs"]
                }
    return found


def workload(kind: str, name: str) -> Object:
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "work", "image": "busybox"}]},
    }
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    if kind == "StatefulSet":
        spec["serviceName"] = name
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def listening(name: str, length: int = 5) -> Object:
    metadata = {"address": f"redis.{NAMESPACE}.svc:6379", "listName": name, "listLength": str(length)}
    return {"type": "redis", "metadata": metadata}


def scaled_object(name: str, kind: str, *triggers: Object, **more: Any) -> Object:
    spec = {
        "scaleTargetRef": {"name": name, "kind": kind, "apiVersion": "apps/v1"},
        "pollingInterval": 1,
        "cooldownPeriod": 1,
        "maxReplicaCount": 4,
        "triggers": list(triggers) or [listening(name)],
        **more,
    }
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name},
        "spec": spec,
    }


def scaled_job(name: str, **more: Any) -> Object:
    pod = {"restartPolicy": "Never", "containers": [{"name": "work", "image": "busybox"}]}
    spec = {
        "pollingInterval": 1,
        "jobTargetRef": {"template": {"spec": pod}},
        "triggers": [listening(name, 1)],
        **more,
    }
    return {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledJob", "metadata": {"name": name}, "spec": spec}


SECRET = f"""
apiVersion: v1
kind: Secret
metadata: {{name: broker}}
stringData: {{address: "redis.{NAMESPACE}.svc:6379"}}
"""


def authentication(kind: str) -> Object:
    reference = {"parameter": "address", "name": "broker", "key": "address"}
    body: Object = {"apiVersion": "keda.sh/v1alpha1", "kind": kind, "metadata": {"name": "broker"}}
    return {**body, "spec": {"secretTargetRef": [reference]}}


def authenticated(name: str, kind: str) -> Object:
    trigger = listening(name)
    del trigger["metadata"]["address"]
    return {**trigger, "authenticationRef": {"name": "broker", "kind": kind}}


def like(name: str) -> Object:
    """A trigger that counts the pods of a workload."""
    return {"type": "kubernetes-workload", "metadata": {"podSelector": f"app={name}", "value": "1"}}


class Story:
    """The cluster with the release, and the queue."""

    def __init__(self, cluster: ChartCluster) -> None:
        self.cluster = cluster

    def queue(self) -> redis.Redis:
        (pod,) = self.cluster.get("pods -l app=redis", NAMESPACE)["items"]
        return redis.Redis(pod["status"]["podIP"], 6379)

    def push(self, name: str, count: int) -> None:
        self.queue().rpush(name, *(str(number) for number in range(count)))

    def has(self, name: str, replicas: int, kind: str = "deployment", namespace: str = SHOP) -> bool:
        return bool(self.cluster.get(f"{kind} {name}", namespace)["spec"]["replicas"] == replicas)

    def is_ready(self, name: str, namespace: str = SHOP) -> bool:
        found = self.cluster.get(name, namespace).get("status", {}).get("conditions", [])
        return any((one["type"], one["status"]) == ("Ready", "True") for one in found)

    def pods(self, app: str) -> set[str]:
        items = self.cluster.get(f"pods -l app={app}", NAMESPACE)["items"]
        return {one["metadata"]["uid"] for one in items}

    def held(self, name: str, namespace: str = SHOP) -> bool:
        return "finalizer.keda.sh" in (self.cluster.get(name, namespace)["metadata"].get("finalizers") or ())


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    if os.geteuid() != 0:
        missing("only root reaches pods from this machine, and the API server must")
    with ChartCluster(tmp_path_factory.mktemp("chart")) as cluster:
        cluster.apply(NAMESPACE, QUEUE)
        cluster.kubectl("create", "namespace", SHOP)
        cluster.install()
        cluster.kubectl("rollout", "status", "deployment/redis", "-n", NAMESPACE, "--timeout=60s")
        yield Story(cluster)


def test_a_deployment_goes_from_zero_to_four_and_back(story: Story) -> None:
    cluster = story.cluster
    cluster.apply(SHOP, workload("Deployment", "web"), scaled_object("web", "Deployment"))
    cluster.until("it is ready", lambda: story.is_ready("scaledobject web"))
    story.push("web", 20)
    cluster.until("it has four", lambda: story.has("web", 4))
    story.queue().delete("web")
    cluster.until("it rests", lambda: story.has("web", 0))


def test_what_cannot_work_is_refused(story: Story) -> None:
    second = scaled_object("second", "Deployment")
    second["spec"]["scaleTargetRef"]["name"] = "web"
    text = yaml.safe_dump(second)
    said = story.cluster.kubectl("apply", "-n", SHOP, "-f", "-", stdin=text, check=False)
    assert "denied the request" in said
    assert "already managed by the ScaledObject 'web'" in said


def test_a_trigger_on_cpu_needs_pods_that_ask_for_some(story: Story) -> None:
    cpu = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "50"}}
    for kind, name in (("Deployment", "lazy"), ("StatefulSet", "idle")):
        story.cluster.apply(SHOP, workload(kind, name))
        text = yaml.safe_dump(scaled_object(name, kind, cpu, minReplicaCount=1))
        said = story.cluster.kubectl("apply", "-n", SHOP, "-f", "-", stdin=text, check=False)
        assert "doesn't have the cpu request defined" in said


def test_every_kind_of_target_and_authentication_works(story: Story) -> None:
    cluster = story.cluster
    for namespace in (SHOP, NAMESPACE):
        cluster.apply(namespace, SECRET)
    cluster.apply(
        SHOP,
        authentication("TriggerAuthentication"),
        authentication("ClusterTriggerAuthentication"),
        workload("StatefulSet", "store"),
        scaled_object("store", "StatefulSet", authenticated("store", "TriggerAuthentication")),
        workload("ReplicaSet", "press"),
        scaled_object("press", "ReplicaSet", authenticated("press", "ClusterTriggerAuthentication")),
        workload("Deployment", "helpers"),
        scaled_object("helpers", "Deployment", like("store")),
        scaled_job("bakery"),
    )
    for name in ("store", "press", "bakery"):
        story.push(name, 2)
    cluster.until("the StatefulSet works", lambda: story.has("store", 1, "statefulset"))
    cluster.until("the ReplicaSet works", lambda: story.has("press", 1, "replicaset"))
    cluster.until("pods are counted", lambda: story.has("helpers", 1))
    cluster.until("two Jobs are there", lambda: len(cluster.get("jobs", SHOP)["items"]) == 2)
    # An HPA of another's hand is put right, one of an object that goes is deleted.
    patch = '{"spec": {"maxReplicas": 9}}'
    cluster.kubectl("patch", "hpa", "keda-hpa-web", "-n", SHOP, "--type=merge", "-p", patch)
    cluster.until(
        "its HPA is put right", lambda: cluster.get("hpa keda-hpa-web", SHOP)["spec"]["maxReplicas"] == 4
    )
    cluster.kubectl("delete", "scaledobject", "press", "-n", SHOP, "--timeout=60s")
    # Of a paused object the HPA goes; told twice, an event is counted.
    for _ in range(2):
        cluster.kubectl("annotate", "scaledobject", "web", "-n", SHOP, "autoscaling.keda.sh/paused=true")
        cluster.until("its HPA is gone", lambda: not cluster.is_there("hpa keda-hpa-web", SHOP))
        cluster.kubectl("annotate", "scaledobject", "web", "-n", SHOP, "autoscaling.keda.sh/paused-")
        cluster.until("its HPA is back", lambda: cluster.is_there("hpa keda-hpa-web", SHOP))
    # Jobs of an older template are deleted, where that is asked for.
    before = {one["metadata"]["uid"] for one in cluster.get("jobs", SHOP)["items"]}
    cluster.apply(SHOP, scaled_job("bakery", rolloutStrategy="immediate", maxReplicaCount=1))
    cluster.until(
        "they are gone",
        lambda: not before & {one["metadata"]["uid"] for one in cluster.get("jobs", SHOP)["items"]},
    )
    # Sources of CloudEvents are followed, and told how they are.
    sink = {"destination": {"http": {"uri": f"http://redis.{NAMESPACE}.svc:6379/"}}}
    for kind in ("CloudEventSource", "ClusterCloudEventSource"):
        source = {"apiVersion": "eventing.keda.sh/v1alpha1", "kind": kind, "metadata": {"name": "sink"}}
        cluster.apply(SHOP, {**source, "spec": sink})
        cluster.until("its state is told", lambda kind=kind: "status" in cluster.get(f"{kind} sink", SHOP))
    # The endpoints of a Service are looked up.
    page = {
        "url": f"http://redis.{NAMESPACE}.svc.cluster.local:6379/",
        "valueLocation": "number",
        "targetValue": "1",
    }
    each = {"type": "metrics-api", "metadata": {**page, "aggregateFromKubeServiceEndpoints": "true"}}
    cluster.apply(SHOP, workload("Deployment", "each"), scaled_object("each", "Deployment", each))
    cluster.until("they are", lambda: any(one.resource == "endpointslices" for one in cluster.asked()))


def refused(cluster: ChartCluster) -> list[str]:
    """What a ServiceAccount was not allowed. The API server does not know yet who may own what of a kind that
    has just been defined, and refuses for some seconds: that is not counted.
    """
    found = [one for one in cluster.asked() if one.code == 403 and "RESTMapping" not in one.why]
    return sorted({str(one) for one in found})


def test_the_chart_gives_every_right_that_is_used_and_no_other(story: Story) -> None:
    assert refused(story.cluster) == []
    used = {
        (one.account, one.group, "*" if one.group == METRICS else one.resource, one.verb)
        for one in story.cluster.asked()
    }
    granted = rights(story.cluster.helm.run("get", "manifest", RELEASE, "-n", NAMESPACE))
    assert sorted({" ".join(one) for one in granted - used} - SELDOM.keys()) == []


def test_an_upgrade_leaves_replicas_as_they_are(story: Story) -> None:
    cluster = story.cluster
    story.push("web", 20)
    cluster.until("it has four", lambda: story.has("web", 4))
    before = story.pods("keda-operator")
    cluster.install({"logging": {"operator": {"level": "debug"}}})
    cluster.until("others have taken over", lambda: not before & story.pods("keda-operator"))
    assert story.has("web", 4)
    story.queue().delete("web")
    cluster.until("the new operator works", lambda: story.has("web", 0))


def test_an_uninstall_after_a_crash_leaves_work_and_holds_up_no_namespace(story: Story) -> None:
    cluster = story.cluster
    story.push("web", 20)
    story.push("bakery", 1)
    cluster.kubectl("create", "namespace", "fair")
    cluster.apply("fair", workload("Deployment", "stall"), scaled_object("stall", "Deployment"))
    cluster.until("it has four", lambda: story.has("web", 4))
    cluster.until("a Job is there", lambda: bool(cluster.get("jobs", SHOP)["items"]))
    cluster.until("it is held", lambda: story.held("scaledobject stall", "fair"))
    jobs = {one["metadata"]["uid"] for one in cluster.get("jobs", SHOP)["items"]}
    assert cluster.kill_programs("operator") == 2
    cluster.kubectl("delete", "namespace", "fair", "--wait=false")
    said = cluster.uninstall()
    assert "scaledobjects.keda.sh" in said, "definitions are kept"
    cluster.until("the namespace ends", lambda: not cluster.is_there("namespace fair"))
    assert story.has("web", 4)
    assert {one["metadata"]["uid"] for one in cluster.get("jobs", SHOP)["items"]} == jobs
    for name in ("scaledobject web", "scaledjob bakery"):
        assert not story.held(name)
    for what in (
        "apiservice v1beta1.external.metrics.k8s.io",
        "validatingwebhookconfiguration keda-admission",
    ):
        assert not cluster.is_there(what)
    left = "deployments,services,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,jobs"
    assert not cluster.is_there(f"{left} -A -l app.kubernetes.io/instance={RELEASE}")


def test_a_new_release_goes_on_where_the_old_one_ended_with_certificates_of_an_administrator(
    story: Story,
) -> None:
    cluster = story.cluster
    cluster.own_values = cluster.own_certificates()
    cluster.install()
    story.queue().delete("web")
    cluster.until("it rests", lambda: story.has("web", 0))
    cluster.until("it is held again", lambda: story.held("scaledobject web"))
    assert refused(cluster) == []


def test_an_operator_of_one_namespace_asks_nothing_of_others(story: Story) -> None:
    cluster = story.cluster
    cluster.uninstall()
    restrict = {"operator": {"restrict": {"secret": True}}}
    cluster.own_values = {"watchNamespace": SHOP, "permissions": restrict}
    before = len(list(cluster.asked()))
    cluster.install()
    story.push("web", 20)
    cluster.until("it has four", lambda: story.has("web", 4))
    story.queue().delete("web")
    cluster.until("it rests", lambda: story.has("web", 0))
    assert refused(cluster) == []
    asked = [one for one in list(cluster.asked())[before:] if one.account == "keda-operator"]
    assert {one.namespace for one in asked if one.resource in ("scaledobjects", "jobs", "pods")} == {SHOP}
    assert {one.namespace for one in asked if one.resource == "secrets"} == {NAMESPACE}


def test_a_shadow_tells_what_it_would_do_and_does_nothing(story: Story) -> None:
    cluster = story.cluster
    cluster.uninstall()
    cluster.own_values = {"shadow": {"enabled": True}}
    before = len(list(cluster.asked()))
    cluster.install()
    story.push("web", 20)
    cluster.until("it differs", lambda: "ShadowDiffers" in cluster.kubectl("get", "events", "-n", SHOP))
    assert story.has("web", 0)
    assert refused(cluster) == []
    asked = list(cluster.asked())[before:]
    writes = {one.resource for one in asked if one.verb not in ("get", "list", "watch")}
    assert writes == {"leases", "events"}
    cluster.uninstall()
