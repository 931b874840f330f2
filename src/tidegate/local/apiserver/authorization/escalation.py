"""Nobody hands out more than they hold: what is refused of a write to a role or a binding.

The verbs `escalate` (on roles) and `bind` (on the role that is bound) are the ways around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tidegate.kube.resource import ApiError
from tidegate.local.apiserver.authorization.access import Access, User
from tidegate.local.apiserver.authorization.policy import (
    BINDINGS,
    CLUSTER_BINDINGS,
    CLUSTER_ROLES,
    GROUP,
    ROLES,
    Policy,
    RoleRef,
    role_ref,
)
from tidegate.local.apiserver.authorization.rules import Rule, described, quoted, rules_of, uncovered
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.refusals import forbidden
from tidegate.local.objects import Object

_EVERYTHING = (Rule(("*",), ("*",), ("*",)), Rule(("*",), urls=("*",)))
# What garbage collection needs to be allowed to change, whatever the object grants.
_OF_GARBAGE = ("ownerReferences", "finalizers")
_NO_MATTER = ("resourceVersion", "generation", "managedFields")


def check(policy: Policy, user: User, kind: Kind, new: Object, old: Object | None) -> None:
    """403 when the user would give what they do not have."""
    if kind.key not in (ROLES, CLUSTER_ROLES, BINDINGS, CLUSTER_BINDINGS) or user.is_administrator:
        return
    if old is not None and _is_only_collected(old, new):
        return
    if kind.key in (ROLES, CLUSTER_ROLES):
        _check_role(policy, user, kind, new, old)
    else:
        _check_binding(policy, user, kind, new)


def _check_role(policy: Policy, user: User, kind: Kind, new: Object, old: Object | None) -> None:
    meta = new["metadata"]
    namespace, name = meta.get("namespace", ""), meta.get("name", "")
    plural = kind.resource.plural
    # A name that is yet to be given out is asked for as none, as the request did.
    asked = Access("escalate", GROUP, plural, namespace=namespace, name=name if old is not None else "")
    if policy.decide(user, asked).is_allowed:
        return
    _confirm(policy, user, kind, new["metadata"], rules_of(new))
    is_gathered = _is_aggregated(new) or _is_aggregated(old)
    if is_gathered and uncovered(policy.held(user, namespace)[0], _EVERYTHING):
        raise forbidden(kind, name, "must have cluster-admin privileges to use the aggregationRule")


def _check_binding(policy: Policy, user: User, kind: Kind, new: Object) -> None:
    meta = new["metadata"]
    namespace = meta.get("namespace", "")
    role = role_ref(new, namespace)
    if role.kind not in ("Role", "ClusterRole"):
        return  # validation says what may be bound
    plural = "roles" if role.kind == "Role" else "clusterroles"
    if policy.decide(user, Access("bind", GROUP, plural, namespace=namespace, name=role.name)).is_allowed:
        return
    wanted = policy.role(role)
    if wanted is None:
        details = {"name": role.name, "group": GROUP, "kind": kind.resource.plural}
        raise ApiError(404, "NotFound", _not_found(kind, role), details)
    _confirm(policy, user, kind, meta, wanted)


def _confirm(policy: Policy, user: User, kind: Kind, meta: Object, wanted: Sequence[Rule]) -> None:
    held, unknown = policy.held(user, meta.get("namespace", ""))
    missing = described(uncovered(held, wanted))
    if not missing:
        return
    told = "\n".join(missing)
    if unknown:
        told += f"; resolution errors: [{', '.join(_not_found(kind, role) for role in unknown)}]"
    raise forbidden(
        kind,
        meta.get("name", ""),
        f'user "{user.name}" (groups={quoted(user.groups)}) is attempting to grant RBAC permissions not '
        f"currently held:\n{told}",
    )


def _not_found(kind: Kind, role: RoleRef) -> str:
    """That a role is not there; Kubernetes names the kind that is written, not the role's."""
    return f'{kind.key} "{role.name}" not found'


def _is_aggregated(role: Object | None) -> bool:
    return bool(((role or {}).get("aggregationRule") or {}).get("clusterRoleSelectors"))


def _is_only_collected(old: Object, new: Object) -> bool:
    """Whether a write changes nothing but what keeps the object from being collected."""

    def rest(body: Object) -> dict[str, Any]:
        meta = body["metadata"]
        kept = {key: value for key, value in meta.items() if key not in (*_OF_GARBAGE, *_NO_MATTER)}
        return {**body, "metadata": kept}

    collected = [{key: body["metadata"].get(key) for key in _OF_GARBAGE} for body in (old, new)]
    return collected[0] != collected[1] and rest(old) == rest(new)
