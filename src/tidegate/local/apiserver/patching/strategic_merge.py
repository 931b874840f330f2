"""Strategic merge patches of the built-in kinds, as kubectl's apply, edit and set send them. Pure.

Maps merge and null deletes, as in a merge patch. A list is replaced, unless the table below gives
the key by which its items are told apart; then items merge one by one. Directives in the patch:

- `$patch: delete | replace | merge` in a map or in an item of a merged list
- `$retainKeys: [...]` in a map: its other keys go
- `$deleteFromPrimitiveList/<field>: [...]`: values that go from a united list
- `$setElementOrder/<field>: [...]`: the order of the items that the patch's author knows

Source: Kubernetes `staging/src/k8s.io/apimachinery/pkg/util/strategicpatch`; the table from the
`x-kubernetes-patch-merge-key` marks of the published OpenAPI documents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tidegate.local.apiserver.validation.fields import show


class BadPatch(ValueError):
    """Something that is no patch of its type."""


# Field name → merge key. Where a name means another list elsewhere, the exceptions below decide.
_MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "volumes": "name",
    "imagePullSecrets": "name",
    "resourceClaims": "name",
    "schedulingGates": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "ownerReferences": "uid",
    "conditions": "type",
    "podIPs": "ip",
    "hostIPs": "ip",
}
_EXCEPTIONS: dict[tuple[str, str], str] = {
    ("services", "ports"): "port",
    ("endpointslices.discovery.k8s.io", "ports"): "",
    ("serviceaccounts", "secrets"): "name",
    ("nodes", "addresses"): "type",
    ("customresourcedefinitions.apiextensions.k8s.io", "conditions"): "",
}
# Lists of plain values that are united: (map they stand in, field).
_UNITED = {("metadata", "finalizers"), ("spec", "podCIDRs")}

# Maps that a patch replaces, whatever stands in them.
_REPLACED = {("poddisruptionbudgets.policy", "selector")}

_PATCH, _RETAIN = "$patch", "$retainKeys"
_DELETE_FROM, _ORDER = "$deleteFromPrimitiveList/", "$setElementOrder/"


def strategic_merge(key: str, document: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """The document with the patch merged in; `key` is the kind's storage key."""
    return _Merge(key).map("", document, patch)


def _is_directive(name: str) -> bool:
    return name in (_PATCH, _RETAIN) or name.startswith((_DELETE_FROM, _ORDER))


class _Merge:
    """One merge into an object of the kind stored under `key`."""

    def __init__(self, key: str) -> None:
        self._key = key

    def merge_key(self, field: str) -> str:
        """The key of a list's items; "" when the list is replaced."""
        exception = _EXCEPTIONS.get((self._key, field))
        return _MERGE_KEYS.get(field, "") if exception is None else exception

    def map(self, name: str, current: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
        """A map (which stands under `name`) with the patch merged in."""
        directive = patch.get(_PATCH)
        if directive == "replace":
            whole: dict[str, Any] = self.plain({f: value for f, value in patch.items() if f != _PATCH})
            return whole
        if directive == "delete":
            return {}
        if directive not in (None, "merge"):
            raise BadPatch(f"unknown $patch: {show(directive)}")
        merged = dict(current)
        if _RETAIN in patch:
            retained = _listed(patch, _RETAIN)
            merged = {field: value for field, value in merged.items() if field in retained}
        for field in patch:
            if field.startswith(_DELETE_FROM):
                _take_out(merged, field.removeprefix(_DELETE_FROM), _listed(patch, field))
        for field, value in patch.items():
            if _is_directive(field):
                continue
            if value is None:
                merged.pop(field, None)
            else:
                merged[field] = self._field(name, field, merged.get(field), value)
        for field in patch:
            if field.startswith(_ORDER):
                known = field.removeprefix(_ORDER)
                self._order(name, known, merged, current.get(known), _listed(patch, field))
        return merged

    def _field(self, name: str, field: str, current: Any, value: Any) -> Any:
        if isinstance(value, dict) and (self._key, field) in _REPLACED:
            return self.plain(value)
        if isinstance(value, dict):
            return self.map(field, current if isinstance(current, dict) else {}, value)
        if not isinstance(value, list) or not isinstance(current, list):
            return self.plain(value)
        if (name, field) in _UNITED:
            united = [*current, *(item for item in value if item not in current)]
            return _ordered(united, current, value, lambda item: item)
        key = self.merge_key(field)
        return self._list(field, key, current, value) if key else self.plain(value)

    def _list(self, field: str, key: str, current: list[Any], patch: list[Any]) -> list[Any]:
        for item in patch:
            if not isinstance(item, dict):
                raise BadPatch(f"items of {field} must be maps, not {show(item)}")
        if any(item.get(_PATCH) == "replace" for item in patch):
            whole: list[Any] = self.plain([item for item in patch if item.keys() != {_PATCH}])
            return whole
        merged = list(current)
        for item in patch:
            if key not in item:
                raise BadPatch(f"an item of {field} lacks its merge key {key}: {show(item)}")
            places = [index for index, old in enumerate(merged) if _value(old, key) == item[key]]
            if item.get(_PATCH) == "delete":
                merged = [old for index, old in enumerate(merged) if index not in places]
            elif places:
                merged[places[0]] = self.map(field, merged[places[0]], item)
            else:
                merged.append(self.plain(item))
        wanted = [item[key] for item in patch if item.get(_PATCH) != "delete"]
        return _ordered(merged, current, wanted, lambda item: _value(item, key))

    def _order(self, name: str, field: str, merged: dict[str, Any], live: Any, order: list[Any]) -> None:
        items = merged.get(field)
        key = self.merge_key(field)
        is_united = (name, field) in _UNITED
        if not isinstance(items, list) or not (key or is_united):
            return
        identify: Callable[[Any], Any] = (
            (lambda item: item) if is_united else (lambda item: _value(item, key))
        )
        wanted = [identify(item) for item in order]
        merged[field] = _ordered(items, live if isinstance(live, list) else [], wanted, identify)

    def plain(self, value: Any) -> Any:
        """What a patch's value is where nothing was before: without directives, nulls and deletions."""
        if isinstance(value, dict):
            if value.get(_PATCH) == "delete":
                return {}
            return {
                field: self.plain(inner)
                for field, inner in value.items()
                if inner is not None and not _is_directive(field)
            }
        if isinstance(value, list):
            return [
                self.plain(item)
                for item in value
                if not (isinstance(item, dict) and item.get(_PATCH) == "delete")
            ]
        return value


def _value(item: Any, key: str) -> Any:
    return item.get(key) if isinstance(item, dict) else None


def _listed(patch: dict[str, Any], field: str) -> list[Any]:
    value = patch[field]
    if not isinstance(value, list):
        raise BadPatch(f"{field} must be a list, not {show(value)}")
    return value


def _take_out(merged: dict[str, Any], field: str, values: list[Any]) -> None:
    if isinstance(merged.get(field), list):
        merged[field] = [item for item in merged[field] if item not in values]


def _ordered(
    items: list[Any], live: list[Any], wanted: list[Any], identify: Callable[[Any], Any]
) -> list[Any]:
    """Items in the wanted order; those it does not name keep their place relative to the live list."""
    before = [identify(item) for item in live]
    named = sorted(
        (item for item in items if identify(item) in wanted), key=lambda item: wanted.index(identify(item))
    )
    others = [item for item in items if identify(item) not in wanted]
    ordered: list[Any] = []
    while named and others:
        left, right = identify(named[0]), identify(others[0])
        is_behind = left in before and right in before and before.index(right) < before.index(left)
        ordered.append((others if is_behind else named).pop(0))
    return ordered + named + others
