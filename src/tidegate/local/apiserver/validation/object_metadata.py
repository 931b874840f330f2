"""What makes an object that object: kind, name, place, and the metadata only the server writes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from uuid import uuid4

import msgspec

from tidegate.base.problems import Problem
from tidegate.base.times import format_time
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.refusals import bad_request, unreadable_patch
from tidegate.local.apiserver.validation import names
from tidegate.local.apiserver.validation.fields import show
from tidegate.local.apiserver.validation.rules import labels, wrong, wrongs
from tidegate.local.objects import ENDED_ATTEMPTS, Object

REQUIRED, FORBIDDEN = "FieldValueRequired", "FieldValueForbidden"
# Digits and consonants that spell no words, as Kubernetes uses in generated names.
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_GENERATED_PREFIX = 58
_OWN_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
_SERVERS_OWN = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")


def claim(kind: Kind, namespace: str, name: str, body: Any, *, is_patch: bool = False) -> dict[str, Any]:
    """The body's metadata, after the body was brought to this kind, namespace and name.

    400 when the body says that it is something else (422 when a patch has made it so). The stored version is
    written into it.
    """
    refusal = unreadable_patch if is_patch else bad_request
    if not isinstance(body, dict):
        raise bad_request(f"the body must be a {kind.resource.kind} object, not {show(body)}")
    resource = kind.resource
    said = body.get("apiVersion") or resource.api_version
    if said != resource.api_version:
        raise refusal(
            f"the API version in the data ({said}) does not match the expected API version "
            f"({resource.api_version})"
        )
    said = body.get("kind") or resource.kind
    if said != resource.kind:
        raise refusal(f"the kind in the data ({said}) does not match the expected kind ({resource.kind})")
    version = kind.storage_version or resource.version
    body["apiVersion"] = f"{resource.group}/{version}" if resource.group else version
    body["kind"] = resource.kind
    meta = body.get("metadata")
    if meta is None:
        meta = body["metadata"] = {}
    if not isinstance(meta, dict):
        raise bad_request(f"metadata must be a map, not {show(meta)}")
    if not isinstance(meta.get("name") or "", str):
        raise bad_request(f"metadata.name must be a text, not {show(meta['name'])}")
    _claim_place(kind, namespace, name, meta)
    return meta


def _claim_place(kind: Kind, namespace: str, name: str, meta: dict[str, Any]) -> None:
    if not kind.resource.is_namespaced:
        meta.pop("namespace", None)
    elif (meta.get("namespace") or namespace) != namespace:
        raise bad_request(
            f"the namespace of the provided object ({meta['namespace']}) does not match "
            f"the namespace sent on the request ({namespace})"
        )
    else:
        meta["namespace"] = namespace
    if name:
        if (meta.get("name") or name) != name:
            raise bad_request(
                f"the name of the object ({meta['name']}) does not match the name on the URL ({name})"
            )
        meta["name"] = name
    for absent in [field for field in ("managedFields", "selfLink", "generateName") if not meta.get(field)]:
        meta.pop(absent, None)
    # Who owns which field is the write's to say (`ownership`).
    meta.pop("managedFields", None)


def generated_name(prefix: str) -> str:
    """`prefix` (cut to 58 characters) and five letters by chance."""
    return prefix[:_GENERATED_PREFIX] + "".join(random.choices(_LETTERS, k=5))


def mint(kind: Kind, meta: dict[str, Any], now: datetime) -> None:
    """Writes what the server gives to a new object; what the body claims of it is dropped."""
    for field in (*_SERVERS_OWN, "resourceVersion"):
        meta.pop(field, None)
    meta["uid"] = str(uuid4())
    meta["creationTimestamp"] = format_time(now)
    if kind.has_generation:
        meta["generation"] = 1
    _keep_note({}, meta)


def keep_identity(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Restores in `new` metadata what only the server writes, from `old` metadata."""
    _keep_note(old, new)
    for field in (*_SERVERS_OWN, "resourceVersion", "generateName"):
        if field in old:
            new[field] = old[field]
        else:
            new.pop(field, None)


def _keep_note(old: dict[str, Any], new: dict[str, Any]) -> None:
    """What the Job controller noted goes with the status: a manifest that was once printed with it
    brings it neither back nor to another Job.
    """
    before = (old.get("annotations") or {}).get(ENDED_ATTEMPTS)
    annotations = new.get("annotations") or {}
    if before == annotations.get(ENDED_ATTEMPTS):
        return
    kept = {key: value for key, value in annotations.items() if key != ENDED_ATTEMPTS}
    new["annotations"] = kept if before is None else {**kept, ENDED_ATTEMPTS: before}


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are the same; unlike Python, 1 and true are not."""
    return bool(one == other) and msgspec.json.encode(one, order="deterministic") == msgspec.json.encode(
        other, order="deterministic"
    )


def changed_outside_status(kind: Kind, old: Object, new: Object) -> bool:
    """Whether anything but metadata (and status, where it has its own endpoint) differs."""
    ignored = ("metadata", "status") if kind.has_status else ("metadata",)
    names = {*old, *new} - set(ignored)
    return any(not same(old.get(name), new.get(name)) for name in names)


def name_problem(kind: Kind, name: str, path: str = "metadata.name") -> Problem | None:
    """What is wrong with an object's name by its kind's rule."""
    if not name:
        return Problem(path, "Required value: name or generateName is required", REQUIRED)
    told = list(_RULES[kind.name_rule](name))
    return Problem(path, f"Invalid value: {show(name)}: {told[0]}") if told else None


def _path_part(name: str) -> Iterator[str]:
    if name in (".", ".."):
        yield f"may not be '{name}'"
    for mark in ("/", "%"):
        if mark in name:
            yield f"may not contain '{mark}'"


_RULES: dict[str, Callable[[str], Iterator[str]]] = {
    "label": names.label,
    "label-1035": names.label_1035,
    "subdomain": names.subdomain,
    "path": _path_part,
}


def metadata_problems(kind: Kind, meta: dict[str, Any]) -> Iterator[Problem]:
    """Everything wrong with well-typed metadata."""
    if prefix := meta.get("generateName"):
        # What a prefix ends with is followed by letters.
        problem = name_problem(kind, f"{prefix.removesuffix('-')}a", "metadata.generateName")
        if problem:
            yield problem
    problem = name_problem(kind, meta.get("name") or "")
    if problem:
        yield problem
    yield from labels("metadata.labels", meta.get("labels"))
    for key in meta.get("annotations") or {}:
        yield from wrongs("metadata.annotations", key, names.qualified(key.lower()))
    yield from _finalizer_problems(kind, meta)
    for owner in meta.get("ownerReferences") or ():
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                why = "version must not be empty" if field == "apiVersion" else "must not be empty"
                yield wrong(f"metadata.ownerReferences.{field}", "", why)
    controllers = sum(owner.get("controller") is True for owner in meta.get("ownerReferences") or ())
    if controllers > 1:
        yield Problem(
            "metadata.ownerReferences", "Invalid value: only one reference can have controller true"
        )


def _finalizer_problems(kind: Kind, meta: dict[str, Any]) -> Iterator[Problem]:
    """Kubernetes' own kinds take no finalizer without a domain but its own; the others are warned."""
    for index, finalizer in enumerate(meta.get("finalizers") or ()):
        yield from wrongs("metadata.finalizers", finalizer, names.qualified(finalizer))
        if _is_free(kind) or "/" in finalizer or finalizer in _OWN_FINALIZERS:
            continue
        yield Problem(
            f"metadata.finalizers[{index}]",
            f"Invalid value: {show(finalizer)}: name is neither a standard finalizer name nor is it fully "
            "qualified",
        )


def finalizer_warnings(kind: Kind, new: dict[str, Any], old: dict[str, Any]) -> Iterator[str]:
    """What is said of finalizers of custom resources that another program might use too."""
    for finalizer in new.get("finalizers") or ():
        is_known = "/" in finalizer or finalizer in _OWN_FINALIZERS
        if not kind.is_custom or is_known or finalizer in (old.get("finalizers") or ()):
            continue
        path = " including a path (/)" if "." in finalizer else ""
        yield (
            f"metadata.finalizers: {show(finalizer)}: prefer a domain-qualified finalizer name{path} to "
            "avoid accidental conflicts with other finalizer writers"
        )


def _is_free(kind: Kind) -> bool:
    return kind.is_custom or kind.key == "customresourcedefinitions.apiextensions.k8s.io"
