"""Validation of what a pod wants to know of itself, in variables and in files. Pure."""

from __future__ import annotations

import re
from typing import Any

from tidegate.base.names import is_label_key
from tidegate.local.apiserver.validation.rules import Problems, forbidden, one_of, required, wrong

IN_FILES = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
IN_VARIABLES = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
    "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
# Fields that have a label at all, whether or not they may be asked for here.
CONVERTIBLE = {*IN_FILES, *IN_VARIABLES, "spec.restartPolicy", "spec.schedulerName", "status.phase"}
RESOURCES = tuple(
    f"{side}.{name}" for side in ("limits", "requests") for name in ("cpu", "ephemeral-storage", "memory")
)
KEYED = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


def reference_problems(path: str, source: dict[str, Any], *, is_file: bool) -> Problems:
    """Of `fieldRef` and `resourceFieldRef` below `path`."""
    if (field := source.get("fieldRef")) is not None:
        where, wanted = f"{path}.fieldRef.fieldPath", field.get("fieldPath")
        keyed = KEYED.fullmatch(wanted or "")
        if not wanted:
            yield required(where)
        elif keyed is None and wanted not in CONVERTIBLE:
            told = f"error converting fieldPath: field label not supported: {wanted}"
            yield wrong(where, wanted, told)
        elif keyed is None:
            yield from one_of(where, wanted, IN_FILES if is_file else IN_VARIABLES)
        elif not is_label_key(keyed[2]):
            yield wrong(where, wanted, f"{keyed[2]} is not the key of a label or annotation")
    if (resource := source.get("resourceFieldRef")) is not None:
        where, wanted = f"{path}.resourceFieldRef", resource.get("resource")
        if not wanted:
            yield required(f"{where}.resource")
        elif not re.fullmatch(r"(limits|requests)\.hugepages-.+", wanted):
            yield from one_of(f"{where}.resource", wanted, RESOURCES)
        if is_file and not resource.get("containerName"):
            yield required(f"{where}.containerName")


def files_problems(path: str, source: dict[str, Any] | None) -> Problems:
    """Of a volume, or part of one, with `items`."""
    for index, item in enumerate((source or {}).get("items") or ()):
        where, name = f"{path}.items[{index}]", item.get("path") or ""
        if not name:
            yield required(f"{where}.path")
        elif name.startswith("/") or ".." in name.split("/"):
            yield wrong(f"{where}.path", name, "must be a relative path without '..'")
        given = item.keys() & {"fieldRef", "resourceFieldRef"}
        if len(given) > 1:
            yield forbidden(where, "fieldRef and resourceFieldRef can not be specified simultaneously")
        elif not given:
            yield required(where, "one of fieldRef and resourceFieldRef is required")
        yield from reference_problems(where, item, is_file=True)
