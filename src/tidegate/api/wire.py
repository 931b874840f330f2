"""The base of the wire types, the number types they share, and the lenient way in.

Field names are Kubernetes' in snake case. A field that a user may leave out is `T | None`; None
means "not written".
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, TypeVar

import msgspec
from msgspec import Meta

T = TypeVar("T")

Int32 = Annotated[int, Meta(extra_json_schema={"format": "int32"})]
Int64 = Annotated[int, Meta(extra_json_schema={"format": "int64"})]
Count = Annotated[int, Meta(ge=0, extra_json_schema={"format": "int32"})]
Positive = Annotated[int, Meta(ge=1, extra_json_schema={"format": "int32"})]
Required = Annotated[str, Meta(min_length=1)]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Quantity = Annotated[
    int | float | str,
    Meta(
        extra_json_schema={
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "pattern": r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
            r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$",
        }
    ),
]


class Wire(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """A JSON object with declared fields. From these declarations the CRDs' schemas are generated.

    `schema_extra` is merged into the generated schema of the object (CEL rules).
    """

    schema_extra: ClassVar[dict[str, Any]] = {}


def convert(value: Any, type: type[T]) -> T:
    """`value` (JSON as dictionaries) as `type`; explicit nulls are absent, `5.0` is 5.

    ValueError (`msgspec.ValidationError`) names the field that does not fit.
    """
    try:
        return msgspec.convert(value, type)
    except msgspec.ValidationError:
        return msgspec.convert(without_nulls(value), type)


def encode(value: Wire) -> dict[str, Any]:
    """The wire shape: a dictionary of its own, without the fields that are not set."""
    return msgspec.json.decode(msgspec.json.encode(value))  # type: ignore[no-any-return]


def without_nulls(value: Any) -> Any:
    """A copy in which no object has a null member and whole floats are integers."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [without_nulls(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
