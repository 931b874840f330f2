"""What a token of a ServiceAccount says, as a value: made, written as claims, and read again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from tidegate.local.apiserver.authorization.access import (
    AUTHENTICATED,
    User,
    account_groups,
    account_name,
)

ISSUER = "https://kubernetes.default.svc.cluster.local"
API_AUDIENCES = (ISSUER,)
_OWN = "kubernetes.io"
_EXTRA = "authentication.kubernetes.io"

BoundKind = Literal["pod", "secret", "node"]


class Ref(NamedTuple):
    """One object, and no later one of its name. `uid` is "" for a node that is not there (yet)."""

    name: str
    uid: str = ""

    def body(self) -> dict[str, str]:
        return {"name": self.name, "uid": self.uid} if self.uid else {"name": self.name}


@dataclass(frozen=True, slots=True)
class Claims:
    """`bound` is the object the token ends with; `node` the one that a bound pod runs on.

    `warns_at`: the token is to be renewed from then on, and still good until it expires.
    """

    namespace: str
    account: Ref
    audiences: tuple[str, ...]
    issued_at: int
    expires_at: int
    identifier: str
    bound: tuple[BoundKind, Ref] | None = None
    node: Ref | None = None
    warns_at: int | None = None

    @property
    def renewed_by(self) -> int:
        """The moment that who asked for it took for its end."""
        return self.warns_at if self.warns_at is not None else self.expires_at

    def user(self) -> User:
        """The user that the token makes its bearer."""
        extra = {f"{_EXTRA}/credential-id": (f"JTI={self.identifier}",)}
        objects: dict[str, Ref] = dict([self.bound] if self.bound is not None else [])
        if self.node is not None:
            objects["node"] = self.node
        for kind in ("pod", "node"):
            ref = objects.get(kind)
            if ref is not None:
                extra[f"{_EXTRA}/{kind}-name"] = (ref.name,)
                extra |= {f"{_EXTRA}/{kind}-uid": (ref.uid,)} if ref.uid else {}
        groups = (*account_groups(self.namespace), AUTHENTICATED)
        return User(account_name(self.namespace, self.account.name), groups, self.account.uid, extra)

    def body(self) -> dict[str, object]:
        """The claims as Kubernetes writes them."""
        own: dict[str, object] = {"namespace": self.namespace}
        objects = [("serviceaccount", self.account)]
        objects += [self.bound] if self.bound is not None else []
        objects += [("node", self.node)] if self.node is not None else []
        own |= {kind: ref.body() for kind, ref in sorted(objects)}
        if self.warns_at is not None:
            own["warnafter"] = self.warns_at
        return {
            "aud": list(self.audiences),
            "exp": self.expires_at,
            "iat": self.issued_at,
            "iss": ISSUER,
            "jti": self.identifier,
            _OWN: own,
            "nbf": self.issued_at,
            "sub": account_name(self.namespace, self.account.name),
        }


def claims_of(body: Mapping[str, Any]) -> Claims | None:
    """The claims of a token that we signed; None when it says something else than our tokens do."""
    own = body.get(_OWN)
    try:
        if body["iss"] != ISSUER or not isinstance(own, dict):
            return None
        refs = {
            kind: Ref(str(own[kind]["name"]), str(own[kind].get("uid", "")))
            for kind in ("serviceaccount", "pod", "secret", "node")
            if own.get(kind)
        }
        kinds: tuple[BoundKind, ...] = ("pod", "secret", "node")
        bound = next((kind for kind in kinds if kind in refs), None)
        return Claims(
            namespace=str(own["namespace"]),
            account=refs["serviceaccount"],
            audiences=tuple(body["aud"]),
            issued_at=int(body["iat"]),
            expires_at=int(body["exp"]),
            identifier=str(body["jti"]),
            bound=None if bound is None else (bound, refs[bound]),
            node=refs.get("node") if bound == "pod" else None,
            warns_at=int(own["warnafter"]) if "warnafter" in own else None,
        )
    except (KeyError, TypeError, ValueError):
        return None


def seconds(moment: datetime) -> int:
    """A moment as tokens have it."""
    return int(moment.timestamp())
