"""What kubectl prints: the columns of each kind, and their cells."""

from __future__ import annotations

from typing import Any

import pytest

from parts.conversation import TABLE, Talk

THEN = "2026-01-01T00:00:00Z"
RUNNING = {"running": {"startedAt": THEN}}
READY = [{"type": "Ready", "status": "True"}]
INITIALIZING = {"waiting": {"reason": "PodInitializing"}}
TWO = {"containers": [{"name": "c", "image": "i"}, {"name": "d", "image": "j"}]}
INIT = {"initContainers": [{"name": "n", "image": "i"}, {"name": "m", "image": "i"}]}
SIDECAR = {
    "initContainers": [
        {"name": "s", "image": "i", "restartPolicy": "Always"},
        {"name": "n", "image": "i"},
    ]
}
GATES = {"readinessGates": [{"conditionType": "a.b/c"}, {"conditionType": "a.b/d"}]}


def container(state: dict[str, Any], name: str = "c", restarts: int = 0, **fields: Any) -> dict[str, Any]:
    plain = {"name": name, "image": "i", "imageID": "", "ready": False, "restartCount": restarts}
    return {**plain, "state": state, **fields}


def waiting(reason: str) -> dict[str, Any]:
    return {"waiting": {"reason": reason}}


def ended(code: int, **fields: Any) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "startedAt": THEN, "finishedAt": THEN, **fields}}


def running(*statuses: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"phase": "Running", "containerStatuses": list(statuses), **fields}


def initializing(*statuses: dict[str, Any]) -> dict[str, Any]:
    return {
        "phase": "Pending",
        "initContainerStatuses": list(statuses),
        "containerStatuses": [container(INITIALIZING)],
    }


OVER = container(ended(0, reason="Completed"), "d")
STILL = container(INITIALIZING, "m")


async def cells(talk: Talk, path: str) -> dict[str, Any]:
    """The row of an object, by column; without its age."""
    table = (await talk.get(path, accept=TABLE, includeObject="None")).body
    names = [column["name"] for column in table["columnDefinitions"]]
    row = dict(zip(names, table["rows"][0]["cells"], strict=True))
    row.pop("Age", None)
    return row


@pytest.mark.parametrize(
    ("spec", "status", "expected"),
    [
        ({}, {"phase": "Pending"}, ("0/1", "Pending", "0")),
        ({}, running(container(RUNNING, ready=True), conditions=READY), ("1/1", "Running", "0")),
        ({}, running(container(RUNNING)), ("0/1", "Running", "0")),
        ({}, running(container(waiting("CrashLoopBackOff"), restarts=2)), ("0/1", "CrashLoopBackOff", "2")),
        ({}, {"phase": "Succeeded"}, ("0/1", "Succeeded", "0")),
        ({}, running(container(ended(0, reason="Completed")), phase="Succeeded"), ("0/1", "Completed", "0")),
        ({}, running(container(ended(2)), phase="Failed"), ("0/1", "ExitCode:2", "0")),
        ({}, running(container(ended(2, signal=9)), phase="Failed"), ("0/1", "Signal:9", "0")),
        ({}, {"phase": "Failed", "reason": "Evicted"}, ("0/1", "Evicted", "0")),
        (
            {},
            {"phase": "Pending", "containerStatuses": [container(waiting("ImagePullBackOff"))]},
            ("0/1", "ImagePullBackOff", "0"),
        ),
        (TWO, running(container(RUNNING, ready=True), OVER), ("1/2", "NotReady", "0")),
        (TWO, running(container(RUNNING, ready=True), OVER, conditions=READY), ("1/2", "Running", "0")),
        (INIT, initializing(container(RUNNING, "n"), STILL), ("0/1", "Init:0/2", "0")),
        (
            INIT,
            initializing(container(ended(0), "n", ready=True), container(RUNNING, "m")),
            ("0/1", "Init:1/2", "0"),
        ),
        (INIT, initializing(container(ended(3, reason="Error"), "n", 1), STILL), ("0/1", "Init:Error", "1")),
        (INIT, initializing(container(ended(3), "n"), STILL), ("0/1", "Init:ExitCode:3", "0")),
        (
            SIDECAR,
            initializing(container(RUNNING, "s", ready=True, started=True), container(RUNNING, "n")),
            ("1/2", "Init:1/2", "0"),
        ),
        (
            GATES,
            running(container(RUNNING, ready=True), conditions=[{"type": "a.b/c", "status": "True"}]),
            ("1/1", "Running", "0"),
        ),
    ],
)
async def test_a_pod_is_summed_up(
    talk: Talk, spec: dict[str, Any], status: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    plain = {"nodeName": "nowhere", "automountServiceAccountToken": False}
    whole = {**plain, "containers": [{"name": "c", "image": "i"}], **spec}
    await talk.made(talk.path("pods"), {"metadata": {"name": "p"}, "spec": whole})
    patched = await talk.patch(talk.path("pods", "p", subresource="status"), {"status": status})
    assert patched.status == 200, patched.body
    row = await cells(talk, talk.path("pods", "p"))
    assert (row["Ready"], row["Status"], row["Restarts"]) == expected
    assert (row["IP"], row["Node"], row["Nominated Node"]) == ("<none>", "nowhere", "<none>")
    assert row["Readiness Gates"] == ("1/2" if spec is GATES else "<none>")


async def test_a_pod_that_ends_is_terminating(talk: Talk) -> None:
    spec = {"nodeName": "nowhere", "automountServiceAccountToken": False}
    containers = [{"name": "c", "image": "i"}]
    await talk.made(
        talk.path("pods"), {"metadata": {"name": "p"}, "spec": {**spec, "containers": containers}}
    )
    await talk.delete(talk.path("pods", "p"))
    assert (await cells(talk, talk.path("pods", "p")))["Status"] == "Terminating"


def external(kind: str, value: str) -> dict[str, Any]:
    return {
        "type": "External",
        "external": {"metric": {"name": "q"}, "target": {"type": kind, kind[0].lower() + kind[1:]: value}},
    }


def cpu(kind: str, **value: Any) -> dict[str, Any]:
    return {"type": "Resource", "resource": {"name": "cpu", "target": {"type": kind, **value}}}


def current(metric: str, **value: Any) -> dict[str, Any]:
    if metric == "cpu":
        return {"type": "Resource", "resource": {"name": "cpu", "current": value}}
    return {"type": "External", "external": {"metric": {"name": metric}, "current": value}}


@pytest.mark.parametrize(
    ("metrics", "now", "targets"),
    [
        ([], [], "cpu: <unknown>/80%"),
        ([external("AverageValue", "5")], [], "<unknown>/5 (avg)"),
        ([external("AverageValue", "5")], [current("q", averageValue="3")], "3/5 (avg)"),
        ([external("Value", "5")], [current("q", value="3500m")], "3500m/5"),
        (
            [cpu("Utilization", averageUtilization=80)],
            [current("cpu", averageUtilization=12, averageValue="10m")],
            "cpu: 12%/80%",
        ),
        ([cpu("AverageValue", averageValue="100m")], [current("cpu", averageValue="10m")], "cpu: 10m/100m"),
        ([external("AverageValue", "5")] * 4, [], "<unknown>/5 (avg), <unknown>/5 (avg) + 2 more..."),
    ],
)
async def test_the_targets_of_an_hpa(talk: Talk, metrics: list[Any], now: list[Any], targets: str) -> None:
    path = talk.path("horizontalpodautoscalers", group="autoscaling/v2")
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "none"}
    spec = {"maxReplicas": 3, "scaleTargetRef": ref, **({"metrics": metrics} if metrics else {})}
    await talk.made(path, {"metadata": {"name": "h"}, "spec": spec})
    status = {"currentMetrics": now, "currentReplicas": 2, "desiredReplicas": 2}
    patched = await talk.patch(f"{path}/h/status", {"status": status})
    assert patched.status == 200, patched.body
    row = await cells(talk, f"{path}/h")
    assert row["Targets"] == targets
    assert (row["Reference"], row["MinPods"], row["MaxPods"]) == ("Deployment/none", "1", 3)


@pytest.mark.parametrize(
    ("spec", "kind", "address", "external"),
    [
        ({"ports": [{"port": 80}]}, "ClusterIP", True, "<none>"),
        ({"type": "LoadBalancer", "ports": [{"port": 80}]}, "LoadBalancer", True, "<pending>"),
        ({"type": "ExternalName", "externalName": "x.example"}, "ExternalName", False, "x.example"),
        ({"ports": [{"port": 80}], "externalIPs": ["1.2.3.4"]}, "ClusterIP", True, "1.2.3.4"),
        ({"clusterIP": "None"}, "ClusterIP", False, "<none>"),
    ],
)
async def test_the_addresses_of_a_service(
    talk: Talk, spec: dict[str, Any], kind: str, address: bool, external: str
) -> None:
    await talk.made(
        talk.path("services"), {"metadata": {"name": "s"}, "spec": {**spec, "selector": {"b": "c", "a": "b"}}}
    )
    row = await cells(talk, talk.path("services", "s"))
    assert (row["Type"], row["External-IP"], row["Selector"]) == (kind, external, "a=b,b=c")
    assert (row["Cluster-IP"] not in ("None", "<none>")) is address


OTHER_ROWS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("secrets", "", {"type": "a/b", "data": {"a": "eA=="}}, {"Type": "a/b", "Data": 1}),
    ("configmaps", "", {"data": {"a": "x"}, "binaryData": {"b": "eA=="}}, {"Data": 2}),
    ("serviceaccounts", "", {}, {}),
    ("leases", "coordination.k8s.io/v1", {"spec": {"holderIdentity": "h"}}, {"Holder": "h"}),
    (
        "persistentvolumeclaims",
        "",
        {
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": "none",
                "resources": {"requests": {"storage": "1Gi"}},
            }
        },
        {
            "Status": "Pending",
            "Volume": "",
            "Capacity": "",
            "Access Modes": "",
            "StorageClass": "none",
            "VolumeAttributesClass": "<unset>",
            "VolumeMode": "Filesystem",
        },
    ),
    (
        "rolebindings",
        "rbac.authorization.k8s.io/v1",
        {
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
            "subjects": [
                {"kind": "User", "name": "u", "apiGroup": "rbac.authorization.k8s.io"},
                {"kind": "ServiceAccount", "name": "a", "namespace": "n"},
                {"kind": "ServiceAccount", "name": "b", "namespace": "n"},
            ],
        },
        {"Role": "Role/r", "Users": "u", "Groups": "", "ServiceAccounts": "n/a, n/b"},
    ),
    (
        "controllerrevisions",
        "apps/v1",
        {
            "data": {"a": 1},
            "revision": 7,
        },
        {"Controller": "<none>", "Revision": 7},
    ),
    (
        "cronjobs",
        "batch/v1",
        {
            "spec": {
                "schedule": "0 0 1 1 *",
                "timeZone": "Asia/Tokyo",
                "suspend": True,
                "jobTemplate": {"spec": {"template": {"spec": {**TWO, "restartPolicy": "Never"}}}},
            }
        },
        {
            "Schedule": "0 0 1 1 *",
            "Timezone": "Asia/Tokyo",
            "Suspend": "True",
            "Active": 0,
            "Last Schedule": "<none>",
            "Containers": "c,d",
            "Images": "i,j",
            "Selector": "<none>",
        },
    ),
    (
        "ingresses",
        "networking.k8s.io/v1",
        {
            "spec": {
                "defaultBackend": {"service": {"name": "a", "port": {"number": 80}}},
                "tls": [{"hosts": ["a.example"]}],
                "rules": [{"host": f"{name}.example"} for name in "abcd"],
            }
        },
        {
            "Class": "<none>",
            "Hosts": "a.example,b.example,c.example + 1 more...",
            "Address": "",
            "Ports": "80, 443",
        },
    ),
    (
        "networkpolicies",
        "networking.k8s.io/v1",
        {"spec": {"podSelector": {"matchLabels": {"a": "b"}}}},
        {"Pod-Selector": "a=b"},
    ),
    (
        "endpoints",
        "",
        {
            "subsets": [
                {
                    "addresses": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}],
                    "notReadyAddresses": [{"ip": "10.0.0.9"}],
                    "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}],
                }
            ]
        },
        {"Endpoints": "10.0.0.1:80,10.0.0.2:80,10.0.0.1:81 + 1 more..."},
    ),
    (
        "endpointslices",
        "discovery.k8s.io/v1",
        {
            "addressType": "IPv4",
            "ports": [{"name": "a", "port": 80}, {"name": "b", "port": 81}],
            "endpoints": [{"addresses": [f"10.0.0.{last}"]} for last in range(1, 5)],
        },
        {"AddressType": "IPv4", "Ports": "80,81", "Endpoints": "10.0.0.1,10.0.0.2,10.0.0.3 + 1 more..."},
    ),
]


@pytest.mark.parametrize(
    ("plural", "group", "body", "expected"), OTHER_ROWS, ids=[row[0] for row in OTHER_ROWS]
)
async def test_the_rows_of_other_kinds(
    talk: Talk, plural: str, group: str, body: dict[str, Any], expected: dict[str, Any]
) -> None:
    await talk.made(talk.path(plural, group=group), {"metadata": {"name": "x"}, **body})
    assert await cells(talk, talk.path(plural, "x", group=group)) == {"Name": "x", **expected}


COLUMNS = {
    "pods": "Name Ready Status Restarts Age IP* Node* Nominated_Node* Readiness_Gates*",
    "services": "Name Type Cluster-IP External-IP Port(s) Age Selector*",
    "events": "Last_Seen Type Reason Object Subobject* Source* Message First_Seen* Count* Name*",
    "apps/v1/deployments": "Name Ready Up-to-date Available Age Containers* Images* Selector*",
    "apps/v1/replicasets": "Name Desired# Current# Ready# Age Containers* Images* Selector*",
    "apps/v1/statefulsets": "Name Ready Age Containers* Images*",
    "apps/v1/controllerrevisions": "Name Controller Revision Age",
    "batch/v1/cronjobs": "Name Schedule Timezone Suspend Active# Last_Schedule Age "
    "Containers* Images* Selector*",
    "apps/v1/daemonsets": "Name Desired# Current# Ready# Up-to-date# Available# Node_Selector Age "
    "Containers* Images* Selector*",
    "batch/v1/jobs": "Name Status Completions Duration Age Containers* Images* Selector*",
    "autoscaling/v2/horizontalpodautoscalers": "Name Reference Targets MinPods MaxPods Replicas Age",
    "autoscaling/v1/horizontalpodautoscalers": "Name Reference Targets MinPods MaxPods Replicas Age",
    "networking.k8s.io/v1/ingresses": "Name Class Hosts Address Ports Age",
    "networking.k8s.io/v1/networkpolicies": "Name Pod-Selector Age",
    "limitranges": "Name Created_At",
    "resourcequotas": "Name Request Limit Age",
    "rbac.authorization.k8s.io/v1/roles": "Name Created_At",
}


@pytest.mark.parametrize("kind", COLUMNS)
async def test_the_columns_of_a_kind(talk: Talk, kind: str) -> None:
    group, _, plural = kind.rpartition("/")
    table = (await talk.get(talk.path(plural, group=group), accept=TABLE)).body
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert not table["rows"]
    told = [
        column["name"].replace(" ", "_")
        + ("*" if column["priority"] else "")
        + ("#" if column["type"] == "integer" else "")
        for column in table["columnDefinitions"]
    ]
    assert " ".join(told) == COLUMNS[kind]
    formats = {column["name"] for column in table["columnDefinitions"] if column["format"] == "name"}
    assert formats == {"Name"}


async def test_a_row_carries_what_was_asked_to_be_included(talk: Talk) -> None:
    made = await talk.post(talk.path("secrets"), {"metadata": {"name": "s"}}, accept=TABLE)
    assert (made.status, made.body["kind"], made.body["rows"][0]["cells"][0]) == (201, "Table", "s")
    for included, kind in (("None", None), ("Metadata", "PartialObjectMetadata"), ("Object", "Secret")):
        table = await talk.get(talk.path("secrets"), accept=TABLE, includeObject=included)
        assert table.headers["Content-Type"] == "application/json"
        carried = table.body["rows"][0]["object"]
        assert (carried["kind"] if carried else None) == kind
    refused = await talk.get(talk.path("secrets"), accept=TABLE, includeObject="Most")
    assert (refused.status, refused.reason) == (400, "BadRequest")
    missing = await talk.get(talk.path("secrets", "none"), accept=TABLE)
    assert (missing.status, missing.body["kind"]) == (404, "Status")


async def test_metadata_alone(talk: Talk) -> None:
    await talk.made(
        talk.path("secrets"), {"metadata": {"name": "s", "labels": {"a": "b"}}, "data": {"k": "eA=="}}
    )
    for path, shape in ((talk.path("secrets"), "List"), (talk.path("secrets", "s"), "")):
        accept = f"application/json;as=PartialObjectMetadata{shape};g=meta.k8s.io;v=v1"
        body = (await talk.get(path, accept=accept)).body
        assert (body["kind"], body["apiVersion"]) == (f"PartialObjectMetadata{shape}", "meta.k8s.io/v1")
        one = body["items"][0] if shape else body
        assert (one["metadata"]["labels"], "data" in one) == ({"a": "b"}, False)
