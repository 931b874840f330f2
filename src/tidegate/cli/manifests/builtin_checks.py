"""What the API server refuses of the built-in objects beside ours, by the checks of the local one.

All kinds that it knows: fields, types, and the rules that it has for them. Others are left to the server.
"""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

from tidegate.base.problems import Problem
from tidegate.base.spelling import hint
from tidegate.kube.resource import ApiError
from tidegate.local.apiserver.defaulting import builtin_kinds as defaults
from tidegate.local.apiserver.kinds import BUILT_IN, Kind
from tidegate.local.apiserver.storage.versions import stored, stored_kind
from tidegate.local.apiserver.validation import builtin_kinds, fields

_NOT_A_TEXT = "is not a text"


def is_checked(body: dict[str, Any]) -> bool:
    """Whether it is of one of the kinds that are looked at."""
    return _kind_of(body) is not None


def other_versions(body: dict[str, Any]) -> list[str]:
    """The versions of its group in which a kind is known that is not known in the one that is written."""
    kind, group = str(body.get("kind")), _group(str(body.get("apiVersion")))
    if is_checked(body):
        return []
    return [version for version, name in _kinds() if name == kind and _group(version) == group]


def builtin_problems(body: dict[str, Any]) -> list[Problem]:
    """Everything that a strict write of the object is refused for; `body` is not changed."""
    kind = _kind_of(body)
    if kind is None:
        return []
    body = copy.deepcopy(body)
    body.pop("status", None)
    findings = fields.prune(kind, body)
    found = [_strange(path, findings) for path in findings.unknown]
    if findings.problems:
        return [*found, *(_advised(problem) for problem in findings.problems)]
    try:
        kind, body = stored_kind(kind), stored(kind, body)
    except ApiError as error:
        return [*found, Problem("metadata.annotations", error.message)]
    metadata = body.setdefault("metadata", {})
    metadata.setdefault("uid", "0")
    prefix = metadata.get("generateName")
    if kind.resource.is_namespaced:
        # Where none is written kubectl gives one: for an Event, that of what it tells of.
        metadata.setdefault("namespace", (body.get("involvedObject") or {}).get("namespace") or "default")
    metadata["name"] = metadata.get("name") or (f"{prefix}x" if prefix else "")
    defaults.apply_defaults(kind, body)
    return [*found, *builtin_kinds.problems(kind, body)]


def _strange(path: str, findings: fields.Findings) -> Problem:
    near = hint(path.rpartition(".")[2], findings.known.get(path, ()))
    return Problem(path, f"unknown field{near}", "FieldValueForbidden")


def _advised(problem: Problem) -> Problem:
    if not problem.message.endswith(_NOT_A_TEXT):
        return problem
    return Problem(problem.path, f"{problem.message}; write it in quotes", problem.reason)


def _group(version: str) -> str:
    return version.rpartition("/")[0]


def _kind_of(body: dict[str, Any]) -> Kind | None:
    return _kinds().get((str(body.get("apiVersion")), str(body.get("kind"))))


@cache
def _kinds() -> dict[tuple[str, str], Kind]:
    return {(one.resource.api_version, one.resource.kind): one for one in BUILT_IN}
