"""Validation of roles and their bindings. Pure."""

from __future__ import annotations

from typing import Any

from tidegate.local.apiserver.validation import names
from tidegate.local.apiserver.validation.rules import Problems, one_of, required, wrong, wrongs
from tidegate.local.objects import Object

GROUP = "rbac.authorization.k8s.io"
# The API group that each kind of subject has.
_SUBJECTS = {"ServiceAccount": "", "User": GROUP, "Group": GROUP}


def role_problems(body: Object, *, is_namespaced: bool) -> Problems:
    for index, rule in enumerate(body.get("rules") or ()):
        where = f"rules[{index}]"
        if not rule.get("verbs"):
            yield required(f"{where}.verbs", "verbs must contain at least one value")
        urls = rule.get("nonResourceURLs")
        if urls and is_namespaced:
            told = "namespaced rules cannot apply to non-resource URLs"
            yield wrong(f"{where}.nonResourceURLs", urls, told)
        elif urls:
            if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
                told = "rules cannot apply to both regular resources and non-resource URLs"
                yield wrong(f"{where}.nonResourceURLs", urls, told)
        else:
            if not rule.get("apiGroups"):
                yield required(f"{where}.apiGroups", "resource rules must supply at least one api group")
            if not rule.get("resources"):
                yield required(f"{where}.resources", "resource rules must supply at least one resource")


def binding_problems(body: Object, *, is_namespaced: bool) -> Problems:
    reference: dict[str, Any] = body.get("roleRef") or {}
    yield from one_of("roleRef.apiGroup", reference.get("apiGroup"), (GROUP,))
    kinds = ("Role", "ClusterRole") if is_namespaced else ("ClusterRole",)
    yield from one_of("roleRef.kind", reference.get("kind") or "", kinds)
    if not reference.get("name"):
        yield required("roleRef.name")
    for index, subject in enumerate(body.get("subjects") or ()):
        yield from _subject(f"subjects[{index}]", subject, is_cluster=not is_namespaced)


def _subject(path: str, subject: dict[str, Any], *, is_cluster: bool) -> Problems:
    name, kind = subject.get("name") or "", subject.get("kind") or ""
    if not name:
        yield required(f"{path}.name")
    if kind in _SUBJECTS:
        yield from one_of(f"{path}.apiGroup", subject.get("apiGroup") or "", (_SUBJECTS[kind],))
    else:
        yield from one_of(f"{path}.kind", kind, tuple(_SUBJECTS))
    if kind == "ServiceAccount":
        if name:
            yield from wrongs(f"{path}.name", name, names.subdomain(name))
        if is_cluster and not subject.get("namespace"):
            yield required(f"{path}.namespace")
