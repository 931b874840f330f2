"""Who a request comes from: the bearer of a token, nobody, or whom an administrator wants to be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import unquote

from aiohttp import web

from tidegate.kube.resource import ApiError
from tidegate.kube.responses import bad_request
from tidegate.local.apiserver.authentication.claims import API_AUDIENCES
from tidegate.local.apiserver.authentication.tokens import Refused, Tokens
from tidegate.local.apiserver.authorization.access import (
    ADMINISTRATORS,
    ANONYMOUS,
    AUTHENTICATED,
    NOBODY,
    UNAUTHENTICATED,
    Access,
    User,
    account_groups,
    account_of,
    forbidden,
)
from tidegate.local.apiserver.authorization.policy import Policy
from tidegate.local.apiserver.http.security import bearer_token, is_same

ADMINISTRATOR = User("tidegate-admin", (ADMINISTRATORS, AUTHENTICATED))
_GROUP = "authentication.k8s.io"
_USER, _GROUPS, _UID, _EXTRA = (
    "Impersonate-User",
    "Impersonate-Group",
    "Impersonate-Uid",
    "Impersonate-Extra-",
)


class Identities:
    """`token` is the kubeconfig's; "" as long as there is none."""

    def __init__(self, tokens: Tokens, policy: Policy) -> None:
        self.token = ""
        self._tokens = tokens
        self._policy = policy

    def caller(self, request: web.Request) -> User:
        """401 for a token that is not good, 403 for who may not be whom they want to be."""
        token = bearer_token(request.headers.get("Authorization", ""))
        try:
            user = self.bearer(token)[0] if token else NOBODY
        except Refused as error:
            raise ApiError(401, "Unauthorized", "Unauthorized") from error
        return self._impersonated(user, request)

    def bearer(self, token: str, audiences: Sequence[str] = API_AUDIENCES) -> tuple[User, list[str]]:
        """Whom a token means, and for which of the audiences it is good. Raises `Refused`."""
        if not self.token or not is_same(token, self.token):
            return self._tokens.check(token, audiences)
        shared = [audience for audience in API_AUDIENCES if audience in audiences]
        if not shared:
            raise Refused("the administrator's token is for this API alone")
        return ADMINISTRATOR, shared

    def _impersonated(self, user: User, request: web.Request) -> User:
        headers = request.headers
        name, uid = headers.get(_USER, ""), headers.get(_UID, "")
        groups = tuple(headers.getall(_GROUPS, ()))
        extra = _extra_of(request)
        if not name:
            if groups or uid or extra:
                raise bad_request("requested to impersonate groups, a uid or extras without a user")
            return user
        for access in _needed(name, uid, groups, extra):
            decision = self._policy.decide(user, access)
            if not decision.is_allowed:
                raise forbidden(user, access, decision.reason)
        account = account_of(name)
        if account is not None and not groups:
            groups = account_groups(account[0])
        if name == ANONYMOUS:
            missing = UNAUTHENTICATED not in groups
            groups = (*groups, UNAUTHENTICATED) if missing else groups
        elif AUTHENTICATED not in groups and UNAUTHENTICATED not in groups:
            groups = (*groups, AUTHENTICATED)
        return User(name, groups, uid, extra)


def _needed(
    name: str, uid: str, groups: Sequence[str], extra: dict[str, tuple[str, ...]]
) -> Iterator[Access]:
    """All that must be allowed of who wants to be somebody else."""
    account = account_of(name)
    if account is not None:
        yield Access("impersonate", "", "serviceaccounts", namespace=account[0], name=account[1])
    else:
        yield Access("impersonate", "", "users", name=name)
    for group in groups:
        yield Access("impersonate", "", "groups", name=group)
    for key, values in extra.items():
        for value in values:
            yield Access("impersonate", _GROUP, "userextras", key, name=value)
    if uid:
        yield Access("impersonate", _GROUP, "uids", name=uid)


def _extra_of(request: web.Request) -> dict[str, tuple[str, ...]]:
    extra: dict[str, tuple[str, ...]] = {}
    for header, value in request.headers.items():
        if header.lower().startswith(_EXTRA.lower()):
            key = unquote(header[len(_EXTRA) :].lower())
            extra[key] = (*extra.get(key, ()), value)
    return extra
