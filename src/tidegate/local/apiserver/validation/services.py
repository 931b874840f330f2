"""Validation of Services. Pure; the values are well-typed and defaulted.

What needs the addresses that are taken is checked where they are given: `defaulting/service_addresses.py`
and `node_ports.py`.
"""

from __future__ import annotations

from typing import Any

from tidegate.base.problems import Problem
from tidegate.local.apiserver.validation import names
from tidegate.local.apiserver.validation.fields import show
from tidegate.local.apiserver.validation.rules import (
    DUPLICATE,
    PROTOCOLS,
    Problems,
    duplicate,
    forbidden,
    label_name,
    labels,
    one_of,
    port,
    port_or_name,
    required,
    wrong,
    wrongs,
)
from tidegate.local.objects import Object

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
AFFINITIES = ("ClientIP", "None")
AFFINITY_MOST_S = 86_400


def service_problems(body: Object) -> Problems:
    spec = body["spec"]
    ports = spec.get("ports") or []
    address = spec.get("clusterIP")
    if not ports and address != "None" and spec["type"] != "ExternalName":
        yield required("spec.ports")
    yield from _by_type(spec, address)
    yield from labels("spec.selector", spec.get("selector"))
    yield from one_of("spec.sessionAffinity", spec["sessionAffinity"], AFFINITIES)
    yield from _affinity(spec)
    yield from one_of("spec.type", spec["type"], TYPES)
    yield from _ports(ports)
    for index, one in enumerate(spec.get("externalIPs") or ()):
        yield from wrongs(f"spec.externalIPs[{index}]", one, names.address(one))


def _by_type(spec: dict[str, Any], address: str | None) -> Problems:
    if spec["type"] == "ExternalName":
        if address:
            yield forbidden("spec.clusterIPs", "may not be set for ExternalName services")
        name = spec.get("externalName") or ""
        if name:
            yield from wrongs("spec.externalName", name, names.subdomain(name.removesuffix(".")))
        else:
            yield required("spec.externalName")
    elif address == "None" and spec["type"] in ("NodePort", "LoadBalancer"):
        yield wrong("spec.clusterIPs[0]", address, f"may not be set to 'None' for {spec['type']} services")
    elif address and address != "None":
        yield from wrongs("spec.clusterIPs[0]", address, names.address(address))


def _affinity(spec: dict[str, Any]) -> Problems:
    seconds = ((spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}).get("timeoutSeconds")
    if spec["sessionAffinity"] == "ClientIP":
        if seconds is not None and not 0 < seconds <= AFFINITY_MOST_S:
            told = f"must be greater than 0 and less than {AFFINITY_MOST_S}"
            yield wrong("spec.sessionAffinityConfig.clientIP.timeoutSeconds", seconds, told)
    elif seconds is not None and spec["sessionAffinity"] == "None":
        told = "must not be set when session affinity is None"
        yield forbidden("spec.sessionAffinityConfig", told)


def _ports(ports: list[dict[str, Any]]) -> Problems:
    seen: set[str] = set()
    numbers: set[tuple[str, Any]] = set()
    for index, entry in enumerate(ports):
        where, name = f"spec.ports[{index}]", entry.get("name")
        if len(ports) > 1 or name:
            yield from label_name(f"{where}.name", name)
        if name and name in seen:
            yield duplicate(f"{where}.name", name)
        seen.add(name or "")
        yield from port(f"{where}.port", entry.get("port"))
        yield from one_of(f"{where}.protocol", entry["protocol"], PROTOCOLS)
        if entry.get("targetPort") is not None:
            yield from port_or_name(f"{where}.targetPort", entry["targetPort"])
    for index, entry in enumerate(ports):
        key = (entry["protocol"], entry.get("port"))
        if key in numbers:
            shown = show({"protocol": key[0], "port": key[1]})
            yield Problem(f"spec.ports[{index}]", f"Duplicate value: {shown}", DUPLICATE)
        numbers.add(key)
