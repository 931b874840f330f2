"""Who somebody is and what they may do, as the API server says: TokenReview and SubjectAccessReview.

Answers are kept for a while, as Kubernetes' own servers keep them, and equal questions that are under way
are asked once. Source: https://kubernetes.io/docs/reference/access-authn-authz/webhook/
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from tidegate.kube.client import Client
from tidegate.kube.resource import ApiError, Resource
from tidegate.runtime.clock import Clock

TOKEN_REVIEWS = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", is_namespaced=False)
ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", is_namespaced=False
)
# The lifetimes of Kubernetes' delegated authentication and authorization.
KEPT_S = 10.0
MOST_KEPT = 8192

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks. `extra` holds several values per key."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    @property
    def identity(self) -> Hashable:
        """All that says who it is."""
        extra = tuple(sorted((key, tuple(values)) for key, values in self.extra.items()))
        return self.name, self.groups, self.uid, extra


ANONYMOUS = Caller("system:anonymous", ("system:unauthenticated",))
AUTHENTICATED = "system:authenticated"
ADMINISTRATORS = "system:masters"


@dataclass(frozen=True, slots=True)
class Access:
    """What somebody wants to do: to an object of the API, or (with `path`) to a path beside them."""

    verb: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    version: str = ""
    path: str = ""

    def spec(self) -> dict[str, Any]:
        """The part of a SubjectAccessReview."""
        if self.path:
            return {"nonResourceAttributes": {"verb": self.verb, "path": self.path}}
        fields = {
            "verb": self.verb,
            "group": self.group,
            "version": self.version,
            "resource": self.resource,
            "namespace": self.namespace,
            "name": self.name,
        }
        return {"resourceAttributes": {key: value for key, value in fields.items() if value}}


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason` is the authorizer's, where it gives one."""

    is_allowed: bool
    reason: str = ""


class Reviews:
    """Asks an API server. Both questions raise what its client raises when they cannot be asked."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._tokens: _Kept[Caller | None] = _Kept(clock)
        self._decisions: _Kept[Decision] = _Kept(clock)

    async def bearer(self, token: str) -> Caller | None:
        """Who bears this token; None where it is not good."""
        key = hashlib.sha256(token.encode()).digest()
        return await self._tokens.get(key, lambda: self._token_review(token))

    async def decide(self, caller: Caller, access: Access) -> Decision:
        """Whether the caller may do that. Administrators may do everything, as everywhere."""
        if ADMINISTRATORS in caller.groups:
            return Decision(True)
        key = (caller.identity, access)
        return await self._decisions.get(key, lambda: self._access_review(caller, access))

    async def _token_review(self, token: str) -> Caller | None:
        body = {"apiVersion": TOKEN_REVIEWS.api_version, "kind": "TokenReview", "spec": {"token": token}}
        status = (await self._client.create(TOKEN_REVIEWS, "", body)).get("status") or {}
        if not status.get("authenticated"):
            return None
        user = status.get("user") or {}
        extra = {key: tuple(values or ()) for key, values in (user.get("extra") or {}).items()}
        return Caller(
            str(user.get("username", "")), tuple(user.get("groups") or ()), str(user.get("uid", "")), extra
        )

    async def _access_review(self, caller: Caller, access: Access) -> Decision:
        spec: dict[str, Any] = {"user": caller.name, "groups": list(caller.groups), **access.spec()}
        if caller.uid:
            spec["uid"] = caller.uid
        if caller.extra:
            spec["extra"] = {key: list(values) for key, values in caller.extra.items()}
        body = {"apiVersion": ACCESS_REVIEWS.api_version, "kind": "SubjectAccessReview", "spec": spec}
        status = (await self._client.create(ACCESS_REVIEWS, "", body)).get("status") or {}
        is_allowed = bool(status.get("allowed")) and not status.get("denied")
        return Decision(is_allowed, str(status.get("reason") or ""))


def forbidden(caller: Caller, access: Access, reason: str) -> ApiError:
    """403 in the words of Kubernetes' servers."""
    if access.path:
        text = f'forbidden: User "{caller.name}" cannot {access.verb} path "{access.path}"'
    else:
        group = f' in API group "{access.group}"'
        place = f' in the namespace "{access.namespace}"' if access.namespace else " at the cluster scope"
        text = (
            f'{access.resource}.{access.group} {f""""{access.name}" """ if access.name else ""}is forbidden: '
            f'User "{caller.name}" cannot {access.verb} resource "{access.resource}"{group}{place}'
        )
    details: dict[str, Any] = {}
    if not access.path:
        details = {"name": access.name, "group": access.group, "kind": access.resource}
        details = {key: value for key, value in details.items() if value}
    return ApiError(403, "Forbidden", f"{text}: {reason}" if reason else text, details)


class _Kept(Generic[Answer]):
    """Answers by question, each for `KEPT_S`; an error is kept for nobody."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._answers: dict[Hashable, tuple[float, Answer]] = {}
        self._under_way: dict[Hashable, asyncio.Task[Answer]] = {}

    async def get(self, key: Hashable, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        kept = self._answers.get(key)
        if kept is not None and self._clock.monotonic() < kept[0]:
            return kept[1]
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(self._asked(key, ask))
            # Whoever asks may go away; the answer is of use to others.
            task.add_done_callback(_seen)
        return await asyncio.shield(task)

    async def _asked(self, key: Hashable, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            answer = await ask()
        finally:
            del self._under_way[key]
        self._answers.pop(key, None)
        self._answers[key] = (self._clock.monotonic() + KEPT_S, answer)
        while len(self._answers) > MOST_KEPT:
            # The oldest is the first to end, as all live equally long.
            del self._answers[next(iter(self._answers))]
        return answer


def _seen(task: asyncio.Task[Any]) -> None:
    """An error that nobody waits for any more is no defect."""
    if not task.cancelled():
        task.exception()
