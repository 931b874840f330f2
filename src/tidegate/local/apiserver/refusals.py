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


def other_object(kind: Kind, name: str, field: str, wanted: str, found: str) -> ApiError:
    """409 for a delete that means another object, or another version of it."""
    short, why = ("UID", "deleted and then recreated") if field == "uid" else ("ResourceVersion", "modified")
    what = kind.group_kind
    message = (
        f'Operation cannot be fulfilled on {what} "{name}": the {short} in the precondition ({wanted}) does '
        f"not match the {short} in record ({found}). The object might have been {why}"
    )
    return ApiError(409, "Conflict", message, {**_details(kind, name), "kind": kind.resource.kind})


def conflict(kind: Kind, name: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on {storage_key(kind.resource)} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(kind, name))


def invalid(kind: Kind, name: str, problems: Sequence[Problem]) -> ApiError:
    """422 with every problem as a cause."""
    details = {**_details(kind, name), "kind": kind.resource.kind}
    return _invalid(kind.group_kind, name, problems, details)


def version_required(kind: Kind, name: str) -> ApiError:
    problem = Problem("metadata.resourceVersion", "Invalid value: 0: must be specified for an update")
    return _invalid(kind.key, name, [problem], _details(kind, name))


def invalid_options(options: str, problems: Sequence[Problem], group: str = "meta.k8s.io") -> ApiError:
    """422 for parameters of a request that mean nothing: `ListOptions`, `DeleteOptions` …"""
    details = {"kind": options, **({"group": group} if group else {})}
    return _invalid(f"{options}.{group}".rstrip("."), "", problems, details)


def invalid_scale(name: str, problem: Problem) -> ApiError:
    details = {"group": "autoscaling", "kind": "Scale", "name": name}
    return _invalid("Scale.autoscaling", name, [problem], details)


def unreadable_patch(why: str) -> ApiError:
    """422 for a patch that leaves no object of the kind. What it left is not repeated: it may be secret."""
    return _invalid("", "", [Problem("patch", f"Invalid value: {why}")], {})


def _invalid(what: str, name: str, problems: Sequence[Problem], details: dict[str, Any]) -> ApiError:
    details["causes"] = [
        {"reason": problem.reason, "message": problem.message, "field": problem.path} for problem in problems
    ]
    listed = ", ".join(str(problem) for problem in problems)
    if len(problems) > 1:
        listed = f"[{listed}]"
    return ApiError(422, "Invalid", f'{what} "{name}" is invalid: {listed}', details)


def strict(unknown: Sequence[str]) -> str:
    """What is said of fields that no schema has, under fieldValidation=Strict."""
    return "strict decoding error: " + ", ".join(f'unknown field "{path}"' for path in unknown)


def unreadable(kind: Kind, why: str) -> ApiError:
    """400 for a body that no object of the kind can be made of."""
    resource = kind.resource
    return bad_request(
        f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {why}'
    )


def too_large_version(version: int, newest: int) -> ApiError:
    """504 for a resourceVersion that this server has not come to, or that another has given."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    message = f"Timeout: Too large resource version: {version}, current: {newest}"
    return ApiError(504, "Timeout", message, {"causes": [cause], "retryAfterSeconds": 1})


def no_namespace(name: str) -> ApiError:
    details = {"name": name, "kind": "namespaces"}
    return ApiError(404, "NotFound", f'namespaces "{name}" not found', details)


def ending_namespace(kind: Kind, name: str, namespace: str) -> ApiError:
    """403: nothing new comes into a namespace that is on its way out."""
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    return forbidden(kind, name, why, [cause])
