"""Which parameters of a list or watch go together, and what they ask of the version of the answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tidegate.base.problems import Problem
from tidegate.local.apiserver.refusals import bad_request, invalid_options, too_large_version
from tidegate.local.apiserver.validation.rules import NOT_SUPPORTED, forbidden

EXACT, NOT_OLDER_THAN = "Exact", "NotOlderThan"
_MATCH = "resourceVersionMatch"


def check_list_options(query: Mapping[str, str], *, is_watch: bool) -> None:
    """422 for parameters that mean nothing together, 400 for a page of two versions."""
    if query.get("continue") and query.get("resourceVersion", "0") not in ("", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")
    problems = list(_watch_problems(query) if is_watch else _list_problems(query))
    if problems:
        raise invalid_options("ListOptions", problems)


def version_asked(query: Mapping[str, str]) -> int | None:
    """The resourceVersion of a read; None where any will do. 400 for what is no version."""
    text = query.get("resourceVersion", "")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise bad_request(f'invalid resource version: resourceVersion: Invalid value: "{text}"')
    return int(text) or None


def check_version(query: Mapping[str, str], newest: int) -> None:
    """504 for a read of a version that is not there yet: the client asks again, or lists anew."""
    version = version_asked(query)
    if version is not None and version > newest:
        raise too_large_version(version, newest)


def _list_problems(query: Mapping[str, str]) -> Iterator[Problem]:
    match, version = query.get(_MATCH, ""), query.get("resourceVersion", "")
    if match:
        if not version:
            yield forbidden(_MATCH, f"{_MATCH} is forbidden unless resourceVersion is provided")
        if query.get("continue"):
            yield forbidden(_MATCH, f"{_MATCH} is forbidden when continue is provided")
        if match not in (EXACT, NOT_OLDER_THAN):
            yield _unsupported(match, f'"{EXACT}", "{NOT_OLDER_THAN}", ""')
        if match == EXACT and version == "0":
            yield forbidden(_MATCH, f'{_MATCH} "exact" is forbidden for resourceVersion "0"')
    if "sendInitialEvents" in query:
        yield forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")


def _watch_problems(query: Mapping[str, str]) -> Iterator[Problem]:
    match = query.get(_MATCH, "")
    if "sendInitialEvents" not in query:
        if match:
            why = f"{_MATCH} is forbidden for watch unless sendInitialEvents is provided"
            yield forbidden(_MATCH, why)
        return
    if match != NOT_OLDER_THAN:
        yield forbidden(_MATCH, f"sendInitialEvents requires setting {_MATCH} to {NOT_OLDER_THAN}")
        if match:
            yield _unsupported(match, f'"{NOT_OLDER_THAN}"')


def _unsupported(match: str, supported: str) -> Problem:
    return Problem(_MATCH, f'Unsupported value: "{match}": supported values: {supported}', NOT_SUPPORTED)
