"""Looking things up in the cluster, and remembering what was looked at."""

from __future__ import annotations

from typing import Any, Protocol

from tidegate.base.bytetext import to_bytes
from tidegate.base.errors import Denied, Malformed, TidegateError, Unreachable
from tidegate.kube.resource import CONFIG_MAPS, SECRETS, ApiError, Resource

Key = tuple[Resource, str, str]


class Lookup(Protocol):
    """Where objects are found: watch caches, a client's answers, a test's dictionary."""

    def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any] | None:
        """The object, None if there is none. Raises ApiError or one of the five where it cannot tell."""


class Reader:
    """A lookup that keeps in `read` what was asked for, found or not: a change there matters."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self.read: set[Key] = set()

    def get(self, resource: Resource, namespace: str, name: str) -> dict[str, Any] | None:
        """The object, None if there is none. One of the five where that cannot be told."""
        place = namespace if resource.is_namespaced else ""
        self.read.add((resource, place, name))
        try:
            return self._lookup.get(resource, place, name)
        except ApiError as error:
            kind = Denied if error.code in (401, 403) else Unreachable
            raise kind(f"read {named(resource, place, name)}", answer=error.message) from error

    def values(self, resource: Resource, namespace: str, name: str) -> dict[str, str | TidegateError] | None:
        """The texts of a Secret or ConfigMap by key, None if it does not exist.

        A value that is no UTF-8 text is the error it causes where it is used.
        """
        found = self.get(resource, namespace, name)
        if found is None:
            return None
        raw = found.get("data") or {}
        if resource == CONFIG_MAPS:
            return {key: str(value) for key, value in raw.items()}
        return {key: _decoded(value, key, f"{namespace}/{name}") for key, value in raw.items()}


def named(resource: Resource, namespace: str, name: str) -> str:
    """How people call it: `Secret shop/redis`."""
    return f"{resource.kind} {namespace}/{name}" if namespace else f"{resource.kind} {name}"


def _decoded(value: Any, key: str, where: str) -> str | TidegateError:
    try:
        return to_bytes(value or "").decode()
    except (AttributeError, ValueError):
        return Malformed(
            f'read key "{key}" of {SECRETS.kind} {where}',
            answer="it is not UTF-8 text",
            next_step="store the value as text, base64-encoded once",
        )
