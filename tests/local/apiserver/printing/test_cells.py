"""What `kubectl get` prints in each column."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.kube.resource import Resource
from tidegate.local.apiserver.kinds import BUILT_IN as KINDS
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.printing.builtin_columns import BUILT_IN
from tidegate.local.apiserver.printing.tables import columns_of

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
BORN = {"name": "x", "namespace": "ns", "creationTimestamp": "2026-01-01T11:56:40Z"}
Body = dict[str, Any]


def row(group: str, kind: str, body: Body) -> dict[str, Any]:
    return {column.name: column.cell(body, NOW) for column in BUILT_IN[(group, kind)]}


def pod(
    *, containers: list[Body], init: list[Body] | None = None, phase: str = "Running", **rest: Any
) -> Body:
    statuses = [dict(item) for item in containers]
    return {
        "metadata": {**BORN, **rest.pop("metadata", {})},
        "spec": {
            "containers": [{"name": item.get("name", "c")} for item in containers],
            "initContainers": [{"name": item["name"]} for item in init or []],
        },
        "status": {
            "phase": phase,
            "containerStatuses": statuses,
            "initContainerStatuses": init or [],
            **rest,
        },
    }


RUNNING = {"name": "c", "ready": True, "restartCount": 0, "state": {"running": {}}}
UNREADY = {"name": "c", "ready": False, "restartCount": 0, "state": {"running": {}}}
DONE = {"name": "d", "restartCount": 0, "state": {"terminated": {"reason": "Completed", "exitCode": 0}}}
CRASHED = {
    "name": "c",
    "restartCount": 2,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"finishedAt": "2026-01-01T11:59:53Z"}},
}
MARKED = {"deletionTimestamp": "2026-01-01T11:59:59Z"}
READY = [{"type": "Ready", "status": "True"}]


@pytest.mark.parametrize(
    ("body", "ready", "status", "restarts"),
    [
        (pod(containers=[RUNNING]), "1/1", "Running", "0"),
        (pod(containers=[UNREADY]), "0/1", "Running", "0"),
        (pod(containers=[CRASHED]), "0/1", "CrashLoopBackOff", "2 (7s ago)"),
        (pod(containers=[DONE], phase="Succeeded"), "0/1", "Completed", "0"),
        (pod(containers=[DONE, RUNNING], conditions=READY), "1/2", "Running", "0"),
        (pod(containers=[DONE, RUNNING]), "1/2", "NotReady", "0"),
        (pod(containers=[RUNNING], metadata=MARKED), "1/1", "Terminating", "0"),
        (pod(containers=[DONE], phase="Succeeded", metadata=MARKED), "0/1", "Completed", "0"),
        (
            pod(containers=[{"name": "c", "state": {"terminated": {"exitCode": 3}}}], phase="Failed"),
            "0/1",
            "ExitCode:3",
            "0",
        ),
        (
            pod(containers=[{"name": "c", "state": {"terminated": {"exitCode": 137, "signal": 9}}}]),
            "0/1",
            "Signal:9",
            "0",
        ),
        (pod(containers=[], phase="Pending"), "0/0", "Pending", "0"),
        (pod(containers=[], phase="Failed", reason="Evicted"), "0/0", "Evicted", "0"),
        (
            pod(
                containers=[{"name": "c", "state": {"waiting": {"reason": "PodInitializing"}}}],
                init=[{"name": "i", "state": {"running": {}}}],
                phase="Pending",
            ),
            "0/1",
            "Init:0/1",
            "0",
        ),
        (
            pod(
                containers=[{"name": "c", "state": {"waiting": {"reason": "PodInitializing"}}}],
                init=[
                    {"name": "i", "state": {"terminated": {"exitCode": 0}}},
                    {
                        "name": "j",
                        "restartCount": 1,
                        "state": {"terminated": {"exitCode": 1, "reason": "Error"}},
                    },
                ],
                phase="Pending",
            ),
            "0/1",
            "Init:Error",
            "1",
        ),
    ],
)
def test_a_pod_shows_its_most_telling_state(body: Body, ready: str, status: str, restarts: str) -> None:
    shown = row("", "Pod", body)
    assert (shown["Ready"], shown["Status"], shown["Restarts"]) == (ready, status, restarts)
    assert (shown["Age"], shown["IP"], shown["Node"]) == ("3m20s", "<none>", "<none>")


def test_a_running_sidecar_counts_among_the_containers() -> None:
    body = pod(containers=[RUNNING])
    body["spec"]["initContainers"] = [{"name": "side", "restartPolicy": "Always"}]
    body["status"]["initContainerStatuses"] = [{"name": "side", "started": True, "ready": True, "state": {}}]
    assert row("", "Pod", body)["Ready"] == "2/2"


def condition(kind: str, moment: str = "2026-01-01T11:59:00Z") -> Body:
    return {"type": kind, "status": "True", "lastTransitionTime": moment}


@pytest.mark.parametrize(
    ("spec", "status", "expected"),
    [
        ({"completions": 3}, {"succeeded": 1}, ("Running", "1/3", "")),
        ({"parallelism": 4}, {}, ("Running", "0/1 of 4", "")),
        ({"parallelism": 1}, {}, ("Running", "0/1", "")),
        (
            {"completions": 1},
            {
                "succeeded": 1,
                "startTime": "2026-01-01T11:58:00Z",
                "completionTime": "2026-01-01T11:58:30Z",
                "conditions": [condition("SuccessCriteriaMet"), condition("Complete")],
            },
            ("Complete", "1/1", "30s"),
        ),
        (
            {"completions": 1},
            {"startTime": "2026-01-01T11:58:00Z", "conditions": [condition("Failed")]},
            ("Failed", "0/1", "60s"),
        ),
        ({"completions": 1}, {"conditions": [condition("Suspended")]}, ("Suspended", "0/1", "")),
        ({"completions": 1}, {"startTime": "2026-01-01T11:59:10Z"}, ("Running", "0/1", "50s")),
    ],
)
def test_a_job(spec: Body, status: Body, expected: tuple[str, str, str]) -> None:
    shown = row("batch", "Job", {"metadata": BORN, "spec": spec, "status": status})
    assert (shown["Status"], shown["Completions"], shown["Duration"]) == expected


def external(target: Body) -> Body:
    return {"type": "External", "external": {"metric": {"name": "m"}, "target": target}}


def seen(value: Body) -> Body:
    return {"type": "External", "external": {"metric": {"name": "m"}, "current": value}}


CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}}


@pytest.mark.parametrize(
    ("metrics", "current", "expected"),
    [
        ([], [], "<none>"),
        ([external({"averageValue": "5"})], [], "<unknown>/5 (avg)"),
        ([external({"value": "5", "averageUtilization": 3})], [], "<unknown>/5"),
        ([external({"averageValue": "5"})], [seen({"averageValue": "2500m"})], "2500m/5 (avg)"),
        ([external({"value": "5"})], [seen({"value": "0"})], "0/5"),
        ([external({"averageValue": "512Mi"})], [seen({"averageValue": "1024Mi"})], "1Gi/512Mi (avg)"),
        ([CPU], [], "cpu: <unknown>/80%"),
        (
            [CPU],
            [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 12}}}],
            "cpu: 12%/80%",
        ),
        ([CPU, external({"value": "1"}), CPU, CPU], [], "cpu: <unknown>/80%, <unknown>/1 + 2 more..."),
        ([{"type": "Strange"}], [], "<unknown type>"),
    ],
)
def test_an_autoscaler_shows_what_it_compares(
    metrics: list[Body], current: list[Body], expected: str
) -> None:
    spec = {
        "metrics": metrics,
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "maxReplicas": 4,
    }
    body = {"metadata": BORN, "spec": spec, "status": {"currentMetrics": current, "currentReplicas": 2}}
    shown = row("autoscaling", "HorizontalPodAutoscaler", body)
    assert shown["Targets"] == expected
    assert (shown["Reference"], shown["MinPods"], shown["MaxPods"], shown["Replicas"]) == (
        "Deployment/web", "<unset>", 4, 2,
    )  # fmt: skip


def test_an_event() -> None:
    body = {
        "metadata": BORN,
        "type": "Warning",
        "reason": "BackOff",
        "message": "again\n",
        "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec.containers{c}"},
        "source": {"component": "node", "host": "local"},
        "firstTimestamp": "2026-01-01T11:50:00Z",
        "lastTimestamp": "2026-01-01T11:59:55Z",
        "count": 3,
    }
    assert row("", "Event", body) == {
        "Last Seen": "5s", "Type": "Warning", "Reason": "BackOff", "Object": "pod/p",
        "Subobject": "spec.containers{c}", "Source": "node, local", "Message": "again",
        "First Seen": "10m", "Count": 3, "Name": "x",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "status", "expected"),
    [
        ({"type": "ClusterIP", "clusterIP": "127.64.0.1"}, {}, ("127.64.0.1", "<none>", "<none>")),
        (
            {
                "type": "ClusterIP",
                "clusterIP": "None",
                "ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}],
            },
            {},
            ("None", "<none>", "80/TCP,53/UDP"),
        ),
        ({"type": "ExternalName", "externalName": "a.example"}, {}, ("<none>", "a.example", "<none>")),
        ({"type": "LoadBalancer"}, {}, ("<none>", "<pending>", "<none>")),
        (
            {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}]},
            {},
            ("<none>", "<none>", "80:30080/TCP"),
        ),
    ],
)
def test_a_service(spec: Body, status: Body, expected: tuple[str, str, str]) -> None:
    shown = row("", "Service", {"metadata": BORN, "spec": spec, "status": status})
    assert (shown["Cluster-IP"], shown["External-IP"], shown["Port(s)"]) == expected


def test_a_deployment_shows_numbers_even_before_it_has_a_status() -> None:
    template = {"spec": {"containers": [{"name": "a", "image": "i"}, {"name": "b", "image": "j"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"b": "2", "a": "1"}}, "template": template}
    shown = row("apps", "Deployment", {"metadata": BORN, "spec": spec})
    assert shown == {
        "Name": "x", "Ready": "0/2", "Up-to-date": 0, "Available": 0, "Age": "3m20s",
        "Containers": "a,b", "Images": "i,j", "Selector": "a=1,b=2",
    }  # fmt: skip


def test_every_built_in_kind_prints_an_object_that_has_nothing_but_a_name() -> None:
    for kind in KINDS:
        for column in columns_of(kind):
            column.cell({"metadata": {"name": "x"}}, NOW)


def test_a_custom_resource_prints_the_columns_of_its_definition() -> None:
    kind = Kind(
        Resource("keda.sh", "v1alpha1", "scaledjobs", "ScaledJob"),
        is_custom=True,
        columns=(
            {"name": "Max", "type": "integer", "jsonPath": ".spec.maxReplicaCount"},
            {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
            {"name": "Triggers", "type": "string", "jsonPath": ".spec.triggers[*].type", "priority": 1},
            {"name": "Broken", "type": "integer", "jsonPath": ".metadata.name"},
        ),
    )
    conditions = [{"type": "Active", "status": "False"}, {"type": "Ready", "status": "True"}]
    body = {
        "metadata": BORN,
        "spec": {"maxReplicaCount": 5, "triggers": [{"type": "redis"}]},
        "status": {"conditions": conditions},
    }
    columns = columns_of(kind)
    assert [column.cell(body, NOW) for column in columns] == ["x", 5, "True", "3m20s", "redis", None]
    assert [column.priority for column in columns] == [0, 0, 0, 0, 1, 0]
    assert [column.cell({"metadata": {"name": "y"}}, NOW) for column in columns] == ["y", *[None] * 5]


def test_bounds_under_their_other_names_are_shown_too() -> None:
    columns = ({"name": "Max", "type": "integer", "jsonPath": ".spec.maxReplicaCount"},)
    ours = Kind(Resource("keda.sh", "v1alpha1", "scaledjobs", "ScaledJob"), is_custom=True, columns=columns)
    theirs = Kind(Resource("example.org", "v1", "tides", "Tide"), is_custom=True, columns=columns)
    specs = ({"maxReplicas": 7}, {"maxReplicas": 7, "maxReplicaCount": 5})
    shown = [
        [columns_of(kind)[1].cell({"metadata": BORN, "spec": spec}, NOW) for spec in specs]
        for kind in (ours, theirs)
    ]
    assert shown == [[7, 5], [None, 5]]


def test_a_gated_pod_is_not_merely_pending() -> None:
    held = [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]
    assert row("", "Pod", pod(containers=[], phase="Pending", conditions=held))["Status"] == "SchedulingGated"
    assert row("", "Pod", pod(containers=[], phase="Pending"))["Status"] == "Pending"


@pytest.mark.parametrize(
    ("body", "ports", "endpoints"),
    [
        ({}, "<unset>", "<unset>"),
        ({"ports": [], "endpoints": []}, "<unset>", "<unset>"),
        ({"ports": [{"port": 80}], "endpoints": [{"addresses": ["10.0.0.1"]}]}, "80", "10.0.0.1"),
        ({"ports": [{"name": "web"}, {}], "endpoints": []}, "web,*", "<unset>"),
    ],
)
def test_a_slice_without_anything_says_so(body: Body, ports: str, endpoints: str) -> None:
    shown = row("discovery.k8s.io", "EndpointSlice", {"metadata": BORN, **body})
    assert (shown["Ports"], shown["Endpoints"]) == (ports, endpoints)
