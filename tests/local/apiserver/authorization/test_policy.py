"""Who may do what, by roles and bindings: decisions, and what they cost."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.local.apiserver.authorization.access import NOBODY, Access, User, account_of, forbidden
from tidegate.local.apiserver.authorization.policy import (
    BINDINGS,
    CLUSTER_BINDINGS,
    CLUSTER_ROLES,
    ROLES,
    Policy,
)

READ = [{"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}]
METRICS = [{"verbs": ["get"], "nonResourceURLs": ["/metrics"]}]
WORKER = User(
    "system:serviceaccount:a:worker",
    ("system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"),
)
ANN = User("ann", ("dev", "system:authenticated"))
ROOT = User("root", ("system:masters",))
PODS_IN_A = Access("list", "", "pods", namespace="a")
PODS_IN_B = Access("list", "", "pods", namespace="b")
PODS = Access("list", "", "pods")


def binding(role: str, *subjects: dict[str, Any], kind: str = "Role") -> dict[str, Any]:
    return {"roleRef": {"kind": kind, "name": role}, "subjects": list(subjects)}


def account(name: str, namespace: str = "") -> dict[str, Any]:
    return {
        "kind": "ServiceAccount",
        "name": name,
        **({"namespace": namespace} if namespace else {}),
    }


def person(name: str) -> dict[str, Any]:
    return {"kind": "User", "name": name}


def group(name: str) -> dict[str, Any]:
    return {"kind": "Group", "name": name}


@pytest.fixture
def policy() -> Policy:
    """A reader's Role in `a`, and two ClusterRoles."""
    made = Policy()
    made.put(ROLES, "a", "reader", {"rules": READ})
    made.put(CLUSTER_ROLES, "", "reader", {"rules": READ})
    made.put(CLUSTER_ROLES, "", "metrics", {"rules": METRICS})
    return made


BOUND = [
    # a binding, its namespace, who asks, for what, whether they may
    (binding("reader", account("worker", "a")), "a", WORKER, PODS_IN_A, True),
    (binding("reader", account("worker")), "a", WORKER, PODS_IN_A, True),
    (binding("reader", account("worker", "b")), "a", WORKER, PODS_IN_A, False),
    (binding("reader", account("worker", "a")), "a", WORKER, PODS_IN_B, False),
    (binding("reader", account("worker", "a")), "a", WORKER, PODS, False),
    (binding("reader", person("ann")), "a", ANN, PODS_IN_A, True),
    (binding("reader", person("dev")), "a", ANN, PODS_IN_A, False),
    (binding("reader", group("dev")), "a", ANN, PODS_IN_A, True),
    (binding("reader", group("system:serviceaccounts:a")), "a", WORKER, PODS_IN_A, True),
    (binding("reader", group("system:serviceaccounts:b")), "a", WORKER, PODS_IN_A, False),
    (binding("reader", group("system:authenticated")), "a", ANN, PODS_IN_A, True),
    (binding("reader", group("system:authenticated")), "a", NOBODY, PODS_IN_A, False),
    (binding("reader", group("system:unauthenticated")), "a", NOBODY, PODS_IN_A, True),
    (binding("reader", person("ann"), kind="ClusterRole"), "a", ANN, PODS_IN_A, True),
    (binding("reader", person("ann"), kind="ClusterRole"), "a", ANN, PODS_IN_B, False),
    (binding("reader", person("ann"), kind="ClusterRole"), "", ANN, PODS_IN_B, True),
    (binding("reader", person("ann"), kind="ClusterRole"), "", ANN, PODS, True),
    (binding("reader", account("worker"), kind="ClusterRole"), "", WORKER, PODS, False),
    # a path is asked of the cluster: only a ClusterRoleBinding can give it
    (binding("metrics", person("ann"), kind="ClusterRole"), "", ANN, Access("get", path="/metrics"), True),
    (binding("metrics", person("ann"), kind="ClusterRole"), "a", ANN, Access("get", path="/metrics"), False),
    (binding("reader", person("ann")), "a", ROOT, Access("delete", "apps", "deployments"), True),
]


@pytest.mark.parametrize(("body", "namespace", "user", "access", "is_allowed"), BOUND)
def test_a_binding_gives_its_role_to_its_subjects_in_its_namespace(
    policy: Policy, body: Any, namespace: str, user: User, access: Access, is_allowed: bool
) -> None:
    policy.put(BINDINGS if namespace else CLUSTER_BINDINGS, namespace, "b", body)
    assert policy.decide(user, access).is_allowed is is_allowed


def test_the_reason_names_the_binding_or_what_is_missing(policy: Policy) -> None:
    policy.put(BINDINGS, "a", "team", binding("reader", person("bob"), account("worker")))
    policy.put(CLUSTER_BINDINGS, "", "all", binding("gone", group("dev"), kind="ClusterRole"))
    assert policy.decide(WORKER, PODS_IN_A).reason == (
        'RBAC: allowed by RoleBinding "team/a" of Role "reader" to ServiceAccount "worker/a"'
    )
    assert policy.decide(ANN, PODS_IN_A).reason == (
        'RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found'
    )
    policy.put(CLUSTER_BINDINGS, "", "all", binding("reader", group("dev"), kind="ClusterRole"))
    assert policy.decide(ANN, PODS).reason == (
        'RBAC: allowed by ClusterRoleBinding "all" of ClusterRole "reader" to Group "dev"'
    )


def test_what_is_taken_away_is_gone_at_once(policy: Policy) -> None:
    team = binding("reader", person("ann"))
    policy.put(BINDINGS, "a", "team", team)
    assert policy.decide(ANN, PODS_IN_A).is_allowed
    policy.put(BINDINGS, "a", "team", binding("reader", person("bob")))
    assert not policy.decide(ANN, PODS_IN_A).is_allowed
    policy.put(BINDINGS, "a", "team", team)
    policy.put(ROLES, "a", "reader", {"rules": []})
    assert not policy.decide(ANN, PODS_IN_A).is_allowed
    policy.put(ROLES, "a", "reader", {"rules": READ})
    assert policy.decide(ANN, PODS_IN_A).is_allowed
    policy.drop(BINDINGS, "a", "team")
    assert not policy.decide(ANN, PODS_IN_A).is_allowed


def test_the_same_question_is_worked_out_once_until_something_changes(policy: Policy) -> None:
    for number in range(500):
        policy.put(BINDINGS, "a", f"other-{number}", binding("reader", person(f"user-{number}")))
    policy.put(BINDINGS, "a", "team", binding("reader", person("ann")))
    for _ in range(1000):
        assert policy.decide(ANN, PODS_IN_A).is_allowed
        assert not policy.decide(ANN, PODS_IN_B).is_allowed
    assert policy.evaluations == 2
    policy.drop(BINDINGS, "a", "other-7")
    for _ in range(1000):
        assert policy.decide(ANN, PODS_IN_A).is_allowed
    assert policy.evaluations == 3


def test_tokens_of_one_account_share_what_was_decided(policy: Policy) -> None:
    for number in range(100):
        user = User(WORKER.name, WORKER.groups, "uid", {"pod": (f"pod-{number}",)})
        assert not policy.decide(user, PODS_IN_A).is_allowed
    assert policy.evaluations == 1


REFUSED = [
    (
        PODS_IN_A,
        'pods is forbidden: User "ann" cannot list resource "pods" in API group "" in the namespace "a"',
        {"kind": "pods"},
    ),
    (
        Access("patch", "apps", "deployments", "scale", "a", "web"),
        'deployments.apps "web" is forbidden: User "ann" cannot patch resource "deployments/scale" '
        'in API group "apps" in the namespace "a"',
        {"name": "web", "group": "apps", "kind": "deployments"},
    ),
    (
        Access("get", "", "nodes", name="local"),
        'nodes "local" is forbidden: User "ann" cannot get resource "nodes" in API group "" '
        "at the cluster scope",
        {"name": "local", "kind": "nodes"},
    ),
    (Access("get", path="/metrics"), 'forbidden: User "ann" cannot get path "/metrics"', {}),
]


@pytest.mark.parametrize(("access", "message", "details"), REFUSED)
def test_a_refusal_says_who_what_and_where(access: Access, message: str, details: dict[str, str]) -> None:
    error = forbidden(ANN, access)
    assert (error.code, error.reason) == (403, "Forbidden")
    assert (error.message, error.details) == (message, details)


@pytest.mark.parametrize(
    ("user", "account"),
    [
        ("system:serviceaccount:a:worker", ("a", "worker")),
        ("system:serviceaccount:a:worker:x", None),
        ("system:serviceaccount:a:", None),
        ("ann", None),
    ],
)
def test_an_account_is_told_by_its_name(user: str, account: tuple[str, str] | None) -> None:
    assert account_of(user) == account
