"""ClusterRoles that are made of others: their rules are those of all roles that their selectors choose."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tidegate.base.selectors import from_label_selector
from tidegate.kube.resource import CLUSTER_ROLES, Resource
from tidegate.local.controllers.owner_references import is_deleting
from tidegate.local.objects import Change, Object, Objects

# One key for all: any role may be chosen by any other, and there are few of them.
ALL = "all"


class RoleAggregation:
    """Keeps `rules` of each ClusterRole with an aggregationRule."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects

    def resources(self) -> Iterable[Resource]:
        return (CLUSTER_ROLES,)

    def keys(self, change: Change) -> Iterable[str]:
        return [ALL]

    async def reconcile(self, key: str) -> float | None:
        roles = self.objects.list(CLUSTER_ROLES)
        for role in roles:
            # Who chooses a role that is itself made of others sees the change of that one next time.
            if role.get("aggregationRule") and not is_deleting(role):
                rules = aggregated(role, roles)
                if rules != (role.get("rules") or []):
                    await self.objects.patch(CLUSTER_ROLES, "", role["metadata"]["name"], {"rules": rules})
        return None


def aggregated(role: Object, roles: Iterable[Object]) -> list[dict[str, Any]]:
    """The rules of all other roles that the role chooses, each once, by the names of the roles."""
    found: list[dict[str, Any]] = []
    others = sorted(
        (other for other in roles if other["metadata"]["name"] != role["metadata"]["name"]),
        key=lambda other: str(other["metadata"]["name"]),
    )
    for selector in role["aggregationRule"].get("clusterRoleSelectors") or ():
        chosen = from_label_selector(selector)
        for other in others:
            if chosen.matches(other["metadata"].get("labels") or {}):
                found += [rule for rule in other.get("rules") or () if rule not in found]
    return found
