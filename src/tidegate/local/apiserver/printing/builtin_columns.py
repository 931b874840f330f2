"""The columns `kubectl get` prints for built-in kinds: a tuple of `Column` for each, and their own cells."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidegate.local.apiserver.printing import workload_cells
from tidegate.local.apiserver.printing.columns import (
    AGE,
    CREATED_AT,
    GENERIC,
    NAME,
    NONE,
    UNKNOWN,
    UNSET,
    Cell,
    Column,
    as_text,
    at,
    count,
    joined_mapping,
    listed,
    written,
)
from tidegate.local.apiserver.printing.policy_columns import POLICIES
from tidegate.local.apiserver.printing.workload_columns import WORKLOADS


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


def _claim_capacity(body: dict[str, Any], now: datetime) -> str:
    is_meant = bool((body.get("spec") or {}).get("volumeName"))
    return str(at("status", "capacity", "storage", default="0" if is_meant else "")(body, now))


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
    **WORKLOADS,
    **POLICIES,
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
    ("autoscaling", "HorizontalPodAutoscaler"): (
        NAME,
        Column("Reference", workload_cells.hpa_reference),
        Column("Targets", workload_cells.hpa_targets),
        Column("MinPods", as_text(at("spec", "minReplicas", default=UNSET))),
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
        Column("Selector", joined_mapping("spec", "selector"), priority=1),
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
        Column("Capacity", _claim_capacity),
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
        Column("Min Available", written("spec", "minAvailable")),
        Column("Max Unavailable", written("spec", "maxUnavailable")),
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
