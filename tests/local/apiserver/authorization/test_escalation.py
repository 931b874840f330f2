"""Nobody hands out more than they hold."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tidegate.kube.resource import ApiError
from tidegate.local.apiserver.authorization import escalation
from tidegate.local.apiserver.authorization.access import User
from tidegate.local.apiserver.authorization.policy import (
    BINDINGS,
    CLUSTER_BINDINGS,
    CLUSTER_ROLES,
    GROUP,
    ROLES,
    Policy,
)
from tidegate.local.apiserver.kinds import BUILT_IN, Kind

ANN = User("ann", ("dev",))
PODS = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}
SECRETS = {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}


def kind(key: str) -> Kind:
    return next(one for one in BUILT_IN if one.key == key)


def role(*rules: dict[str, Any], namespace: str = "a", **more: Any) -> dict[str, Any]:
    meta = {"name": "r", **({"namespace": namespace} if namespace else {})}
    return {"metadata": meta, "rules": list(rules), **more}


def bound(name: str, kind: str = "ClusterRole", namespace: str = "a") -> dict[str, Any]:
    meta = {"name": "b", **({"namespace": namespace} if namespace else {})}
    return {"metadata": meta, "roleRef": {"apiGroup": GROUP, "kind": kind, "name": name}}


def policy_of(*rules: dict[str, Any], namespace: str = "a") -> Policy:
    """Ann holds these rules, in one namespace or (with "") everywhere."""
    policy = Policy()
    policy.put(CLUSTER_ROLES, "", "anns", {"rules": rules})
    policy.put(CLUSTER_ROLES, "", "secret-reader", {"rules": [SECRETS]})
    policy.put(CLUSTER_ROLES, "", "pod-reader", {"rules": [PODS]})
    subject = {"kind": "User", "name": "ann"}
    body = {"roleRef": {"kind": "ClusterRole", "name": "anns"}, "subjects": [subject]}
    policy.put(BINDINGS if namespace else CLUSTER_BINDINGS, namespace, "anns", body)
    return policy


def verb(word: str, resource: str, *names: str) -> dict[str, Any]:
    return {"verbs": [word], "apiGroups": [GROUP], "resources": [resource], "resourceNames": list(names)}


EVERYTHING = [
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
]
AGGREGATED = {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"x": "y"}}]}}
WRITES: list[tuple[str, Policy, str, dict[str, Any], bool]] = [
    ("what is held", policy_of(PODS), ROLES, role(PODS), True),
    ("more than that", policy_of(PODS), ROLES, role(PODS, SECRETS), False),
    ("held elsewhere", policy_of(PODS, namespace="b"), ROLES, role(PODS), False),
    ("held everywhere", policy_of(PODS, namespace=""), ROLES, role(PODS), True),
    ("held in a namespace", policy_of(PODS), CLUSTER_ROLES, role(PODS, namespace=""), False),
    ("escalate", policy_of(verb("escalate", "roles")), ROLES, role(SECRETS), True),
    ("escalate on others", policy_of(verb("escalate", "clusterroles")), ROLES, role(SECRETS), False),
    ("a held role bound", policy_of(PODS), BINDINGS, bound("pod-reader"), True),
    ("another role bound", policy_of(PODS), BINDINGS, bound("secret-reader"), False),
    ("bind", policy_of(verb("bind", "clusterroles")), BINDINGS, bound("secret-reader"), True),
    (
        "bind by name",
        policy_of(verb("bind", "clusterroles", "secret-reader")),
        BINDINGS,
        bound("secret-reader"),
        True,
    ),
    (
        "bind of another",
        policy_of(verb("bind", "clusterroles", "pod-reader")),
        BINDINGS,
        bound("secret-reader"),
        False,
    ),
    (
        "bind in a namespace only",
        policy_of(verb("bind", "clusterroles")),
        CLUSTER_BINDINGS,
        bound("secret-reader", namespace=""),
        False,
    ),
    ("aggregation", policy_of(PODS, namespace=""), CLUSTER_ROLES, role(namespace="", **AGGREGATED), False),
    (
        "aggregation by who has all",
        policy_of(*EVERYTHING, namespace=""),
        CLUSTER_ROLES,
        role(namespace="", **AGGREGATED),
        True,
    ),
]


@pytest.mark.parametrize(
    ("what", "policy", "key", "body", "is_taken"), WRITES, ids=[one[0] for one in WRITES]
)
def test_a_grant_is_taken_from_those_who_hold_it_or_may_hand_it_out(
    what: str, policy: Policy, key: str, body: dict[str, Any], is_taken: bool
) -> None:
    if is_taken:
        escalation.check(policy, ANN, kind(key), body, None)
    else:
        with pytest.raises(ApiError) as caught:
            escalation.check(policy, ANN, kind(key), body, None)
        assert (caught.value.code, caught.value.reason) == (403, "Forbidden")
    escalation.check(policy, User("root", ("system:masters",)), kind(key), body, None)


def test_what_is_missing_is_told_rule_by_rule() -> None:
    with pytest.raises(ApiError) as caught:
        escalation.check(policy_of(PODS), ANN, kind(ROLES), role(PODS, SECRETS), None)
    assert caught.value.message == (
        'roles.rbac.authorization.k8s.io "r" is forbidden: user "ann" (groups=["dev"]) is attempting to '
        'grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}'
    )


def test_a_role_that_is_not_there_cannot_be_bound() -> None:
    with pytest.raises(ApiError) as caught:
        escalation.check(policy_of(PODS), ANN, kind(BINDINGS), bound("none"), None)
    assert (caught.value.code, caught.value.message) == (
        404,
        'rolebindings.rbac.authorization.k8s.io "none" not found',
    )


def test_an_edit_is_checked_like_a_new_role_unless_only_finalizers_change() -> None:
    old, policy = role(SECRETS), policy_of(PODS)
    labelled = copy.deepcopy(old)
    labelled["metadata"]["labels"] = {"x": "y"}
    with pytest.raises(ApiError):
        escalation.check(policy, ANN, kind(ROLES), labelled, old)
    held = copy.deepcopy(old)
    held["metadata"]["finalizers"] = ["example.org/x"]
    escalation.check(policy, ANN, kind(ROLES), held, old)


def test_a_role_of_a_name_may_be_escalated_by_who_may_that_one() -> None:
    policy = policy_of(verb("escalate", "roles", "r"))
    escalation.check(policy, ANN, kind(ROLES), role(SECRETS), role(PODS))
    with pytest.raises(ApiError):
        escalation.check(policy, ANN, kind(ROLES), role(SECRETS), None)
