"""The variables by which a container finds the Services that exist when it starts. Pure.

`REDIS_SERVICE_HOST` and `REDIS_SERVICE_PORT`, and the older ones that Docker's links had (`REDIS_PORT`,
`REDIS_PORT_6379_TCP_ADDR` …), for all Services of the pod's namespace that have an address, unless the pod
says `enableServiceLinks: false`; those of the Service `kubernetes` always.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

API_NAMESPACE, API_NAME = "default", "kubernetes"


def service_variables(pod: Mapping[str, Any], services: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """`services` are those of the pod's namespace, and the API's."""
    namespace = pod["metadata"].get("namespace")
    has_links = pod["spec"].get("enableServiceLinks") is not False
    wanted: dict[str, Mapping[str, Any]] = {}
    for service in services:
        metadata, address = service["metadata"], service["spec"].get("clusterIP")
        if not address or address == "None":
            continue
        if metadata["namespace"] == namespace and has_links:
            wanted[metadata["name"]] = service
        elif (metadata["namespace"], metadata["name"]) == (API_NAMESPACE, API_NAME):
            wanted.setdefault(API_NAME, service)
    found: dict[str, str] = {}
    for name in sorted(wanted):
        found.update(_variables(_name(name), wanted[name]["spec"]))
    return found


def _variables(prefix: str, spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    address, ports = str(spec["clusterIP"]), spec.get("ports") or ()
    yield f"{prefix}_SERVICE_HOST", address
    for index, port in enumerate(ports):
        number, protocol = str(port["port"]), str(port.get("protocol") or "TCP")
        url = f"{protocol.lower()}://{address}:{number}"
        if index == 0:
            yield f"{prefix}_SERVICE_PORT", number
            yield f"{prefix}_PORT", url
        if port.get("name"):
            yield f"{prefix}_SERVICE_PORT_{_name(port['name'])}", number
        link = f"{prefix}_PORT_{number}_{protocol}"
        yield link, url
        yield f"{link}_PROTO", protocol.lower()
        yield f"{link}_PORT", number
        yield f"{link}_ADDR", address


def _name(text: str) -> str:
    return text.upper().replace("-", "_")
