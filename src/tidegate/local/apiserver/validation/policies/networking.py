"""Validation of Ingresses and NetworkPolicies."""

from __future__ import annotations

from typing import Any

from tidegate.local.apiserver.validation import names
from tidegate.local.apiserver.validation.rules import (
    Problems,
    label_selector,
    one_of,
    port,
    required,
    wrong,
    wrongs,
)
from tidegate.local.objects import Object

_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")


def ingress_problems(body: Object) -> Problems:
    spec = body.get("spec") or {}
    rules = spec.get("rules") or []
    if not rules and spec.get("defaultBackend") is None:
        yield wrong("spec", spec.get("rules"), "either `defaultBackend` or `rules` must be specified")
    if spec.get("defaultBackend") is not None:
        yield from _backend("spec.defaultBackend", spec["defaultBackend"])
    for index, rule in enumerate(rules):
        where, host = f"spec.rules[{index}]", rule.get("host")
        if host and "*" not in host:
            yield from wrongs(f"{where}.host", host, names.subdomain(host))
        http = rule.get("http")
        if http is not None and not http.get("paths"):
            yield required(f"{where}.http.paths")
        for number, path in enumerate((http or {}).get("paths") or ()):
            yield from _path(f"{where}.http.paths[{number}]", path)


def _path(where: str, path: dict[str, Any]) -> Problems:
    kind, text = path.get("pathType"), path.get("path") or ""
    if kind is None:
        yield required(f"{where}.pathType", "pathType must be specified")
        return
    yield from one_of(f"{where}.pathType", kind, _PATH_TYPES)
    if kind in _PATH_TYPES and not text.startswith("/") and (text or kind != "ImplementationSpecific"):
        yield wrong(f"{where}.path", text, "must be an absolute path")
    yield from _backend(f"{where}.backend", path.get("backend") or {})


def _backend(where: str, backend: dict[str, Any]) -> Problems:
    service = backend.get("service")
    if service is None:
        if backend.get("resource") is None:
            yield wrong(where, "", "resource or service backend is required")
        return
    if not service.get("name"):
        yield required(f"{where}.service.name")
    number, name = (service.get("port") or {}).get("number"), (service.get("port") or {}).get("name")
    if number and name:
        yield wrong(where, "", "cannot set both port name & port number")
    elif number:
        yield from port(f"{where}.service.port.number", number)
    elif name:
        yield from wrongs(f"{where}.service.port.name", name, names.port_name(name))
    else:
        yield required(where, "port name or number is required")


def network_policy_problems(body: Object) -> Problems:
    spec = body.get("spec") or {}
    yield from label_selector("spec.podSelector", spec.get("podSelector"))
    for index, kind in enumerate(spec.get("policyTypes") or ()):
        yield from one_of(f"spec.policyTypes[{index}]", kind, ("Ingress", "Egress"))
