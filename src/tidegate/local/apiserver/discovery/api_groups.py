"""Discovery: which groups, versions, resources and verbs are served, in the aggregated and the old form."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tidegate.local.apiserver.kinds import Kind, Subresource

AGGREGATED_GROUP = "apidiscovery.k8s.io"
AGGREGATED = (
    ("APIGroupDiscoveryList", AGGREGATED_GROUP, "v2"),
    ("APIGroupDiscoveryList", AGGREGATED_GROUP, "v2beta1"),
)
Body = dict[str, Any]


def aggregated(kinds: Iterable[Kind], *, is_core: bool, version: str) -> Body:
    """APIGroupDiscoveryList: the core group alone (for `/api`), or all others (for `/apis`)."""
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"{AGGREGATED_GROUP}/{version}",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": group} if group else {},
                "versions": [
                    {
                        "version": name,
                        "freshness": "Current",
                        "resources": [_aggregated_resource(kind) for kind in found],
                    }
                    for name, found in versions.items()
                ],
            }
            for group, versions in by_group(kinds).items()
            if (group == "") is is_core
        ],
    }


def core_versions(address: str) -> Body:
    """APIVersions, the old answer of `/api`."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def group_list(kinds: Iterable[Kind]) -> Body:
    """APIGroupList, the old answer of `/apis`."""
    groups = [_group(group, versions) for group, versions in by_group(kinds).items() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(kinds: Iterable[Kind], name: str) -> Body | None:
    """APIGroup, or None when no version of it is served."""
    versions = by_group(kinds).get(name)
    if versions is None:
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions)}


def resource_list(kinds: Iterable[Kind], name: str, version: str) -> Body | None:
    """APIResourceList of a group version, or None when it is not served."""
    found = by_group(kinds).get(name, {}).get(version)
    if found is None:
        return None
    resources: list[Body] = []
    for kind in found:
        resources.append(_listed_resource(kind))
        resources += [_listed_subresource(kind, sub) for sub in kind.subresources]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{name}/{version}" if name else version,
        "resources": resources,
    }


def by_group(kinds: Iterable[Kind]) -> dict[str, dict[str, list[Kind]]]:
    """Kinds by group and version, in the order in which they are served (preferred versions first)."""
    groups: dict[str, dict[str, list[Kind]]] = {}
    for kind in kinds:
        resource = kind.resource
        groups.setdefault(resource.group, {}).setdefault(resource.version, []).append(kind)
    return groups


def _group(name: str, versions: Iterable[str]) -> Body:
    entries = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": entries, "preferredVersion": entries[0]}


def _aggregated_resource(kind: Kind) -> Body:
    resource = kind.resource
    body: Body = {
        "resource": resource.plural,
        "responseKind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
        "scope": "Namespaced" if resource.is_namespaced else "Cluster",
        "singularResource": kind.singular_name,
        "verbs": list(kind.verbs),
    }
    body |= _names(kind)
    if kind.subresources:
        body["subresources"] = [
            {
                "subresource": sub.name,
                "responseKind": {
                    "group": sub.group if sub.kind else resource.group,
                    "version": sub.version or resource.version,
                    "kind": sub.kind or resource.kind,
                },
                "verbs": list(sub.verbs),
            }
            for sub in kind.subresources
        ]
    return body


def _listed_resource(kind: Kind) -> Body:
    resource = kind.resource
    body: Body = {
        "name": resource.plural,
        "singularName": kind.singular_name,
        "namespaced": resource.is_namespaced,
        "kind": resource.kind,
        "verbs": list(kind.verbs),
    }
    return body | _names(kind)


def _listed_subresource(kind: Kind, sub: Subresource) -> Body:
    body: Body = {
        "name": f"{kind.resource.plural}/{sub.name}",
        "singularName": "",
        "namespaced": kind.resource.is_namespaced,
        "kind": sub.kind or kind.resource.kind,
        "verbs": list(sub.verbs),
    }
    if sub.version:
        body |= {"group": sub.group, "version": sub.version}
    return body


def _names(kind: Kind) -> Body:
    names: Body = {}
    if kind.short_names:
        names["shortNames"] = list(kind.short_names)
    if kind.categories:
        names["categories"] = list(kind.categories)
    return names
