"""The questions that clients may ask of the evaluator: may I, may they, what may I. Pure.

SelfSubjectAccessReview, SubjectAccessReview, LocalSubjectAccessReview, SelfSubjectRulesReview.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tidegate.base.problems import Problem
from tidegate.local.apiserver.authorization.access import Access, User
from tidegate.local.apiserver.authorization.policy import Policy, not_found
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.refusals import bad_request, invalid
from tidegate.local.objects import Object

_KEPT_META = {"managedFields", "creationTimestamp"}


def access_review(policy: Policy, kind: Kind, body: Object, asking: User) -> Object:
    """The status that answers one of the three access reviews. 422 for one that asks nothing clear."""
    spec = body.get("spec") or {}
    is_self = kind.resource.kind.startswith("Self")
    found = list(_problems(kind, body, spec, is_self))
    if found:
        raise invalid(kind, "", found)
    user = asking if is_self else _user(spec)
    decision = policy.decide(user, _access(spec))
    status: Object = {"allowed": decision.is_allowed}
    if decision.reason:
        status["reason"] = decision.reason
    return status


def rules_review(policy: Policy, body: Object, asking: User) -> Object:
    """The status that lists what the user may do in a namespace. 400 without one."""
    namespace = (body.get("spec") or {}).get("namespace")
    if not namespace:
        raise bad_request("no namespace on request")
    rules, missing = policy.held(asking, namespace)
    of_resources = [rule._replace(urls=()).as_body() for rule in rules if rule.resources]
    of_paths = [
        {"verbs": list(rule.verbs), "nonResourceURLs": list(rule.urls)} for rule in rules if rule.urls
    ]
    status = {"resourceRules": of_resources, "nonResourceRules": of_paths, "incomplete": False}
    return {**status, "evaluationError": not_found(missing)} if missing else status


def _access(spec: Mapping[str, Any]) -> Access:
    wanted = spec.get("resourceAttributes")
    if wanted is None:
        plain = spec["nonResourceAttributes"]
        # Without a path it is none of a resource either, and no rule is about it.
        return Access(str(plain.get("verb", "")), path=str(plain.get("path", "")) or " ")
    parts = ("verb", "group", "resource", "subresource", "namespace", "name")
    return Access(*(str(wanted.get(part, "")) for part in parts))


def _user(spec: Mapping[str, Any]) -> User:
    extra = {key: tuple(values) for key, values in (spec.get("extra") or {}).items()}
    return User(str(spec.get("user", "")), tuple(spec.get("groups") or ()), str(spec.get("uid", "")), extra)


def _problems(kind: Kind, body: Object, spec: Mapping[str, Any], is_self: bool) -> Iterator[Problem]:
    of_resource, of_path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if of_resource is not None and of_path is not None:
        yield _wrong(
            "spec.nonResourceAttributes",
            of_path,
            "cannot be specified in combination with resourceAttributes",
        )
    if of_resource is None and of_path is None:
        yield _wrong(
            "spec.resourceAttributes",
            None,
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        )
    if not is_self and not spec.get("user") and not spec.get("groups"):
        yield _wrong("spec.user", "", "at least one of user or group must be specified")
    meta = {key: value for key, value in body["metadata"].items() if value and key not in _KEPT_META}
    if not kind.resource.is_namespaced:
        if meta:
            yield _wrong("metadata", meta, "must be empty")
        return
    namespace = meta.pop("namespace", "")
    if meta:
        yield _wrong("metadata", meta, "must be empty except for namespace")
    if of_resource is not None and (of_resource.get("namespace") or "") != namespace:
        given = of_resource.get("namespace") or ""
        yield _wrong("spec.resourceAttributes.namespace", given, "must match metadata.namespace")
    if of_path is not None:
        yield _wrong("spec.nonResourceAttributes", of_path, "disallowed on this kind of request")


def _wrong(path: str, value: Any, why: str) -> Problem:
    return Problem(path, f"Invalid value: {json.dumps(value)}: {why}")
