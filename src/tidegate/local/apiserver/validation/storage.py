"""Validation of claims for storage and of volumes. Pure."""

from __future__ import annotations

from typing import Any

from tidegate.local.apiserver.validation import names
from tidegate.local.apiserver.validation.rules import (
    Problems,
    amount,
    label_selector,
    one_of,
    quantity,
    required,
    wrong,
    wrongs,
)
from tidegate.local.objects import Object

_ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_VOLUME_MODES = ("Block", "Filesystem")


def _access(path: str, spec: dict[str, Any]) -> Problems:
    modes = spec.get("accessModes") or []
    if not modes:
        yield required(f"{path}.accessModes", "at least 1 access mode is required")
    for mode in modes:
        yield from one_of(f"{path}.accessModes", mode, _ACCESS_MODES)


def _storage(path: str, amounts: dict[str, Any] | None) -> Problems:
    storage = (amounts or {}).get("storage")
    if storage is None:
        yield required(path)
    elif (found := amount(storage)) is None:
        yield from quantity(path, storage)
    elif found <= 0:
        yield wrong(path, str(storage), "must be greater than zero")


def _class_and_mode(path: str, spec: dict[str, Any]) -> Problems:
    if name := spec.get("storageClassName"):
        yield from wrongs(f"{path}.storageClassName", name, names.subdomain(name))
    yield from one_of(f"{path}.volumeMode", spec.get("volumeMode"), _VOLUME_MODES)


def claim_problems(body: Object) -> Problems:
    yield from claim_spec_problems("spec", body["spec"])


def claim_spec_problems(path: str, spec: dict[str, Any]) -> Problems:
    """What a claim asks for, wherever it stands."""
    if spec.get("selector"):
        yield from label_selector(f"{path}.selector", spec["selector"])
    yield from _access(path, spec)
    yield from _storage(f"{path}.resources[storage]", (spec.get("resources") or {}).get("requests"))
    yield from _class_and_mode(path, spec)


def volume_problems(body: Object) -> Problems:
    spec = body["spec"]
    yield from _access("spec", spec)
    yield from _storage("spec.capacity[storage]", spec.get("capacity"))
    yield from _class_and_mode("spec", spec)
