"""A trigger asks as the autoscaler only where that was lent."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.api.decode import decode
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.triggerauthentication import ALLOWED_NAMESPACES
from tidegate.auth.resolve import Options
from tidegate.kube.resource import (
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    SERVICE_ACCOUNTS,
    TRIGGER_AUTHENTICATIONS,
    Resource,
)
from tidegate.operator.reconcile.trigger_plan import Plan, plan

QUEUE = {"queueURL": "orders", "awsRegion": "eu-west-1"}
OWN = {"podIdentity": {"provider": "aws"}}
IN_ROLE = {"podIdentity": {"provider": "aws", "roleArn": "arn:aws:iam::1:role/lag"}}
OF_WORKLOAD = {"podIdentity": {"provider": "aws", "identityOwner": "workload"}}
EKS = {"podIdentity": {"provider": "aws-eks"}}
NAMESPACED, CLUSTER = "TriggerAuthentication", "ClusterTriggerAuthentication"
Key = tuple[Resource, str, str]


class World:
    """A lookup of these objects."""

    def __init__(self, objects: dict[Key, Any]) -> None:
        self.objects = objects

    def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any] | None:
        return self.objects.get((resource, namespace, name))


def planned(
    kind: str, spec: Any, allowed: str | None, metadata: dict[str, str], lent: tuple[str, ...]
) -> Plan:
    ref = {"authenticationRef": {"name": "aws", "kind": kind}} if kind else {}
    object = decode(
        {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {
                "scaleTargetRef": {"name": "web"},
                "triggers": [{"type": "aws-sqs-queue", "metadata": QUEUE | metadata, **ref}],
            },
        }
    )
    assert isinstance(object, ScaledObject)
    annotations = {ALLOWED_NAMESPACES: allowed} if allowed is not None else {}
    body = {"kind": kind, "metadata": {"name": "aws", "annotations": annotations}, "spec": spec}
    role = {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/own"}
    account = {"metadata": {"name": "worker", "namespace": "shop", "annotations": role}}
    world = World(
        {
            (TRIGGER_AUTHENTICATIONS, "shop", "aws"): body,
            (CLUSTER_TRIGGER_AUTHENTICATIONS, "", "aws"): body,
            (SERVICE_ACCOUNTS, "shop", "worker"): account,
        }
    )
    template = {"spec": {"serviceAccountName": "worker", "containers": [{"name": "main"}]}}
    return plan(object, template, None, world, Options(lends_identity=lent))


OPERATOR = {"identityOwner": "operator"}


@pytest.mark.parametrize(
    ("kind", "spec", "allowed", "metadata", "lent", "is_lent"),
    [
        (NAMESPACED, OWN, None, {}, (), False),
        (NAMESPACED, OWN, None, {}, ("shop",), True),
        (NAMESPACED, IN_ROLE, None, {}, (), False),
        (NAMESPACED, IN_ROLE, None, {}, ("*",), True),
        (NAMESPACED, IN_ROLE, "shop", {}, (), False),
        (NAMESPACED, OF_WORKLOAD, None, {}, (), True),
        (NAMESPACED, EKS, None, {}, (), True),
        (CLUSTER, IN_ROLE, None, {}, (), False),
        (CLUSTER, IN_ROLE, None, {}, ("shop",), True),
        (CLUSTER, IN_ROLE, "shop", {}, (), True),
        (CLUSTER, IN_ROLE, "bakery", {}, ("shop",), False),
        ("", {}, None, OPERATOR, (), False),
        ("", {}, None, OPERATOR, ("shop",), True),
        # What the trigger's own metadata asks for, no annotation has lent.
        (CLUSTER, EKS, "shop", OPERATOR, (), False),
        (CLUSTER, EKS, "bakery", OPERATOR, ("shop",), True),
    ],
)
def test_an_identity_of_the_autoscaler_is_used_where_it_was_lent(
    kind: str, spec: Any, allowed: str | None, metadata: dict[str, str], lent: tuple[str, ...], is_lent: bool
) -> None:
    made = planned(kind, spec, allowed, metadata, lent)
    if is_lent:
        assert made.failures == {}
        assert made.review.triggers[0].problems == ()
        return
    failure = made.failures[0]
    assert failure.kind == "Misconfigured"
    assert "are not lent to namespace shop; an administrator can" in failure.message
