"""The refusals of the API as `ApiError`: codes, reasons and wordings that clients match on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tidegate.base.problems import Problem
from tidegate.kube.resource import ApiError
from tidegate.local.apiserver.kinds import Kind, storage_key


def _details(kind: Kind, name: str) -> dict[str, Any]:
    details: dict[str, Any] = {"kind": kind.resource.plural}
    if name:
        details["name"] = name
    if kind.resource.group:
        details["group"] = kind.resource.group
    return details


def not_found(kind: Kind, name: str) -> ApiError:
    message = f'{storage_key(kind.resource)} "{name}" not found'
    return ApiError(404, "NotFound", message, _details(kind, name))


def already_exists(kind: Kind, name: str) -> ApiError:
    message = f'{storage_key(kind.resource)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, _details(kind, name))


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def forbidden(kind: Kind, name: str, why: str, causes: Sequence[dict[str, str]] = ()) -> ApiError:
    details = _details(kind, name)
    if causes:
        details["causes"] = list(causes)
    message = f'{storage_key(kind.resource)} "{name}" is forbidden: {why}'
    return ApiError(403, "Forbidden", message, details)


def not_allowed(message: str) -> ApiError:
    return ApiError(405, "MethodNotAllowed", message)


def stale(kind: Kind, name: str) -> ApiError:
    """409 for a resourceVersion that is not the newest."""
    return conflict(
        kind,
        name,
        "the object has been modified; please apply your changes to the latest version and try again",
    )


def conflict(kind: Kind, name: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on {storage_key(kind.resource)} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(kind, name))


def invalid(kind: Kind, name: str, problems: Sequence[Problem], uid: str = "") -> ApiError:
    """422 with every problem as a cause."""
    details = _details(kind, name)
    details["kind"] = kind.resource.kind
    if uid:
        details["uid"] = uid
    details["causes"] = [
        {"reason": problem.reason, "message": problem.message, "field": problem.path} for problem in problems
    ]
    listed = ", ".join(str(problem) for problem in problems)
    if len(problems) > 1:
        listed = f"[{listed}]"
    return ApiError(422, "Invalid", f'{kind.group_kind} "{name}" is invalid: {listed}', details)


def strict(unknown: Sequence[str]) -> ApiError:
    """400 for fields that no schema has, under fieldValidation=Strict."""
    listed = ", ".join(f'unknown field "{path}"' for path in unknown)
    return bad_request(f"strict decoding error: {listed}")
