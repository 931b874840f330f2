"""What a write is about, how it is asked for, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from tidegate.kube.resource import ApiError
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.storage.stored_object import Place
from tidegate.local.apiserver.writing.owners import By
from tidegate.local.apiserver.writing.review import Decoding, FieldValidation
from tidegate.local.objects import Object


class Target(NamedTuple):
    """What a request is about. `namespace` is "" for cluster-scoped kinds; `name` is "" on create."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def place(self) -> Place:
        return (self.namespace, self.name)


@dataclass(frozen=True, slots=True)
class Options:
    """How a write is asked for. With `is_dry_run` everything happens but the store.

    `guard` (kind, new, old) raises when whoever asks may not make this of it; none in process.
    `is_patch`: the body was made here, by a patch, and what is wrong with it is the patch's fault.
    `writer` owns the fields that it writes ("" for this program); `via` is the subresource by which the
    object itself is written. `is_forced`: an apply takes fields that others own.
    """

    is_dry_run: bool = False
    field_validation: FieldValidation = "Warn"
    guard: Callable[[Kind, Object, Object | None], None] | None = None
    is_patch: bool = False
    writer: str = ""
    via: str = ""
    is_forced: bool = False

    @property
    def by(self) -> By:
        return By(self.writer, self.via, self.is_forced)

    @property
    def decoding(self) -> Decoding:
        return Decoding(self.field_validation, self.is_patch)


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


def check_endpoint(target: Target) -> None:
    """404 where the kind has no such subresource."""
    if target.subresource and target.kind.subresource(target.subresource) is None:
        raise ApiError(404, "NotFound", "the server could not find the requested resource")
