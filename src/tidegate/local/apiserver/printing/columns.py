"""The columns `kubectl get` prints for built-in kinds, and their cells.

Each kind has a tuple of `Column`; a column's `cell` gets the object and the moment, since ages are
computed by the server. Texts follow kubectl's printers. Pods and Jobs stand in `workloadcells`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tidegate.base import selectors, times
from tidegate.local.apiserver.printing import workload_cells

Cell = Callable[[dict[str, Any], datetime], Any]
NONE = "<none>"
UNKNOWN = "<unknown>"
UNSET = "<unset>"


@dataclass(frozen=True, slots=True)
class Column:
    """`type` and `format` by OpenAPI; `priority` above 0 shows only in `-o wide`."""

    name: str
    cell: Cell
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""


def at(*path: str, default: Any = "") -> Cell:
    """The value at a path of field names; `default` when it is absent or null."""

    def cell(body: dict[str, Any], now: datetime) -> Any:
        value: Any = body
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return default if value is None else value

    return cell


def _written(*path: str) -> Cell:
    """A number or a percentage as it was written, "N/A" where there is none."""
    value = at(*path, default="N/A")
    return lambda body, now: str(value(body, now))


def count(*path: str) -> Cell:
    """How many items stand at a path."""
    find = at(*path, default=())
    return lambda body, now: len(find(body, now))


def since(*path: str, default: str = UNKNOWN) -> Cell:
    """The age of the moment at a path."""
    find = at(*path)
    return lambda body, now: age(find(body, now), now, default)


def age(text: str, now: datetime, default: str = UNKNOWN) -> str:
    """How long ago an RFC3339 moment was (`5s`, `3m20s`); `default` when there is none."""
    if not text:
        return default
    try:
        return times.age(max(0.0, (now - times.parse_time(text)).total_seconds()))
    except ValueError:
        return "<invalid>"


def labels_text(labels: Mapping[str, Any] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or NONE


def listed(values: Iterable[str], limit: int = 3, none: str = NONE) -> str:
    """The first few values and how many more there are; `none` without any."""
    known = list(values)
    if not known:
        return none
    text = ",".join(known[:limit])
    return f"{text} + {len(known) - limit} more..." if len(known) > limit else text


def _joined_mapping(*path: str) -> Cell:
    find = at(*path, default=None)
    return lambda body, now: labels_text(find(body, now))


def _selector(*path: str) -> Cell:
    find = at(*path, default=None)
    return lambda body, now: selectors.format_label_selector(find(body, now))


def _containers(field: str, *path: str) -> Cell:
    find = at(*path, default=())
    return lambda body, now: ",".join(str(item.get(field, "")) for item in find(body, now))


def _text(cell: Cell) -> Cell:
    return lambda body, now: str(cell(body, now))


def _fraction(upper: Cell, lower: Cell) -> Cell:
    return lambda body, now: f"{upper(body, now)}/{lower(body, now)}"


NAME = Column(
    "Name", at("metadata", "name"), format="name", description="Name must be unique within a namespace."
)
AGE = Column(
    "Age",
    since("metadata", "creationTimestamp"),
    description="How long ago the server created this object.",
)
CREATED_AT = Column("Created At", at("metadata", "creationTimestamp"), type="date")
GENERIC = (NAME, AGE)
_TEMPLATE = ("spec", "template", "spec", "containers")
_WIDE = (
    Column("Containers", _containers("name", *_TEMPLATE), priority=1),
    Column("Images", _containers("image", *_TEMPLATE), priority=1),
)
_SELECTOR = Column("Selector", _selector("spec", "selector"), priority=1)


def _number(name: str, *path: str, priority: int = 0) -> Column:
    return Column(name, at(*path, default=0), type="integer", priority=priority)


def _service_address(body: dict[str, Any], now: datetime) -> str:
    spec = body.get("spec") or {}
    addresses = [str(address) for address in spec.get("externalIPs") or ()]
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", ""))
    if spec.get("type") == "LoadBalancer":
        ingress = ((body.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
        addresses += [str(entry.get("ip") or entry.get("hostname") or "") for entry in ingress]
        return ",".join(addresses) or "<pending>"
    return ",".join(addresses) or NONE


def _service_ports(body: dict[str, Any], now: datetime) -> str:
    ports = (body.get("spec") or {}).get("ports") or ()
    texts = []
    for port in ports:
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        texts.append(f"{port.get('port')}{node}/{port.get('protocol', 'TCP')}")
    return ",".join(texts) or NONE


def _endpoints(body: dict[str, Any], now: datetime) -> str:
    found = []
    for subset in body.get("subsets") or ():
        addresses = [str(address.get("ip")) for address in subset.get("addresses") or ()]
        for port in [port.get("port") for port in subset.get("ports") or ()] or [None]:
            found += [f"{address}:{port}" if port else address for address in addresses]
    return listed(found)


def _slice_endpoints(body: dict[str, Any], now: datetime) -> str:
    return listed(
        (str(address) for item in body.get("endpoints") or () for address in item.get("addresses") or ()),
        none=UNSET,
    )


def _slice_ports(body: dict[str, Any], now: datetime) -> str:
    ports = body.get("ports") or ()
    return listed((str(port.get("port") or port.get("name") or "*") for port in ports), none=UNSET)


def _node_status(body: dict[str, Any], now: datetime) -> str:
    conditions = (body.get("status") or {}).get("conditions") or ()
    ready = next((item for item in conditions if item.get("type") == "Ready"), None)
    text = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return text + (",SchedulingDisabled" if (body.get("spec") or {}).get("unschedulable") else "")


def _node_roles(body: dict[str, Any], now: datetime) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = (body.get("metadata") or {}).get("labels") or {}
    return ",".join(sorted(key[len(prefix) :] for key in labels if key.startswith(prefix))) or NONE


def _node_address(kind: str) -> Cell:
    def cell(body: dict[str, Any], now: datetime) -> str:
        addresses = (body.get("status") or {}).get("addresses") or ()
        return next((str(item.get("address")) for item in addresses if item.get("type") == kind), NONE)

    return cell


def _access_modes(*path: str) -> Cell:
    short = {
        "ReadWriteOnce": "RWO",
        "ReadOnlyMany": "ROX",
        "ReadWriteMany": "RWX",
        "ReadWriteOncePod": "RWOP",
    }
    find = at(*path, default=())
    return lambda body, now: ",".join(short.get(mode, mode) for mode in find(body, now))


def _claim_status(body: dict[str, Any], now: datetime) -> str:
    if (body.get("metadata") or {}).get("deletionTimestamp"):
        return "Terminating"
    return str((body.get("status") or {}).get("phase", ""))


def _volume_claim(body: dict[str, Any], now: datetime) -> str:
    claim = (body.get("spec") or {}).get("claimRef")
    return f"{claim.get('namespace')}/{claim.get('name')}" if claim else ""


def _role(body: dict[str, Any], now: datetime) -> str:
    role = body.get("roleRef") or {}
    return f"{role.get('kind')}/{role.get('name')}"


def _subjects(kind: str) -> Cell:
    def cell(body: dict[str, Any], now: datetime) -> str:
        found = (one for one in body.get("subjects") or () if one.get("kind") == kind)
        return ", ".join(
            f"{one.get('namespace', '')}/{one.get('name')}"
            if kind == "ServiceAccount"
            else str(one.get("name"))
            for one in found
        )

    return cell


_BINDING = (
    NAME,
    Column("Role", _role),
    AGE,
    Column("Users", _subjects("User"), priority=1),
    Column("Groups", _subjects("Group"), priority=1),
    Column("ServiceAccounts", _subjects("ServiceAccount"), priority=1),
)


def _config_entries(body: dict[str, Any], now: datetime) -> int:
    return len(body.get("data") or ()) + len(body.get("binaryData") or ())


BUILT_IN: dict[tuple[str, str], tuple[Column, ...]] = {
    ("", "Pod"): (
        NAME,
        Column("Ready", lambda body, now: workload_cells.pod_state(body).ready_text),
        Column("Status", lambda body, now: workload_cells.pod_state(body).status),
        Column(
            "Restarts", lambda body, now: workload_cells.restarts_text(workload_cells.pod_state(body), now)
        ),
        AGE,
        Column("IP", at("status", "podIP", default=NONE), priority=1),
        Column("Node", at("spec", "nodeName", default=NONE), priority=1),
        Column("Nominated Node", at("status", "nominatedNodeName", default=NONE), priority=1),
        Column("Readiness Gates", workload_cells.readiness_gates, priority=1),
    ),
    ("apps", "Deployment"): (
        NAME,
        Column(
            "Ready", _fraction(at("status", "readyReplicas", default=0), at("spec", "replicas", default=0))
        ),
        Column("Up-to-date", at("status", "updatedReplicas", default=0)),
        Column("Available", at("status", "availableReplicas", default=0)),
        AGE,
        *_WIDE,
        _SELECTOR,
    ),
    ("apps", "ReplicaSet"): (
        NAME,
        _number("Desired", "spec", "replicas"),
        _number("Current", "status", "replicas"),
        _number("Ready", "status", "readyReplicas"),
        AGE,
        *_WIDE,
        _SELECTOR,
    ),
    ("batch", "Job"): (
        NAME,
        Column("Status", workload_cells.job_status),
        Column("Completions", workload_cells.job_completions),
        Column("Duration", workload_cells.job_duration),
        AGE,
        *_WIDE,
        _SELECTOR,
    ),
    ("autoscaling", "HorizontalPodAutoscaler"): (
        NAME,
        Column("Reference", workload_cells.hpa_reference),
        Column("Targets", workload_cells.hpa_targets),
        Column("MinPods", _text(at("spec", "minReplicas", default=UNSET))),
        Column("MaxPods", at("spec", "maxReplicas", default=0)),
        Column("Replicas", at("status", "currentReplicas", default=0)),
        AGE,
    ),
    ("", "Service"): (
        NAME,
        Column("Type", at("spec", "type")),
        Column("Cluster-IP", at("spec", "clusterIP", default=NONE)),
        Column("External-IP", _service_address),
        Column("Port(s)", _service_ports),
        AGE,
        Column("Selector", _joined_mapping("spec", "selector"), priority=1),
    ),
    ("", "Endpoints"): (NAME, Column("Endpoints", _endpoints), AGE),
    ("discovery.k8s.io", "EndpointSlice"): (
        NAME,
        Column("AddressType", at("addressType")),
        Column("Ports", _slice_ports),
        Column("Endpoints", _slice_endpoints),
        AGE,
    ),
    ("", "Event"): (
        Column("Last Seen", workload_cells.event_last_seen),
        Column("Type", at("type")),
        Column("Reason", at("reason")),
        Column("Object", workload_cells.event_object),
        Column("Subobject", at("involvedObject", "fieldPath"), priority=1),
        Column("Source", workload_cells.event_source, priority=1),
        Column("Message", lambda body, now: str(body.get("message") or "").strip()),
        Column("First Seen", workload_cells.event_first_seen, priority=1),
        Column("Count", workload_cells.event_count, priority=1),
        Column("Name", at("metadata", "name"), format="name", priority=1),
    ),
    ("", "Namespace"): (NAME, Column("Status", at("status", "phase")), AGE),
    ("", "Secret"): (NAME, Column("Type", at("type")), Column("Data", count("data")), AGE),
    ("", "ConfigMap"): (NAME, Column("Data", _config_entries), AGE),
    ("", "ServiceAccount"): GENERIC,
    ("", "Node"): (
        NAME,
        Column("Status", _node_status),
        Column("Roles", _node_roles),
        AGE,
        Column("Version", at("status", "nodeInfo", "kubeletVersion")),
        Column("Internal-IP", _node_address("InternalIP"), priority=1),
        Column("External-IP", _node_address("ExternalIP"), priority=1),
        Column("OS-Image", at("status", "nodeInfo", "osImage", default=UNKNOWN), priority=1),
        Column("Kernel-Version", at("status", "nodeInfo", "kernelVersion", default=UNKNOWN), priority=1),
        Column(
            "Container-Runtime",
            at("status", "nodeInfo", "containerRuntimeVersion", default=UNKNOWN),
            priority=1,
        ),
    ),
    ("", "PersistentVolumeClaim"): (
        NAME,
        Column("Status", _claim_status),
        Column("Volume", at("spec", "volumeName")),
        Column("Capacity", at("status", "capacity", "storage")),
        Column("Access Modes", _access_modes("status", "accessModes")),
        Column("StorageClass", at("spec", "storageClassName")),
        Column("VolumeAttributesClass", at("spec", "volumeAttributesClassName", default=UNSET)),
        AGE,
        Column("VolumeMode", at("spec", "volumeMode", default=UNSET), priority=1),
    ),
    ("", "PersistentVolume"): (
        NAME,
        Column("Capacity", at("spec", "capacity", "storage")),
        Column("Access Modes", _access_modes("spec", "accessModes")),
        Column("Reclaim Policy", at("spec", "persistentVolumeReclaimPolicy")),
        Column("Status", _claim_status),
        Column("Claim", _volume_claim),
        Column("StorageClass", at("spec", "storageClassName")),
        Column("VolumeAttributesClass", at("spec", "volumeAttributesClassName", default=UNSET)),
        Column("Reason", at("status", "reason")),
        AGE,
        Column("VolumeMode", at("spec", "volumeMode", default=UNSET), priority=1),
    ),
    ("autoscaling", "Scale"): (
        NAME,
        Column("Desired", at("spec", "replicas", default=0), "integer"),
        Column("Available", at("status", "replicas", default=0), "integer"),
        AGE,
    ),
    ("policy", "PodDisruptionBudget"): (
        NAME,
        Column("Min Available", _written("spec", "minAvailable")),
        Column("Max Unavailable", _written("spec", "maxUnavailable")),
        Column("Allowed Disruptions", at("status", "disruptionsAllowed", default=0), "integer"),
        AGE,
    ),
    ("coordination.k8s.io", "Lease"): (NAME, Column("Holder", at("spec", "holderIdentity")), AGE),
    ("rbac.authorization.k8s.io", "Role"): (NAME, CREATED_AT),
    ("rbac.authorization.k8s.io", "ClusterRole"): (NAME, CREATED_AT),
    ("rbac.authorization.k8s.io", "RoleBinding"): _BINDING,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _BINDING,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): (NAME, CREATED_AT),
}
