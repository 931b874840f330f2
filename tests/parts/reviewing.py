"""An API server that knows tokens and rights, and nothing else."""

from __future__ import annotations

from typing import Any

from tidegate.kube.resource import ApiError, Resource
from tidegate.kube.reviews import TOKEN_REVIEWS, Reviews
from tidegate.runtime.clock import Clock

Object = dict[str, Any]


class Rights:
    """`tokens` are names by token; `allowed` are (user, verb, what) with `*` for anything. `reviews` are the
    bodies that came; `trouble` is what every call meets.
    """

    def __init__(self) -> None:
        self.tokens: dict[str, str] = {}
        self.allowed: set[tuple[str, str, str]] = set()
        self.reviews: list[Object] = []
        self.trouble: ApiError | None = None

    async def create(self, resource: Resource, namespace: str, body: Object) -> Object:
        self.reviews.append(body)
        if self.trouble is not None:
            raise self.trouble
        if resource == TOKEN_REVIEWS:
            name = self.tokens.get(body["spec"]["token"])
            user = {"username": name, "groups": ["system:authenticated"], "extra": {"by": ["token"]}}
            return {"status": {"authenticated": name is not None, "user": user if name else {}}}
        spec = body["spec"]
        asked = spec.get("resourceAttributes") or spec["nonResourceAttributes"]
        what = asked.get("resource") or asked.get("path")
        is_allowed = bool({(spec["user"], asked["verb"], one) for one in (what, "*")} & self.allowed)
        return {"status": {"allowed": is_allowed, "reason": "" if is_allowed else "no rule says so"}}

    def reviewer(self, clock: Clock) -> Reviews:
        return Reviews(self, clock)  # type: ignore[arg-type]
