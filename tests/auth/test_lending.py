"""Who may use the autoscaler's own identity, and which identity a workload comes to."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.api.triggerauthentication import ALLOWED_NAMESPACES
from tidegate.auth.lending import EVERYONE, Lending
from tidegate.auth.resolve import Options, Resolved, Unresolved
from tidegate.kit.identity import Identity
from tidegate.kube.resource import SERVICE_ACCOUNTS

ROLE = "arn:aws:iam::1:role/lag"
CLUSTER = "ClusterTriggerAuthentication"
OWN = Identity("aws", role_arn=ROLE)
ATTEMPTED = "measure aws-sqs-queue"


@pytest.mark.parametrize(
    ("lending", "is_lent"),
    [
        (Lending("shop"), False),
        (Lending("shop", ("shop",)), True),
        (Lending("shop", ("bakery", "shop")), True),
        (Lending("shop", ("bakery",)), False),
        (Lending("shop", (EVERYONE,)), True),
        (Lending("shop", (), "aws", ("shop",)), True),
        (Lending("shop", (), "aws", (EVERYONE,)), True),
        (Lending("shop", (), "aws", None), False),
        (Lending("shop", ("shop",), "aws", None), True),
        # The annotation decides alone, also where it takes back.
        (Lending("shop", (EVERYONE,), "aws", ("bakery",)), False),
        (Lending("shop", (EVERYONE,), "aws", ()), False),
    ],
)
def test_who_lends_to_whom(lending: Lending, is_lent: bool) -> None:
    assert lending.is_lent is is_lent
    assert (lending.refusal(OWN, ATTEMPTED) is None) is is_lent


def test_what_the_workloads_own_token_proves_needs_nobodys_leave() -> None:
    identity = Identity("aws", role_arn=ROLE, service_account="shop/worker")
    assert Lending("shop").refusal(identity, ATTEMPTED) is None


@pytest.mark.parametrize(
    ("lending", "step"),
    [
        (
            Lending("shop"),
            "by the operator's --lend-identity=shop, or by a ClusterTriggerAuthentication",
        ),
        (
            Lending("shop", (), "aws"),
            f"annotation {ALLOWED_NAMESPACES} of {CLUSTER} aws or",
        ),
        (Lending("shop", (), "aws", ("b",)), f"name it in the annotation {ALLOWED_NAMESPACES} of"),
    ],
)
def test_a_refusal_says_what_to_set(lending: Lending, step: str) -> None:
    refusal = lending.refusal(OWN, ATTEMPTED)
    assert refusal is not None
    assert ROLE in str(refusal)
    assert "not lent to namespace shop" in str(refusal)
    assert step in str(refusal)


@pytest.mark.parametrize(
    ("annotation", "allowed"),
    [(None, None), ("shop", ("shop",)), (" shop , bakery,", ("shop", "bakery")), ("*", ("*",)), ("", ())],
)
def test_the_annotation_of_a_cluster_authentication_is_read(
    world: Any, resolved: Any, annotation: str | None, allowed: tuple[str, ...] | None
) -> None:
    world.cluster_authentication("aws", {"podIdentity": {"provider": "aws", "roleArn": ROLE}})
    if annotation is not None:
        (body,) = world.objects.values()
        body["metadata"]["annotations"] = {ALLOWED_NAMESPACES: annotation}
    found = resolved("aws", kind=CLUSTER, options=Options(lends_identity=("bakery",)))
    assert found.identity == OWN
    assert found.lending == Lending("shop", ("bakery",), "aws", allowed)


def test_an_annotation_of_a_namespaced_one_counts_for_nothing(world: Any, resolved: Any) -> None:
    world.authentication("aws", {"podIdentity": {"provider": "aws"}})
    (body,) = world.objects.values()
    body["metadata"]["annotations"] = {ALLOWED_NAMESPACES: "*"}
    assert not resolved("aws").lending.is_lent


# --- the workload's identity


POD = {"spec": {"serviceAccountName": "worker", "containers": [{"name": "main"}]}}
WORKLOAD = {"podIdentity": {"provider": "aws", "identityOwner": "workload"}}
EKS = {"podIdentity": {"provider": "aws-eks"}}


def account(world: Any, name: str, role: str | None) -> None:
    metadata: dict[str, Any] = {"name": name, "namespace": "shop"}
    if role is not None:
        metadata["annotations"] = {"eks.amazonaws.com/role-arn": role}
    world.objects[(SERVICE_ACCOUNTS, "shop", name)] = {"metadata": metadata}


@pytest.mark.parametrize(
    ("spec", "template", "name"),
    [
        (WORKLOAD, POD, "worker"),
        (EKS, POD, "worker"),
        (WORKLOAD, {"spec": {"containers": [{"name": "main"}]}}, "default"),
    ],
)
@pytest.mark.parametrize("lent", [(), ("shop",)])
def test_the_workloads_account_names_the_role_and_proves_it(
    world: Any, resolved: Any, spec: Any, template: Any, name: str, lent: tuple[str, ...]
) -> None:
    world.authentication("aws", spec)
    account(world, name, ROLE)
    found = resolved("aws", template=template, options=Options(lends_identity=lent))
    provider = spec["podIdentity"]["provider"]
    proof = f"shop/{name}"
    assert found.identity == Identity(
        provider, role_arn=ROLE, owner="workload", service_account=proof, may_borrow=bool(lent)
    )
    assert (SERVICE_ACCOUNTS, "shop", name) in found.read, "a change of it must wake the object"


@pytest.mark.parametrize(
    ("spec", "template", "words"),
    [
        (WORKLOAD, POD, "there is no ServiceAccount shop/worker"),
        (EKS, POD, "there is no ServiceAccount shop/worker"),
        (WORKLOAD, None, "the scale target has no pod template"),
        (
            {"podIdentity": {"provider": "aws", "identityOwner": "workload", "roleArn": ROLE}},
            POD,
            "roleArn of PodIdentity can't be set if identityOwner is workload",
        ),
    ],
)
def test_a_workload_without_an_identity_is_told(
    world: Any, resolved: Any, spec: Any, template: Any, words: str
) -> None:
    world.authentication("aws", spec)
    found = resolved("aws", template=template)
    assert isinstance(found, Unresolved)
    assert found.kind == "Misconfigured"
    assert words in found.message
    assert template is None or "roleArn" in words or (SERVICE_ACCOUNTS, "shop", "worker") in found.read


def test_an_account_without_a_role_is_a_mistake_but_for_aws_eks_which_then_uses_keys(
    world: Any, resolved: Any
) -> None:
    account(world, "worker", None)
    world.authentication("aws", WORKLOAD)
    found = resolved("aws", template=POD)
    assert "ServiceAccount shop/worker has no annotation eks.amazonaws.com/role-arn" in found.message
    world.authentication("aws", EKS)
    found = resolved("aws", template=POD)
    assert isinstance(found, Resolved)
    assert found.identity is None
