"""Validation of CustomResourceDefinitions, and what we do not do with them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tidegate.base.names import is_dns_label, is_dns_subdomain
from tidegate.local.apiserver.kinds import BUILT_IN
from tidegate.local.apiserver.validation.rules import Problems, api_name, duplicate, one_of, required, wrong
from tidegate.local.objects import Object

_BUILT_IN_GROUPS = {kind.resource.group for kind in BUILT_IN}


def crd_problems(body: Object) -> Problems:
    spec = body["spec"]
    names = spec["names"]
    group, plural = spec.get("group") or "", names.get("plural") or ""
    if not is_dns_subdomain(group) or "." not in group:
        yield wrong("spec.group", group, "must be a domain name with at least one '.'")
    elif group in _BUILT_IN_GROUPS:
        yield wrong("spec.group", group, "is a group of built-in kinds")
    yield from api_name("spec.names.plural", plural)
    yield from api_name("spec.names.singular", names.get("singular"))
    for field in ("kind", "listKind"):
        if not names.get(field):
            yield required(f"spec.names.{field}")
        elif not is_dns_label(names[field].lower()):
            yield wrong(f"spec.names.{field}", names[field], "must be letters and digits")
    for index, short in enumerate(names.get("shortNames") or ()):
        yield from api_name(f"spec.names.shortNames[{index}]", short)
    if body["metadata"]["name"] != f"{plural}.{group}":
        yield wrong("metadata.name", body["metadata"]["name"], 'must be spec.names.plural+"."+spec.group')
    if not spec.get("scope"):
        yield required("spec.scope")
    yield from one_of("spec.scope", spec.get("scope"), ("Cluster", "Namespaced"))
    yield from _versions(spec.get("versions") or [])


def _versions(versions: list[dict[str, Any]]) -> Problems:
    if not versions:
        yield required("spec.versions", "must have at least one version")
        return
    seen: set[str] = set()
    for index, version in enumerate(versions):
        where, name = f"spec.versions[{index}]", version.get("name") or ""
        yield from api_name(f"{where}.name", name)
        if name in seen:
            yield duplicate(f"{where}.name", name)
        seen.add(name)
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if not schema:
            yield required(f"{where}.schema.openAPIV3Schema", "schemas are required")
        elif schema.get("type") != "object":
            yield wrong(
                f"{where}.schema.openAPIV3Schema.type", schema.get("type"), 'must be "object" at the root'
            )
        scale = (version.get("subresources") or {}).get("scale")
        if scale is not None:
            for field in ("specReplicasPath", "statusReplicasPath"):
                path = scale.get(field) or ""
                prefix = ".spec." if field.startswith("spec") else ".status."
                if not path.startswith(prefix):
                    yield wrong(f"{where}.subresources.scale.{field}", path, f"must begin with {prefix}")
    stored = [version.get("name") for version in versions if version.get("storage") is True]
    if len(stored) != 1:
        yield wrong("spec.versions", stored, "must have exactly one version marked as storage version")


def crd_warnings(body: Object) -> list[str]:
    """What the definition asks for and this server does not do."""
    spec = body["spec"]
    warnings = []
    if (spec.get("conversion") or {}).get("strategy") == "Webhook":
        warnings.append("spec.conversion: webhooks are not called; versions differ in apiVersion only")
    for index, version in enumerate(spec.get("versions") or ()):
        schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
        if any(_rules(schema)):
            warnings.append(
                f"spec.versions[{index}].schema: x-kubernetes-validations (CEL rules) are not evaluated"
            )
    return warnings


def _rules(schema: Any) -> Iterator[bool]:
    if isinstance(schema, dict):
        yield bool(schema.get("x-kubernetes-validations"))
        for name in ("properties", "items", "additionalProperties"):
            inner = schema.get(name)
            for child in inner.values() if name == "properties" and isinstance(inner, dict) else (inner,):
                yield from _rules(child)
