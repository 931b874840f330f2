"""Conditions and status as the wire carries them, and one way to write status: only what changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tidegate.base.times import format_time
from tidegate.kube.resource import Resource
from tidegate.local.objects import Object, Objects

Conditions = list[dict[str, Any]]


def find(conditions: Conditions | None, type: str) -> dict[str, Any] | None:
    return next((one for one in conditions or [] if one.get("type") == type), None)


def is_true(conditions: Conditions | None, type: str) -> bool:
    found = find(conditions, type)
    return found is not None and found.get("status") == "True"


def with_condition(conditions: Conditions | None, wanted: dict[str, Any], now: datetime) -> Conditions:
    """`conditions` with `wanted` in place of the one of its type.

    lastTransitionTime is kept while the status stays; other fields of `wanted` are taken as they are.
    """
    old = find(conditions, wanted["type"])
    since = format_time(now)
    if old is not None and old.get("status") == wanted["status"]:
        since = old.get("lastTransitionTime") or since
    new = {**wanted, "lastTransitionTime": since}
    if old is None:
        return [*(conditions or []), new]
    return [new if one is old else one for one in conditions or []]


def without(conditions: Conditions | None, type: str) -> Conditions:
    return [one for one in conditions or [] if one.get("type") != type]


async def write_status(
    objects: Objects,
    resource: Resource,
    found: Object,
    status: dict[str, Any],
    notes: Mapping[str, str] = {},
) -> Object:
    """The object with exactly `status`, and `notes` among its annotations; nothing is sent when it has
    them already.

    Carries the resourceVersion that was read: a name used again by another object is never written
    to, and Conflict means reconcile again.
    """
    annotations = found["metadata"].get("annotations") or {}
    if (found.get("status") or {}) == status and annotations.items() >= notes.items():
        return found
    new = {**found, "status": status}
    if notes:
        new["metadata"] = {**found["metadata"], "annotations": {**annotations, **notes}}
    return await objects.update(resource, new, subresource="status")
