"""All roles and bindings of the cluster, found by who asks, and the decision about one request.

Bindings are found by their subjects, so that a decision costs what concerns its user, however many
bindings there are. Decisions are kept until a role or binding changes: a client that asks the same
again (a watch that is renewed, a controller's reads) is answered by a look into a dictionary.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from tidegate.local.apiserver.authorization.access import Access, User, account_name
from tidegate.local.apiserver.authorization.rules import Rule, rules_of

GROUP = "rbac.authorization.k8s.io"
ROLES, BINDINGS = f"roles.{GROUP}", f"rolebindings.{GROUP}"
CLUSTER_ROLES, CLUSTER_BINDINGS = f"clusterroles.{GROUP}", f"clusterrolebindings.{GROUP}"
KEYS = (ROLES, BINDINGS, CLUSTER_ROLES, CLUSTER_BINDINGS)
KEPT_DECISIONS = 10_000

Place = tuple[str, str]
Subject = tuple[Literal["User", "Group"], str]


class Decision(NamedTuple):
    """`reason` names the binding that allows it, or the roles that could not be found."""

    is_allowed: bool
    reason: str = ""


class RoleRef(NamedTuple):
    """A role as bindings name it. `namespace` is "" for a ClusterRole."""

    kind: str
    namespace: str
    name: str


class _Binding(NamedTuple):
    """One binding as it concerns one subject; `shown` says so in words."""

    role: RoleRef
    shown: str


class Policy:
    """`evaluations` counts the decisions that had to be worked out."""

    def __init__(self) -> None:
        self.evaluations = 0
        self._roles: dict[Place, tuple[Rule, ...]] = {}
        self._subjects: dict[Place, list[Subject]] = {}
        # By namespace ("" = the whole cluster) and subject: the bindings by name.
        self._bound: dict[tuple[str, Subject], dict[str, _Binding]] = {}
        self._decided: dict[tuple[str, tuple[str, ...], Access], Decision] = {}

    # -- what there is -------------------------------------------------------------------------

    def put(self, key: str, namespace: str, name: str, body: Mapping[str, Any]) -> None:
        """A role or binding is there, or is another than it was."""
        self._decided.clear()
        if key in (ROLES, CLUSTER_ROLES):
            self._roles[(namespace, name)] = rules_of(body)
        else:
            self._unbind(namespace, name)
            self._bind(namespace, name, body)

    def drop(self, key: str, namespace: str, name: str) -> None:
        """A role or binding is gone."""
        self._decided.clear()
        if key in (ROLES, CLUSTER_ROLES):
            self._roles.pop((namespace, name), None)
        else:
            self._unbind(namespace, name)

    # -- what follows from it ------------------------------------------------------------------

    def decide(self, user: User, access: Access) -> Decision:
        """Whether the user may. What no rule allows is refused."""
        if user.is_administrator:
            return Decision(True)
        asked = (user.name, user.groups, access)
        found = self._decided.get(asked)
        if found is None:
            found = self._evaluate(user, access)
            if len(self._decided) >= KEPT_DECISIONS:
                self._decided.clear()
            self._decided[asked] = found
        return found

    def held(self, user: User, namespace: str) -> tuple[list[Rule], list[RoleRef]]:
        """Every rule that holds for the user in a namespace ("": everywhere), and the roles that are not
        there.
        """
        found: list[Rule] = []
        missing: dict[RoleRef, None] = {}
        for binding in self._bindings(user, namespace):
            rules = self.role(binding.role)
            if rules is None:
                missing[binding.role] = None
            found += rules or ()
        return found, list(missing)

    def role(self, role: RoleRef) -> tuple[Rule, ...] | None:
        """The rules of a role; None when there is no such role."""
        return self._roles.get((role.namespace, role.name))

    def _evaluate(self, user: User, access: Access) -> Decision:
        self.evaluations += 1
        missing: dict[RoleRef, None] = {}
        for binding in self._bindings(user, access.namespace):
            rules = self.role(binding.role)
            if rules is None:
                missing[binding.role] = None
            elif any(rule.allows(access) for rule in rules):
                return Decision(True, f"RBAC: allowed by {binding.shown}")
        return Decision(False, f"RBAC: {not_found(list(missing))}" if missing else "")

    def _bindings(self, user: User, namespace: str) -> Iterator[_Binding]:
        """Each binding that names the user or a group of theirs, once; those of the cluster first."""
        subjects: list[Subject] = [("User", user.name)]
        subjects += [("Group", group) for group in user.groups]
        for place in ("", namespace) if namespace else ("",):
            seen: dict[str, _Binding] = {}
            for subject in subjects:
                for name, binding in self._bound.get((place, subject), {}).items():
                    seen.setdefault(name, binding)
            yield from (seen[name] for name in sorted(seen))

    def _bind(self, namespace: str, name: str, body: Mapping[str, Any]) -> None:
        role = role_ref(body, namespace)
        subjects = self._subjects[(namespace, name)] = []
        for entry in body.get("subjects") or ():
            subject, shown = _subject(entry, namespace)
            if subject is None:
                continue
            subjects.append(subject)
            binding = _Binding(role, _shown(namespace, name, role, shown))
            self._bound.setdefault((namespace, subject), {}).setdefault(name, binding)

    def _unbind(self, namespace: str, name: str) -> None:
        for subject in self._subjects.pop((namespace, name), ()):
            bindings = self._bound.get((namespace, subject), {})
            bindings.pop(name, None)
            if not bindings:
                self._bound.pop((namespace, subject), None)


def role_ref(binding: Mapping[str, Any], namespace: str) -> RoleRef:
    """The role that a binding of a namespace ("" = of the cluster) gives."""
    named = binding.get("roleRef") or {}
    kind = str(named.get("kind", ""))
    return RoleRef(kind, namespace if kind == "Role" else "", str(named.get("name", "")))


def not_found(roles: Sequence[RoleRef]) -> str:
    """That roles are not there, as Kubernetes says it."""
    told = [f'{role.kind.lower()}.{GROUP} "{role.name}" not found' for role in roles]
    return told[0] if len(told) == 1 else f"[{', '.join(told)}]"


def _subject(entry: Mapping[str, Any], namespace: str) -> tuple[Subject | None, str]:
    """Whom a binding names, and how messages show them."""
    kind, name = entry.get("kind"), str(entry.get("name", ""))
    if kind == "ServiceAccount":
        home = str(entry.get("namespace") or namespace)
        shown = f'ServiceAccount "{name}/{home}"'
        return (("User", account_name(home, name)) if home else None), shown
    if kind == "User":
        return ("User", name), f'User "{name}"'
    if kind == "Group":
        return ("Group", name), f'Group "{name}"'
    return None, ""


def _shown(namespace: str, name: str, role: RoleRef, subject: str) -> str:
    kind, place = ("RoleBinding", f"{name}/{namespace}") if namespace else ("ClusterRoleBinding", name)
    return f'{kind} "{place}" of {role.kind} "{role.name}" to {subject}'
