"""The columns of kinds that are stored and have no effect."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tidegate.local.apiserver.printing.columns import (
    AGE,
    CREATED_AT,
    NAME,
    NONE,
    Column,
    at,
    listed,
    selector,
)

_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def _hosts(body: dict[str, Any], now: datetime) -> str:
    rules = (body.get("spec") or {}).get("rules") or ()
    return listed((one["host"] for one in rules if one.get("host")), none="*")


def _address(body: dict[str, Any], now: datetime) -> str:
    entries = ((body.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return ",".join(sorted(str(one.get("ip") or one.get("hostname") or "") for one in entries))


def _ports(body: dict[str, Any], now: datetime) -> str:
    return "80, 443" if (body.get("spec") or {}).get("tls") else "80"


def _class_name(body: dict[str, Any], now: datetime) -> str:
    metadata = body.get("metadata") or {}
    is_default = (metadata.get("annotations") or {}).get(_DEFAULT_CLASS) == "true"
    return f"{metadata.get('name')} (default)" if is_default else str(metadata.get("name"))


def _amounts(is_limit: bool) -> Any:
    def cell(body: dict[str, Any], now: datetime) -> str:
        status = body.get("status") or {}
        hard, used = status.get("hard") or {}, status.get("used") or {}
        mine = sorted(name for name in hard if name.startswith("limits.") == is_limit)
        return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in mine)

    return cell


def _asked_service(body: dict[str, Any], now: datetime) -> str:
    service = (body.get("spec") or {}).get("service")
    return f"{service.get('namespace')}/{service.get('name')}" if service else "Local"


def _availability(body: dict[str, Any], now: datetime) -> str:
    for one in (body.get("status") or {}).get("conditions") or ():
        if one.get("type") == "Available":
            status, reason = str(one.get("status")), one.get("reason")
            return f"{status} ({reason})" if reason and status != "True" else status
    return "Unknown"


def _webhook_count(body: dict[str, Any], now: datetime) -> int:
    return len(body.get("webhooks") or ())


_WEBHOOK_COLUMNS = (NAME, Column("Webhooks", _webhook_count, "integer"), AGE)
POLICIES: dict[tuple[str, str], tuple[Column, ...]] = {
    ("networking.k8s.io", "Ingress"): (
        NAME,
        Column("Class", at("spec", "ingressClassName", default=NONE)),
        Column("Hosts", _hosts),
        Column("Address", _address),
        Column("Ports", _ports),
        AGE,
    ),
    ("networking.k8s.io", "NetworkPolicy"): (
        NAME,
        Column("Pod-Selector", selector("spec", "podSelector")),
        AGE,
    ),
    ("storage.k8s.io", "StorageClass"): (
        Column("Name", _class_name, format="name", description=NAME.description),
        Column("Provisioner", at("provisioner")),
        Column("ReclaimPolicy", at("reclaimPolicy", default="Delete")),
        Column("VolumeBindingMode", at("volumeBindingMode", default="Immediate")),
        Column("AllowVolumeExpansion", at("allowVolumeExpansion", default=False)),
        AGE,
    ),
    ("scheduling.k8s.io", "PriorityClass"): (
        NAME,
        Column("Value", at("value", default=0), "integer"),
        Column("Global-Default", at("globalDefault", default=False), "boolean"),
        AGE,
        Column("PreemptionPolicy", at("preemptionPolicy")),
    ),
    ("apiregistration.k8s.io", "APIService"): (
        NAME,
        Column("Service", _asked_service),
        Column("Available", _availability),
        AGE,
    ),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): _WEBHOOK_COLUMNS,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): _WEBHOOK_COLUMNS,
    ("", "LimitRange"): (NAME, CREATED_AT),
    ("", "ResourceQuota"): (
        NAME,
        Column("Request", _amounts(is_limit=False)),
        Column("Limit", _amounts(is_limit=True)),
        AGE,
    ),
}
