"""Request bodies in Kubernetes' protobuf, as Go clients send them for built-in kinds.

`protobuf.json` holds the field numbers of the kinds we serve (made by
tests/local/apiserver/http/make_protobuf.py from Kubernetes' published types); fields it does not have
are skipped, as protobuf demands.
Answers are never protobuf: those clients accept JSON too.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import msgspec

from tidegate.kube.responses import bad_request, unsupported_media
from tidegate.local.apiserver.kinds import Kind

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
MAGIC = b"k8s\x00"
DEPTH_MAX = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PACKAGES = {
    "": "core/v1",
    "rbac.authorization.k8s.io": "rbac/v1",
    "coordination.k8s.io": "coordination/v1",
    "discovery.k8s.io": "discovery/v1",
    "networking.k8s.io": "networking/v1",
    "storage.k8s.io": "storage/v1",
    "scheduling.k8s.io": "scheduling/v1",
    "admissionregistration.k8s.io": "admissionregistration/v1",
    "authentication.k8s.io": "authentication/v1",
    "authorization.k8s.io": "authorization/v1",
}


class Field(NamedTuple):
    """A field of a message. `name` "" puts the message's own fields into its parent."""

    name: str
    type: str
    is_left_out_when_zero: bool


def message_of(kind: Kind) -> str:
    """The name of the message that a kind's objects are sent as; "" when there is none."""
    resource = kind.resource
    package = _PACKAGES.get(resource.group, f"{resource.group}/{resource.version}")
    name = f"{package}.{resource.kind}"
    return name if name in _messages() else ""


def decode(raw: bytes, message: str) -> dict[str, Any]:
    """The object in an enveloped body, as JSON has it. 415 without a `message`, 400 for bad bytes."""
    name = {"DeleteOptions": "meta/v1.DeleteOptions", "Scale": "autoscaling/v1.Scale"}.get(message, message)
    if name not in _messages():
        raise unsupported_media(
            "this server does not read protobuf bodies of this kind; send application/json"
        )
    if not raw.startswith(MAGIC):
        raise bad_request("the body of the request is not Kubernetes protobuf: its first bytes are wrong")
    try:
        envelope = {number: value for number, _, value in _fields(raw[len(MAGIC) :])}
        type_meta = {number: value for number, _, value in _fields(envelope.get(1, b""))}
        body = _message(envelope.get(2, b""), name, 0)
        head = {"apiVersion": type_meta.get(1, b"").decode(), "kind": type_meta.get(2, b"").decode()}
    except (ValueError, AttributeError, TypeError, IndexError, struct.error) as error:
        raise bad_request(f"the body of the request is not Kubernetes protobuf: {error}") from error
    return {name: text for name, text in head.items() if text} | body


def _message(raw: bytes, name: str, depth: int) -> dict[str, Any]:
    if depth > DEPTH_MAX:
        raise ValueError(f"messages are nested more than {DEPTH_MAX} deep")
    fields = _messages()[name]
    body: dict[str, Any] = {}
    for number, wire, value in _fields(raw):
        field = fields.get(number)
        if field is None:
            continue
        if field.type.startswith("["):
            inner = field.type[1:-1]
            body.setdefault(field.name, []).extend(_items(inner, wire, value, depth))
        elif field.type.startswith("{"):
            entry = {number: (wire, value) for number, wire, value in _fields(value)}
            key = entry[1][1].decode() if 1 in entry else ""
            wire, value = entry.get(2, (2, b""))
            body.setdefault(field.name, {})[key] = _value(field.type[1:-1], wire, value, depth)
        else:
            decoded = _value(field.type, wire, value, depth)
            if not field.name:
                body |= decoded
            elif decoded is not None and not (field.is_left_out_when_zero and decoded in ("", 0)):
                body[field.name] = decoded
    return body


def _items(type: str, wire: int, value: Any, depth: int) -> Iterator[Any]:
    """The elements of a repeated field; numbers may come packed into one."""
    if type in ("int", "bool") and wire == 2:
        position = 0
        while position < len(value):
            number, position = _varint(value, position)
            yield _value(type, 0, number, depth)
    else:
        yield _value(type, wire, value, depth)


def _value(type: str, wire: int, value: Any, depth: int) -> Any:
    decoder = _PLAIN.get(type)
    if decoder is None:
        return _message(value, type, depth + 1)
    expected = 0 if type in ("int", "bool") else 1 if type == "float" else 2
    if wire != expected:
        raise ValueError(f"a field of type {type} has wire type {wire}")
    return decoder(value)


def _int(value: int) -> int:
    """Negative numbers come as 64-bit two's complement, whatever the field's width."""
    return value - (1 << 64) if value >= 1 << 63 else value


def _float(value: bytes) -> float:
    number: float = struct.unpack("<d", value)[0]
    return number


def _time(value: bytes) -> str | None:
    moment = _moment(value)
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _micro_time(value: bytes) -> str | None:
    moment = _moment(value)
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _moment(value: bytes) -> datetime | None:
    """None for the zero time, which JSON writes as null."""
    fields = {number: _int(field) for number, _, field in _fields(value)}
    if not fields:
        return None
    try:
        return _EPOCH + timedelta(seconds=fields.get(1, 0), microseconds=fields.get(2, 0) // 1000)
    except OverflowError as error:
        raise ValueError(f"a time lies outside the calendar: {error}") from error


def _quantity(value: bytes) -> str:
    return {number: field for number, _, field in _fields(value)}.get(1, b"0").decode() or "0"


def _int_or_string(value: bytes) -> int | str:
    fields = {number: field for number, _, field in _fields(value)}
    if fields.get(1, 0) == 1:
        text: str = fields.get(3, b"").decode()
        return text
    return _int(fields.get(2, 0))


def _raw_json(value: bytes) -> Any:
    raw = {number: field for number, _, field in _fields(value)}.get(1, b"")
    return msgspec.json.decode(raw) if raw else None


def _texts(value: bytes) -> list[str]:
    """A list that is a message of its own, as maps hold them."""
    return [field.decode() for _, _, field in _fields(value)]


_PLAIN: dict[str, Callable[[Any], Any]] = {
    "str": lambda value: value.decode(),
    "int": _int,
    "bool": bool,
    "float": _float,
    "bytes": lambda value: base64.b64encode(value).decode(),
    "time": _time,
    "micro": _micro_time,
    "quantity": _quantity,
    "intorstr": _int_or_string,
    "raw": _raw_json,
    "texts": _texts,
}


def _fields(raw: bytes) -> Iterator[tuple[int, int, Any]]:
    """Number, wire type and raw value of each field. ValueError when the bytes end too early."""
    position, end = 0, len(raw)
    while position < end:
        key, position = _varint(raw, position)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, position = _varint(raw, position)
            yield number, wire, value
            continue
        if wire == 2:
            size, position = _varint(raw, position)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire} is not known")
        if position + size > end:
            raise ValueError("the bytes end inside a field")
        yield number, wire, raw[position : position + size]
        position += size


def _varint(raw: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(raw) or shift > 63:
            raise ValueError("the bytes end inside a number")
        byte = raw[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


@cache
def _messages() -> dict[str, dict[int, Field]]:
    table = msgspec.json.decode(files(__package__).joinpath("protobuf.json").read_bytes())
    return {
        name: {int(number): _field(text) for number, text in fields.items()}
        for name, fields in table["messages"].items()
    }


def _field(text: str) -> Field:
    name, _, type = text.partition(" ")
    return Field(name, type.removesuffix("?"), type.endswith("?"))
