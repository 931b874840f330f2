"""What `apply` changes: last applied, asked for and live, merged into what the object should be.

A field that was applied before and is no longer asked for goes away; a field that somebody else has
set stays. The last applied manifest is kept where kubectl keeps it, so that the two mix.
Source: kubernetes.io, "Declarative management of Kubernetes objects using configuration files".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tidegate.kube import merge
from tidegate.kube.resource import Resource

Object = dict[str, Any]

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

# The server's own fields: exported manifests carry them, and asking for them means nothing.
_SERVERS_OWN = ("creationTimestamp", "generation", "managedFields", "selfLink")
# Asked for, these are preconditions; that they were asked for once means nothing.
_PRECONDITIONS = ("resourceVersion", "uid")

# Lists of built-in kinds whose elements are known by a field. Lists of all other kinds are replaced
# whole, as kubectl does it.
_KEYS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "volumes": ("name",),
    "env": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "ports": ("containerPort", "port"),
    "imagePullSecrets": ("name",),
    "secrets": ("name",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey",),
}
_KEYED_GROUPS = frozenset({"", "apps", "batch", "autoscaling", "policy"})
# Unions: whoever asks for one member means to be rid of the others.
_UNIONS = frozenset({"strategy", "volumes"})


def encoded(body: Object) -> str:
    """The manifest as the annotation keeps it, byte for byte as kubectl would write it."""
    metadata = dict(body["metadata"])
    annotations = dict(metadata.get("annotations") or {})
    annotations.pop(LAST_APPLIED, None)
    kept = {**body, "metadata": {**metadata, "annotations": annotations}}
    text = msgspec.json.encode(kept, order="sorted").decode()
    for raw, escaped in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(raw, escaped)
    return text + "\n"


def annotated(body: Object) -> Object:
    """The manifest with itself in its annotation: what is created."""
    metadata = body["metadata"]
    annotations = {**(metadata.get("annotations") or {}), LAST_APPLIED: encoded(body)}
    return {**body, "metadata": {**metadata, "annotations": annotations}}


def last_applied(live: Object) -> Object | None:
    """The manifest that was applied last; None where nobody applied one, or it is unreadable."""
    text = (live["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    if text is None:
        return None
    try:
        last = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    return last if isinstance(last, dict) else None


def patch_for(resource: Resource, live: Object, body: Object) -> Object:
    """The merge patch that makes `live` what `body` asks for; empty when it is that already."""
    last = last_applied(live)
    asked = _askable(body)
    before = _askable(last or {}, without=_PRECONDITIONS)
    wanted = merged(before, asked, live, has_keys=resource.group in _KEYED_GROUPS)
    if last is None or merge.difference(last, msgspec.json.decode(encoded(body))):
        metadata = wanted["metadata"]
        annotations = {**(metadata.get("annotations") or {}), LAST_APPLIED: encoded(body)}
        wanted["metadata"] = {**metadata, "annotations": annotations}
    return merge.difference(live, wanted)


def merged(last: Object, asked: Object, live: Object, *, has_keys: bool) -> Object:
    """What the object should be. A null in `asked` means that the field should not be there."""
    result = {name: value for name, value in live.items() if name in asked or name not in last}
    for name, value in asked.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            below = merged(_map(last.get(name)), value, _map(live.get(name)), has_keys=has_keys)
            if has_keys and name in _UNIONS and below != live.get(name):
                below = {key: one for key, one in below.items() if key in value}
            result[name] = below
        elif isinstance(value, list) and has_keys and name in _KEYS:
            result[name] = _merged_list(name, _list(last.get(name)), value, _list(live.get(name)))
        else:
            result[name] = value
    return result


def _merged_list(name: str, last: list[Any], asked: list[Any], live: list[Any]) -> list[Any]:
    """`asked` in its order, each element over its live one; others' elements stay beside their neighbours."""
    for key in _KEYS[name]:
        maps = [_by_key(elements, key) for elements in (last, asked, live)]
        if None not in maps:
            break
    else:
        return asked
    old, new, present = (found or {} for found in maps)
    result: dict[Any, Any] = {}
    for at, element in new.items():
        there = present.get(at, {})
        whole = merged(old.get(at, {}), element, there, has_keys=True)
        if name in _UNIONS and whole != there:
            whole = {field: one for field, one in whole.items() if field in element}
        result[at] = whole
    order = list(result)
    before: Any = None
    for at in present:
        if at not in new:
            if at in old:
                continue
            result[at] = present[at]
            order.insert(order.index(before) + 1 if before is not None else 0, at)
        before = at
    return [result[at] for at in order]


def _by_key(elements: list[Any], key: str) -> dict[Any, Object] | None:
    """The elements by that field; None where one lacks it, or two share a value."""
    found: dict[Any, Object] = {}
    for element in elements:
        at = element.get(key) if isinstance(element, dict) else None
        if not isinstance(at, str | int) or at in found:
            return None
        found[at] = element
    return found


def _askable(body: Object, without: tuple[str, ...] = ()) -> Object:
    """The manifest without what cannot be asked for; annotations are there, so that others' stay."""
    metadata = _map(body.get("metadata"))
    kept = {name: value for name, value in metadata.items() if name not in (*_SERVERS_OWN, *without)}
    annotations = {k: v for k, v in _map(metadata.get("annotations")).items() if k != LAST_APPLIED}
    return {**body, "metadata": {**kept, "annotations": annotations}}


def _map(value: Any) -> Object:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
