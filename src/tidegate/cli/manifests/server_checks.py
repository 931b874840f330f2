"""What the API server refuses of one of our objects, by the server's own checks, without a server."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

from tidegate.api.decode import KINDS, decode, kind_of
from tidegate.api.scaledobject import ScaledObject
from tidegate.api.schema import structural
from tidegate.api.schema.crds import crds
from tidegate.api.schema.value_checks import too_deep
from tidegate.api.validation.problems import problems, schema_of
from tidegate.api.validation.readable_part import ReadablePart, readable_part
from tidegate.base.errors import TidegateError
from tidegate.base.problems import Problem
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.validation import fields
from tidegate.local.apiserver.validation.custom_resources import kinds_of
from tidegate.local.apiserver.validation.object_metadata import metadata_problems
from tidegate.local.apiserver.writing.admission import together
from tidegate.review.scaling_modifiers import formula_problems


def refused(body: dict[str, Any]) -> tuple[list[str], list[Problem]]:
    """(paths of fields that no schema has, everything it is refused for); `body` is not changed.

    Unknown fields alone are refused only by a strict write, as kubectl and `tidegate apply` ask for.
    """
    if (deep := too_deep(body)) is not None:
        return [], [deep]
    body = copy.deepcopy(_created(body))
    unknown, found = _metadata(body)
    found = together(found, problems(body))
    unknown += structural.prune(schema_of(body["kind"]), body)
    if not found:
        object = decode(body)
        found = list(formula_problems(object)) if isinstance(object, ScaledObject) else []
    return unknown, found


def stored(body: dict[str, Any]) -> dict[str, Any]:
    """One of our objects as the server would keep it: without status, without fields that no schema has."""
    kept = copy.deepcopy(_created(body))
    structural.prune(schema_of(body["kind"]), kept)
    return kept


def readable(body: dict[str, Any]) -> tuple[Any, ReadablePart] | None:
    """One of our objects as far as it can be read; None where it is none, or nests too deep."""
    if too_deep(body) is not None or kind_of(body) is None:
        return None
    readable = readable_part(stored(body))
    try:
        return decode(readable.body), readable
    except TidegateError:
        return None


def _created(body: dict[str, Any]) -> dict[str, Any]:
    """The object as a create takes it: a status is the server's own and is not looked at."""
    return {name: value for name, value in body.items() if name != "status"}


def _metadata(body: dict[str, Any]) -> tuple[list[str], list[Problem]]:
    """Its metadata as the server reads it, in place; a generated name stands for what it may become."""
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        return [], []
    kind = _kinds()[body["kind"]]
    findings = fields.prune(kind, body)
    if findings.problems:
        return findings.unknown, findings.problems
    prefix = metadata.get("generateName")
    shown = {**metadata, "name": metadata.get("name") or (f"{prefix}x" if prefix else "")}
    return findings.unknown, list(metadata_problems(kind, shown))


@cache
def _kinds() -> dict[str, Kind]:
    found = [kind for definition in crds() for kind in kinds_of(definition)]
    return {kind.resource.kind: kind for kind in found if kind.resource.kind in KINDS}
