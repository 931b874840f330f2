"""The verbs of the API on one object: create, update, patch, delete, scale.

HTTP and in-process writers meet here.
A write is decided synchronously against the newest state (pending commits included), so nothing
can come between looking and choosing; only the group commit is awaited.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from tidegate.local.apiserver.kinds import Kind
from tidegate.local.objects import Object

FieldValidation = Literal["Strict", "Warn", "Ignore"]
PatchType = Literal["json", "merge", "strategic"]


class Target(NamedTuple):
    """What a request is about. `namespace` is "" for cluster-scoped kinds; `name` is "" on create."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Options:
    """How a write is asked for. With `is_dry_run` everything happens but the store."""

    is_dry_run: bool = False
    field_validation: FieldValidation = "Warn"


@dataclass(frozen=True, slots=True)
class Deletion:
    """DeleteOptions. `uid` and `resource_version` are preconditions (409); "" = none."""

    propagation: Literal["Background", "Foreground", "Orphan"] = "Background"
    grace_s: int | None = None
    uid: str = ""
    resource_version: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """What a write left. `body` is the object's JSON; `warnings` go into `Warning:` headers.

    `is_removed`: the object is gone from the store (a delete answers Status Success, for Pods the
    object); False after a delete means that finalizers or a grace period hold it.
    """

    body: bytes
    warnings: tuple[str, ...] = ()
    is_created: bool = False
    is_removed: bool = False


class Verbs:
    """Writes. Every refusal is an `ApiError` with `details` (name, group, kind, uid, causes)."""

    async def create(self, target: Target, body: Object, options: Options = Options()) -> Written:
        """201: the stored object. `body` becomes ours (it is changed in place)."""
        raise NotImplementedError

    async def update(self, target: Target, body: Object, options: Options = Options()) -> Written:
        """200: PUT on the object or on its subresource (status, scale, finalize)."""
        raise NotImplementedError

    async def patch(
        self, target: Target, type: PatchType, patch: Any, options: Options = Options()
    ) -> Written:
        """200. Applied to the newest object; 409 only if the patch itself carries a resourceVersion."""
        raise NotImplementedError

    async def delete(
        self, target: Target, deletion: Deletion = Deletion(), options: Options = Options()
    ) -> Written:
        """200; see `Written.is_removed`."""
        raise NotImplementedError
