"""Validation of a pod's volumes. Pure; the values are well-typed and defaulted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tidegate.local.apiserver.validation.pods.downward import files_problems
from tidegate.local.apiserver.validation.rules import (
    Problems,
    amount,
    duplicate,
    forbidden,
    label_name,
    required,
    wrong,
)

# The field of each kind of volume without which it is nothing.
_NEEDED = {
    "persistentVolumeClaim": "claimName",
    "hostPath": "path",
    "secret": "secretName",
    "configMap": "name",
}
TOKEN_LEAST_S, TOKEN_MOST_S = 600, 2**32


def volume_problems(path: str, volumes: list[dict[str, Any]]) -> Problems:
    seen: set[str] = set()
    for index, volume in enumerate(volumes):
        where, name = f"{path}[{index}]", volume.get("name")
        found = [*label_name(f"{where}.name", name), *_content(where, volume)]
        if name and name in seen:
            found.append(duplicate(f"{where}.name", name))
        yield from found
        if not found:
            seen.add(name or "")


def _content(path: str, volume: dict[str, Any]) -> Problems:
    sources = [kind for kind in volume if kind != "name"]
    for kind in sources[1:]:
        yield forbidden(f"{path}.{kind}", "may not specify more than 1 volume type")
    for kind, field in _NEEDED.items():
        source = volume.get(kind)
        if isinstance(source, dict):
            if not source.get(field):
                yield required(f"{path}.{kind}.{field}")
            yield from _items(f"{path}.{kind}.items", source.get("items") or ())
    limit = (volume.get("emptyDir") or {}).get("sizeLimit")
    if limit is not None and (amount(limit) is None or (amount(limit) or 0) < 0):
        yield forbidden(f"{path}.emptyDir.sizeLimit", "SizeLimit field must be a valid resource quantity")
    yield from files_problems(f"{path}.downwardAPI", volume.get("downwardAPI"))
    yield from _projected(f"{path}.projected", volume.get("projected") or {})


def _items(path: str, items: Any) -> Problems:
    for index, item in enumerate(items):
        if not item.get("key"):
            yield required(f"{path}[{index}].key")
        yield from _relative(f"{path}[{index}].path", item.get("path"))


def _relative(path: str, place: str | None) -> Iterator[Any]:
    """A file's place below a volume."""
    if not place:
        yield required(path)
        return
    if place.startswith("/"):
        yield wrong(path, place, "must be a relative path")
    if ".." in place.split("/"):
        yield wrong(path, place, "must not contain '..'")
    elif place.startswith(".."):
        yield wrong(path, place, "must not start with '..'")


def _projected(path: str, projected: dict[str, Any]) -> Problems:
    taken: set[str] = set()
    for index, source in enumerate(projected.get("sources") or ()):
        yield from files_problems(f"{path}.sources[{index}].downwardAPI", source.get("downwardAPI"))
        token = source.get("serviceAccountToken")
        if token is None:
            continue
        where = f"{path}.sources[{index}].serviceAccountToken"
        seconds = token.get("expirationSeconds") or 0
        if seconds < TOKEN_LEAST_S:
            yield wrong(
                f"{where}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"
            )
        elif seconds > TOKEN_MOST_S:
            why = "may not specify a duration larger than 2^32 seconds"
            yield wrong(f"{where}.expirationSeconds", seconds, why)
        place = token.get("path")
        if not place:
            yield required(f"{path}.path")
        else:
            yield from _relative(f"{where}.path", place)
        if place and place in taken:
            yield wrong(
                f"{path}.sources[{index}].serviceAccountToken.path", place, "conflicting duplicate paths"
            )
        taken.add(place or "")
