"""URL paths and query strings of the Kubernetes API, read into plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from tidegate.kube.responses import bad_request

NAMESPACE_SUBRESOURCES = ("status", "finalize")


@dataclass(frozen=True, slots=True)
class Path:
    """What a path under `/api/v1` or `/apis/<group>/<version>` names. Empty parts are absent.

    `rest` is what follows the subresource (`proxy/...`), with its slashes.
    """

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""


def parse_path(raw_path: str) -> Path | None:
    """The parts of a resource path (percent-encoded, without query); None when it is none."""
    parts = [unquote(part) for part in raw_path.strip("/").split("/")]
    if any(part in ("", ".", "..") or "/" in part for part in parts):
        return None
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    is_inside_namespace = len(rest) > 2 and rest[0] == "namespaces"
    if is_inside_namespace and not (group == "" and len(rest) == 3 and rest[2] in NAMESPACE_SUBRESOURCES):
        namespace, rest = rest[1], rest[2:]
    padded = [*rest[:3], "", ""]
    return Path(group, version, padded[0], namespace, padded[1], padded[2], "/".join(rest[3:]))


def flag(query: Mapping[str, str], name: str) -> bool:
    """A boolean parameter as the API reads it: only `0` and `false` are false where it is given."""
    return query.get(name, "0").lower() not in ("0", "false")


def number(query: Mapping[str, str], name: str) -> int | None:
    """A whole number; None when absent or empty. 400 on anything else."""
    value = query.get(name, "")
    if not value:
        return None
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise bad_request(f"invalid query parameter {name}: {value!r} is not a whole number")
    return int(value)
