"""OpenAPI v3 structural schemas, generated from the declarations of the wire types.

A field without a default is required; a default that says something (`static`) becomes the
schema's default; what is typed `Any` keeps whatever the user writes.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import inspect

from tidegate.api.wire import Wire

Schema = dict[str, Any]

_API_VERSION = "Version of the schema of this object."
_KIND = "Kind of this object."


def object_schema(kind: type[Wire]) -> Schema:
    """The schema of a whole object of `kind`: apiVersion, kind and metadata, then spec and status."""
    schema = wire_schema(kind)
    properties = {
        "apiVersion": {"description": _API_VERSION, "type": "string"},
        "kind": {"description": _KIND, "type": "string"},
        "metadata": {"type": "object"},
        **{name: item for name, item in schema["properties"].items() if name != "metadata"},
    }
    required = [name for name in schema.get("required", ()) if name != "metadata"]
    return {
        "description": (kind.__doc__ or "").strip(),
        "type": "object",
        "properties": properties,
        **({"required": required} if required else {}),
    }


def wire_schema(type: type[Wire]) -> Schema:
    """The schema of one wire type, everything it refers to written out."""
    info = inspect.type_info(type)
    assert isinstance(info, inspect.StructType)
    return _of_struct(info)


def _of_struct(info: inspect.StructType) -> Schema:
    properties: dict[str, Schema] = {}
    required: list[str] = []
    for field in sorted(info.fields, key=lambda one: one.encode_name):
        properties[field.encode_name] = schema = _of(field.type)
        if field.required:
            required.append(field.encode_name)
        elif isinstance(field.default, str | int) and field.default not in ("", False, 0):
            schema["default"] = field.default
    schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    if issubclass(info.cls, Wire):
        schema |= info.cls.schema_extra
    return schema


def _of(info: inspect.Type) -> Schema:
    if isinstance(info, inspect.Metadata):
        return _of_metadata(info)
    if isinstance(info, inspect.UnionType):
        rest = [one for one in info.types if not isinstance(one, inspect.NoneType)]
        if len(rest) != 1:
            return {}  # int-or-string: the annotation around it says the rest
        return _of(rest[0])
    if isinstance(info, inspect.StructType):
        return _of_struct(info)
    if isinstance(info, inspect.DictType):
        if isinstance(info.value_type, inspect.AnyType):
            return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        return {"type": "object", "additionalProperties": _of(info.value_type)}
    if isinstance(info, inspect.VarTupleType):
        return {"type": "array", "items": _of(info.item_type), **_limits(info, "Items")}
    if isinstance(info, inspect.LiteralType):
        return {"type": "string", "enum": list(info.values)}
    if isinstance(info, inspect.IntType):
        return {"type": "integer", **_limits(info, "")}
    if isinstance(info, inspect.StrType):
        return {"type": "string", **_limits(info, "Length")}
    if isinstance(info, inspect.BoolType):
        return {"type": "boolean"}
    raise TypeError(f"no schema is known for {info}")


def _of_metadata(info: inspect.Metadata) -> Schema:
    extra: Schema = dict(info.extra_json_schema or {})
    description = {"description": extra.pop("description")} if "description" in extra else {}
    return {**description, **_of(info.type), **msgspec.to_builtins(extra)}


def _limits(info: Any, what: str) -> Schema:
    """minimum and maximum of a number, minLength … of a text, minItems … of an array."""
    if not what:
        limits = {"minimum": info.ge, "maximum": info.le}
    else:
        limits = {f"min{what}": info.min_length, f"max{what}": info.max_length}
    return {name: limit for name, limit in limits.items() if limit is not None}
