"""Bytes or dictionaries to typed objects of our kinds."""

from __future__ import annotations

from typing import Any, TypeAlias, TypeVar

import msgspec

from tidegate.api.eventing.cloudeventsource import CloudEventSource, ClusterCloudEventSource
from tidegate.api.kinds import API_VERSION
from tidegate.api.scaledjob import ScaledJob
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.triggerauthentication import ClusterTriggerAuthentication, TriggerAuthentication
from tidegate.api.wire import convert
from tidegate.base.errors import Misconfigured

Ours: TypeAlias = (
    ScaledObject
    | ScaledJob
    | TriggerAuthentication
    | ClusterTriggerAuthentication
    | CloudEventSource
    | ClusterCloudEventSource
)
KINDS: dict[str, type[Ours]] = {
    one.KIND.name: one
    for one in (
        ScaledObject,
        ScaledJob,
        TriggerAuthentication,
        ClusterTriggerAuthentication,
        CloudEventSource,
        ClusterCloudEventSource,
    )
}
T = TypeVar("T")


class _Head(msgspec.Struct, rename="camel"):
    api_version: str = ""
    kind: str = ""


def kind_of(body: dict[str, Any]) -> type[Ours] | None:
    """Which of our kinds the body says it is; None where it is none of them."""
    found = KINDS.get(kind) if isinstance(kind := body.get("kind"), str) else None
    return found if found is not None and body.get("apiVersion") == found.KIND.api_version else None


def decode(raw: bytes | dict[str, Any]) -> Ours:
    """The object, by its kind. Explicit nulls are absent, fields we do not know are dropped.

    Misconfigured when it is of no kind of ours or does not fit its kind (it names the first field;
    `tidegate.api.validation.problems` names them all).
    """
    try:
        head = msgspec.json.decode(raw, type=_Head) if isinstance(raw, bytes) else convert(raw, _Head)
    except (msgspec.DecodeError, ValueError) as error:
        raise Misconfigured("read an object", answer=str(error)) from error
    kind = KINDS.get(head.kind)
    if kind is None or head.api_version != kind.KIND.api_version:
        raise Misconfigured(
            "read an object",
            answer=f'apiVersion "{head.api_version}", kind "{head.kind}" is none of ours',
            next_step=f"use {kind.KIND.api_version if kind else API_VERSION} and one of {', '.join(KINDS)}",
        )
    return decode_as(kind, raw)


def decode_as(kind: type[T], raw: bytes | dict[str, Any]) -> T:
    """The object as `kind`, whatever its own kind says: items of a list have none.

    Misconfigured when it does not fit.
    """
    try:
        if isinstance(raw, bytes):
            try:
                return msgspec.json.decode(raw, type=kind)
            except msgspec.ValidationError:
                raw = msgspec.json.decode(raw)
        return convert(raw, kind)
    except (msgspec.DecodeError, ValueError) as error:
        raise Misconfigured(f"read {_named(kind, raw)}", answer=str(error)) from error


def _named(kind: type[Any], raw: Any) -> str:
    metadata = raw.get("metadata") if isinstance(raw, dict) else None
    if not isinstance(metadata, dict):
        return kind.__name__
    place = "/".join(str(metadata[key]) for key in ("namespace", "name") if metadata.get(key))
    return f"{kind.__name__} {place}".rstrip()
