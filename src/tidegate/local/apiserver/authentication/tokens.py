"""Tokens of ServiceAccounts: given out, and checked against what there is now.

A signature is checked once; whether the account and the object a token is bound to are still there is
looked up at each use, so that a token ends with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from tidegate.base.times import parse_time
from tidegate.kube.resource import NODES, PODS, SECRETS, SERVICE_ACCOUNTS, ApiError, Resource
from tidegate.local.apiserver.authentication.claims import (
    API_AUDIENCES,
    BoundKind,
    Claims,
    Ref,
    claims_of,
    seconds,
)
from tidegate.local.apiserver.authentication.signing_key import NO_TOKEN, NotSigned, SigningKey, kept_key
from tidegate.local.apiserver.authorization.access import User
from tidegate.local.apiserver.kinds import storage_key
from tidegate.local.apiserver.refusals import bad_request
from tidegate.local.apiserver.storage.store import Store
from tidegate.local.apiserver.storage.stored_object import Row
from tidegate.local.objects import Object
from tidegate.runtime.clock import Clock

__all__ = ["NO_TOKEN", "Issued", "Refused", "Tokens"]

# What kubelets ask for in the default volume: such tokens live on for a year, if their pod does.
EXTENDED_S, EXTENSION_S = 3607, 365 * 86_400
CENTURY_S = 100 * 365 * 86_400
# Clocks of others may differ by as much.
LEEWAY_S = 60
KEPT_TOKENS = 5_000
_BOUND_KINDS: dict[str, tuple[BoundKind, Resource]] = {
    "Pod": ("pod", PODS),
    "Secret": ("secret", SECRETS),
    "Node": ("node", NODES),
}
_RESOURCES = dict(_BOUND_KINDS.values())


class Refused(Exception):
    """A token that is not good; the message says why, and nothing of the token."""


@dataclass(frozen=True, slots=True)
class Issued:
    token: str
    expires_at: datetime


class Tokens:
    """`verifications` counts the signatures that were checked."""

    def __init__(self, data_dir: Path, store: Store, clock: Clock) -> None:
        self.verifications = 0
        self._key = kept_key(data_dir)
        self._store = store
        self._clock = clock
        self._verified: dict[str, tuple[Claims, User]] = {}

    @property
    def key(self) -> SigningKey:
        return self._key

    # -- giving out ----------------------------------------------------------------------------

    def issue(
        self, account: Object, audiences: Sequence[str], life_s: int, bound: Object | None = None
    ) -> Issued:
        """A token for the account, bound to a Pod, Secret or Node where one is given."""
        now = self._clock.now()
        meta = account["metadata"]
        kind = None if bound is None else _BOUND_KINDS[bound["kind"]][0]
        # As Kubernetes does, so that programs that read their token only once go on.
        is_extended = kind == "pod" and life_s == EXTENDED_S and set(audiences) <= set(API_AUDIENCES)
        claims = Claims(
            namespace=meta["namespace"],
            account=_ref(account),
            audiences=tuple(audiences),
            issued_at=seconds(now),
            expires_at=seconds(now) + (EXTENSION_S if is_extended else life_s),
            identifier=str(uuid4()),
            bound=None if bound is None or kind is None else (kind, _ref(bound)),
            node=self._node(bound) if bound is not None and kind == "pod" else None,
            warns_at=seconds(now) + life_s if is_extended else None,
        )
        return Issued(self._key.sign(claims.body()), now + timedelta(seconds=life_s))

    def of_secret(self, account: Object, secret: Object) -> str:
        """A token of the account that ends with the Secret that holds it, and not before."""
        return self.issue(account, API_AUDIENCES, CENTURY_S, secret).token

    def bound_object(self, reference: dict[str, Any], namespace: str, account: str) -> Object:
        """The object that a token request wants to be bound to; 400, 404 or 409 when it may not be."""
        version, kind = reference.get("apiVersion") or "", reference.get("kind") or ""
        name, uid = str(reference.get("name") or ""), reference.get("uid")
        if version not in ("", "v1") or kind not in _BOUND_KINDS:
            group, _, plain = version.rpartition("/")
            raise bad_request(f"cannot bind token to object of type {group}/{plain}, Kind={kind}")
        resource = _BOUND_KINDS[kind][1]
        row = self._row(resource, namespace, name)
        if row is None:
            message = f'{resource.plural} "{name}" not found'
            raise ApiError(404, "NotFound", message, {"name": name, "kind": resource.plural})
        found = row.parse()
        if kind == "Pod" and found["spec"].get("serviceAccountName") != account:
            raise bad_request(
                f'cannot bind token for serviceaccount "{account}" to pod running with different '
                "serviceaccount name."
            )
        if uid and uid != found["metadata"]["uid"]:
            raise ApiError(
                409,
                "Conflict",
                f'Operation cannot be fulfilled on {kind} "{name}": the UID in the bound object reference '
                f"({uid}) does not match the UID in record. The object might have been deleted and then "
                "recreated",
                {"name": name, "kind": kind},
            )
        return found

    def _node(self, pod: Object) -> Ref | None:
        name = pod["spec"].get("nodeName")
        if not name:
            return None
        node = self._row(NODES, "", name)
        return Ref(name, node.uid if node is not None else "")

    def _row(self, resource: Resource, namespace: str, name: str) -> Row | None:
        return self._store.get(storage_key(resource), (namespace if resource.is_namespaced else "", name))

    # -- checking ------------------------------------------------------------------------------

    def check(self, token: str, audiences: Sequence[str] = API_AUDIENCES) -> tuple[User, list[str]]:
        """Whom a token means, and for which of the audiences it is good. Raises `Refused`."""
        claims, user = self._claims(token)
        shared = [audience for audience in claims.audiences if audience in audiences]
        if not shared:
            raise Refused(
                f"token audiences {_quoted(claims.audiences)} is invalid for the target audiences "
                f"{_quoted(audiences)}"
            )
        now = self._clock.now()
        if now.timestamp() > claims.expires_at + LEEWAY_S:
            raise Refused("service account token has expired")
        if now.timestamp() < claims.issued_at - LEEWAY_S:
            raise Refused("service account token is not valid yet")
        self._confirm_account(claims, now)
        if claims.bound is not None:
            self._confirm_bound(claims.namespace, *claims.bound, now)
        return user, shared

    def _claims(self, token: str) -> tuple[Claims, User]:
        known = self._verified.get(token)
        if known is not None:
            return known
        self.verifications += 1
        try:
            claims = claims_of(self._key.check(token))
        except NotSigned as error:
            raise Refused(str(error)) from error
        if claims is None:
            raise Refused(NO_TOKEN)
        if len(self._verified) >= KEPT_TOKENS:
            self._verified.clear()
        found = self._verified[token] = claims, claims.user()
        return found

    def _confirm_account(self, claims: Claims, now: datetime) -> None:
        namespace, account = claims.namespace, claims.account
        found = self._row(SERVICE_ACCOUNTS, namespace, account.name)
        if found is None:
            raise Refused(f'serviceaccounts "{account.name}" not found')
        if found.uid != account.uid:
            raise Refused(f"service account UID ({found.uid}) does not match claim ({account.uid})")
        if _is_over(found, now):
            raise Refused(f"service account {namespace}/{account.name} has been deleted")

    def _confirm_bound(self, namespace: str, kind: BoundKind, ref: Ref, now: datetime) -> None:
        found = self._row(_RESOURCES[kind], namespace, ref.name)
        if found is None:
            raise Refused("service account token has been invalidated")
        if found.uid != ref.uid:
            raise Refused(
                f"{kind} UID ({found.uid}) does not match service account {kind} ref claim ({ref.uid})"
            )
        if _is_over(found, now):
            raise Refused("service account token has been invalidated")


def _ref(body: Object) -> Ref:
    return Ref(body["metadata"]["name"], body["metadata"]["uid"])


def _is_over(row: Row, now: datetime) -> bool:
    """Whether an object that waits for its removal should have been gone for a while."""
    if not row.is_deleting:
        return False
    ends = row.parse()["metadata"]["deletionTimestamp"]
    return parse_time(ends) < now - timedelta(seconds=LEEWAY_S)


def _quoted(values: Sequence[str]) -> str:
    return "[" + " ".join(f'"{value}"' for value in values) + "]"
