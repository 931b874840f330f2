"""The chart on a real control plane: installed, used, upgraded, uninstalled. Its pods are run by our node."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import yaml

from parts.chart_cluster import NAMESPACE, RELEASE, ChartCluster
from parts.chart_story import QUEUE, SHOP, Story, claimed_job, listening, scaled_job, scaled_object, workload
from parts.charts import Object
from parts.loopback import missing

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("chart")]
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


def unused(cluster: ChartCluster) -> list[str]:
    """Rights that the release has, and nobody has used."""
    used = {
        (one.account, one.group, "*" if one.group == METRICS else one.resource, one.verb)
        for one in cluster.asked()
    }
    granted = rights(cluster.helm.run("get", "manifest", RELEASE, "-n", NAMESPACE))
    return sorted({" ".join(one) for one in granted - used} - SELDOM.keys())


def test_claims_that_nobody_has_allowed_are_told_and_take_nothing(story: Story) -> None:
    cluster = story.cluster
    story.queue().rpush("orders", "a", b"b\0")
    cluster.apply(SHOP, claimed_job("orders"))
    cluster.until("it is told", lambda: "--allow-claims" in cluster.kubectl("get", "events", "-n", SHOP))
    said = cluster.kubectl("get", "events", "-n", SHOP)
    assert f"(chart: claims.enabled, claims.namespaces) for {SHOP}" in said
    assert (story.is_ready("scaledjob orders"), story.jobs("orders")) == (False, [])
    assert (story.queue().llen("orders"), story.queue().keys("*orders*tidegate*")) == (2, [])


def test_the_chart_gives_every_right_that_is_used_and_no_other(story: Story) -> None:
    assert refused(story.cluster) == []
    assert unused(story.cluster) == []


def test_an_upgrade_leaves_replicas_as_they_are(story: Story) -> None:
    cluster = story.cluster
    story.push("web", 20)
    cluster.until("it has four", lambda: story.has("web", 4))
    before = story.pods("keda-operator")
    claims = {"enabled": True, "namespaces": [SHOP]}
    cluster.install({"logging": {"operator": {"level": "debug"}}, "claims": claims})
    cluster.until("others have taken over", lambda: not before & story.pods("keda-operator"))
    assert story.has("web", 4)
    story.queue().delete("web")
    cluster.until("the new operator works", lambda: story.has("web", 0))


def test_claimed_jobs_run_with_what_the_chart_gives_for_them(story: Story) -> None:
    cluster = story.cluster
    cluster.until("each message has its Job", lambda: len(story.jobs("orders")) == 2)
    assert story.queue().llen("orders") == 0
    (secret,) = [
        one for one in cluster.get("secrets", SHOP)["items"] if one["metadata"]["name"].startswith("orders-")
    ]
    with_file, plain = sorted(
        (one["metadata"]["name"] for one in story.jobs("orders")),
        key=lambda name: name not in str(secret["metadata"]["ownerReferences"]),
    )
    # The one is done, the other is deleted by hand: its message comes again, and its second Job is done.
    story.succeeds(with_file)
    cluster.kubectl("delete", "job", plain, "-n", SHOP, "--timeout=60s")
    cluster.until("a second attempt", lambda: [attempt(one) for one in story.jobs("orders")] == ["2"])
    story.succeeds(story.jobs("orders")[0]["metadata"]["name"])
    cluster.until("both are acknowledged", lambda: not story.queue().keys("*orders*"))
    cluster.kubectl("delete", "scaledjob", "orders", "-n", SHOP, "--timeout=60s")
    cluster.until(
        "nothing is left", lambda: not cluster.is_there("jobs -l scaledjob.keda.sh/name=orders", SHOP)
    )
    assert refused(cluster) == []
    assert unused(cluster) == []
    asked = {(one.verb, one.resource) for one in cluster.asked() if one.namespace == SHOP and one.code < 300}
    assert {("patch", "jobs"), ("create", "secrets")} <= asked


def attempt(job: Object) -> str:
    return str(job["metadata"]["labels"]["tidegate.dev/attempt"])


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
