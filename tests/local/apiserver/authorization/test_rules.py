"""What a rule allows, and what it takes to hold a rule."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.local.apiserver.authorization.access import Access
from tidegate.local.apiserver.authorization.rules import Rule, described, rule_of, uncovered


def rule(verbs: str, groups: str = "", resources: str = "", names: str = "", urls: str = "") -> Rule:
    """Words of each part; `core` is the group without a name."""
    parts = (tuple(part.split()) for part in (verbs, groups.replace("core", "''"), resources, names, urls))
    verbs_, groups_, *rest = parts
    return Rule(verbs_, tuple(group.replace("''", "") for group in groups_), *rest)


PODS = rule("get list", "core", "pods")
NAMED = rule("get update", "core", "configmaps", names="one two")
SCALES = rule("update", "*", "*/scale")
LOGS = rule("get", "core", "pods/log")
ALL = rule("*", "*", "*")
HEALTH = rule("get", urls="/healthz /healthz/* /logs*")

ALLOWED = [
    (PODS, Access("get", "", "pods", namespace="a", name="x"), True),
    (PODS, Access("list", "", "pods"), True),
    (PODS, Access("watch", "", "pods"), False),
    (PODS, Access("get", "metrics.k8s.io", "pods"), False),
    (PODS, Access("get", "", "pods", "log"), False),
    (PODS, Access("get", "", "services"), False),
    (PODS, Access("get", path="/pods"), False),
    (LOGS, Access("get", "", "pods", "log"), True),
    (LOGS, Access("get", "", "pods"), False),
    (NAMED, Access("get", "", "configmaps", name="two"), True),
    (NAMED, Access("get", "", "configmaps", name="three"), False),
    (NAMED, Access("list", "", "configmaps"), False),
    (NAMED, Access("update", "", "configmaps"), False),
    (SCALES, Access("update", "apps", "deployments", "scale"), True),
    (SCALES, Access("update", "keda.sh", "scaledobjects", "scale"), True),
    (SCALES, Access("update", "apps", "deployments", "status"), False),
    (SCALES, Access("update", "apps", "scale"), False),
    (ALL, Access("anything", "apps", "deployments", "scale", "a", "x"), True),
    (ALL, Access("get", path="/metrics"), False),
    (rule("*", urls="*"), Access("post", path="/metrics"), True),
    (rule("*", urls="*"), Access("get", "", "pods"), False),
    (HEALTH, Access("get", path="/healthz"), True),
    (HEALTH, Access("get", path="/healthz/etcd"), True),
    (HEALTH, Access("get", path="/healthzz"), False),
    (HEALTH, Access("get", path="/logs-of-all"), True),
    (HEALTH, Access("head", path="/healthz"), False),
    (Rule(), Access("get", "", "pods"), False),
]


@pytest.mark.parametrize(("given", "access", "is_allowed"), ALLOWED)
def test_a_rule_allows_what_it_names(given: Rule, access: Access, is_allowed: bool) -> None:
    assert given.allows(access) is is_allowed


COVERED = [
    ([PODS], PODS, True),
    ([ALL], PODS, True),
    ([ALL], rule("*", "*", "*"), True),
    ([PODS], ALL, False),
    ([rule("get", "core", "pods"), rule("list", "core", "pods")], PODS, True),
    ([rule("get", "core", "pods services"), rule("list", "core", "pods")], PODS, True),
    ([rule("get", "core", "pods")], PODS, False),
    ([rule("get list", "apps", "pods")], PODS, False),
    ([NAMED], rule("get", "core", "configmaps", names="one"), True),
    ([NAMED], rule("get", "core", "configmaps", names="one three"), False),
    ([NAMED], rule("get", "core", "configmaps"), False),
    ([rule("get update", "core", "configmaps")], NAMED, True),
    ([SCALES], rule("update", "apps", "deployments/scale"), True),
    ([SCALES], rule("update", "apps", "deployments/status"), False),
    ([rule("get", urls="/api/*")], rule("get", urls="/api/v1"), True),
    ([rule("get", urls="/api/*")], rule("get", urls="/api/*"), True),
    ([rule("get", urls="/api")], rule("get", urls="/api/*"), False),
    ([rule("*", urls="*")], rule("get post", urls="/api /metrics"), True),
    ([ALL], rule("get", urls="/api"), False),
    ([], Rule(), True),
]


@pytest.mark.parametrize(("held", "wanted", "is_held"), COVERED)
def test_a_rule_is_held_by_rules_that_allow_each_of_its_parts(
    held: list[Rule], wanted: Rule, is_held: bool
) -> None:
    assert (uncovered(held, [wanted]) == []) is is_held


def test_what_is_missing_is_told_with_the_verbs_of_one_thing_together() -> None:
    wanted = [
        rule("get list", "core", "pods secrets"),
        rule("get", "apps", "deployments", "web"),
        rule("get", urls="/x"),
    ]
    assert described(uncovered([rule("list", "core", "pods")], wanted)) == [
        '{APIGroups:[""], Resources:["pods"], Verbs:["get"]}',
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}',
        '{APIGroups:["apps"], Resources:["deployments"], ResourceNames:["web"], Verbs:["get"]}',
        '{NonResourceURLs:["/x"], Verbs:["get"]}',
    ]


def test_a_rule_is_written_as_it_was_read() -> None:
    body: dict[str, Any] = {
        "verbs": ["get"],
        "apiGroups": [""],
        "resources": ["pods"],
        "resourceNames": ["a"],
    }
    assert rule_of(body).as_body() == body
