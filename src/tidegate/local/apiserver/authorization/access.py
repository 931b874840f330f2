"""Who asks, and for what: the two values that every decision is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tidegate.kube.resource import ApiError

ADMINISTRATORS = "system:masters"
AUTHENTICATED, UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
ANONYMOUS = "system:anonymous"
ACCOUNTS = "system:serviceaccounts"
_ACCOUNT_PREFIX = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody whom the server knows: by a token, by nothing (anonymous), or by impersonation."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    @property
    def is_administrator(self) -> bool:
        """Nothing is refused to these, whatever the roles say: the last way back in."""
        return ADMINISTRATORS in self.groups

    def as_body(self) -> dict[str, Any]:
        """UserInfo, as reviews show it."""
        body: dict[str, Any] = {"username": self.name}
        if self.uid:
            body["uid"] = self.uid
        if self.groups:
            body["groups"] = list(self.groups)
        if self.extra:
            body["extra"] = {key: list(values) for key, values in self.extra.items()}
        return body


NOBODY = User(ANONYMOUS, (UNAUTHENTICATED,))


class Access(NamedTuple):
    """What is asked for: a verb on a resource, or (with `path`) on a path that is none.

    `namespace` is "" for what is asked of the whole cluster, `name` for what is asked of a collection.
    """

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def full_resource(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def account_name(namespace: str, name: str) -> str:
    """The user that a ServiceAccount is."""
    return f"{_ACCOUNT_PREFIX}{namespace}:{name}"


def account_groups(namespace: str) -> tuple[str, ...]:
    """The groups of every ServiceAccount of a namespace, beside those of every user."""
    return (ACCOUNTS, f"{ACCOUNTS}:{namespace}")


def account_of(user: str) -> tuple[str, str] | None:
    """Namespace and name of the ServiceAccount that a user name means; None when it means none."""
    if not user.startswith(_ACCOUNT_PREFIX):
        return None
    namespace, _, name = user.removeprefix(_ACCOUNT_PREFIX).partition(":")
    return (namespace, name) if namespace and name and ":" not in name else None


def forbidden(user: User, access: Access, reason: str = "") -> ApiError:
    """403 in Kubernetes' words, which clients and people look for."""
    who = f'User "{user.name}" cannot {access.verb}'
    why = f": {reason}" if reason else ""
    if access.path:
        return ApiError(403, "Forbidden", f'forbidden: {who} path "{access.path}"{why}')
    where = f'in the namespace "{access.namespace}"' if access.namespace else "at the cluster scope"
    what = f'{who} resource "{access.full_resource}" in API group "{access.group}" {where}'
    plural = f"{access.resource}.{access.group}" if access.group else access.resource
    details = {"name": access.name, "group": access.group, "kind": access.resource}
    named = f'{plural} "{access.name}"' if access.name else plural
    return ApiError(
        403,
        "Forbidden",
        f"{named} is forbidden: {what}{why}",
        {key: value for key, value in details.items() if value},
    )
