"""The identity that an authentication's `podIdentity` comes to for one workload.

Source: https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html (the annotation).
"""

from __future__ import annotations

from tidegate.api.triggerauthentication import ALLOWED_NAMESPACES
from tidegate.api.vaults import PodIdentity
from tidegate.auth.lending import Lending
from tidegate.auth.lookup import named
from tidegate.auth.scope import Scope
from tidegate.base.errors import Failure, Misconfigured
from tidegate.kit.identity import Identity
from tidegate.kube.resource import SERVICE_ACCOUNTS

ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"
READ_ANNOTATIONS = (ROLE_ANNOTATION, ALLOWED_NAMESPACES)
"""Annotations of ServiceAccounts and ClusterTriggerAuthentications on which what is resolved depends."""


def identity_of(scope: Scope, about: str, given: PodIdentity | None, lending: Lending) -> Identity | None:
    """None where it is none, or where `aws-eks` finds no role: then keys are used. Misconfigured for one
    that the workload does not have. `about` is the authentication."""
    provider = given.provider if given is not None else "none"
    if given is None or provider == "none":
        return None
    if provider == "aws-eks" or (provider == "aws" and given.identity_owner == "workload"):
        return _of_workload(scope, f"resolve podIdentity of {about}", given, lending)
    return Identity(
        provider,
        client_id=given.identity_id or "",
        tenant_id=given.identity_tenant_id or "",
        authority_host=given.identity_authority_host or "",
        role_arn=given.role_arn or "",
        external_id=given.external_id or "",
        owner=given.identity_owner or "",
    )


def _of_workload(scope: Scope, attempted: str, given: PodIdentity, lending: Lending) -> Identity | None:
    """The role that the ServiceAccount of the workload's pods is annotated with."""
    if given.role_arn and given.provider == "aws":
        answer = "roleArn of PodIdentity can't be set if identityOwner is workload"
        raise Misconfigured(attempted, answer=answer, next_step="leave one of them out")
    account = service_account(scope, attempted)
    place = named(SERVICE_ACCOUNTS, scope.namespace, account)
    body = scope.reader.get(SERVICE_ACCOUNTS, scope.namespace, account)
    if body is None:
        raise Misconfigured(attempted, answer=f"there is no {place}", next_step="create it")
    role = str((body["metadata"].get("annotations") or {}).get(ROLE_ANNOTATION) or "").strip()
    if not role and given.provider == "aws-eks":
        return None
    if not role:
        step = "annotate it with the role, or name roleArn"
        raise Misconfigured(attempted, answer=f"{place} has no annotation {ROLE_ANNOTATION}", next_step=step)
    return Identity(
        "aws" if given.provider == "aws" else "aws-eks",
        role_arn=role,
        owner="workload",
        service_account=f"{scope.namespace}/{account}",
        may_borrow=lending.is_lent,
    )


def service_account(scope: Scope, attempted: str) -> str:
    """The name of the ServiceAccount of the workload's pods."""
    if isinstance(scope.pod_template, Failure):
        raise Misconfigured(attempted, answer=scope.pod_template.message)
    if scope.pod_template is None:
        answer = "the scale target has no pod template, and with it no ServiceAccount"
        raise Misconfigured(attempted, answer=answer, next_step="name roleArn")
    spec = scope.pod_template.get("spec") or {}
    return str(spec.get("serviceAccountName") or "default")
