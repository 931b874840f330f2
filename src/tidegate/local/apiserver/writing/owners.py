"""Who owns the fields of an object after a write, as the verbs ask for it: see `ownership`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from tidegate.api.schema import structural
from tidegate.base.problems import join
from tidegate.base.times import format_time
from tidegate.local.apiserver.kinds import Kind
from tidegate.local.apiserver.ownership import tracking
from tidegate.local.apiserver.ownership.entries import FIELDS, Writer
from tidegate.local.apiserver.ownership.merging import difference
from tidegate.local.apiserver.ownership.paths import Path, Paths, Unowned, field_set
from tidegate.local.apiserver.ownership.structures import structure_of
from tidegate.local.apiserver.refusals import bad_request, conflict
from tidegate.local.apiserver.storage.stored_object import Place, decode, encode
from tidegate.local.apiserver.validation import fields
from tidegate.local.apiserver.validation.object_metadata import claim
from tidegate.local.objects import Object

Owners = list[dict[str, Any]]
OURS = "tidegate"
KUBECTL = "kubectl"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
LAST_APPLIED_MAX = 256 * 1024
# What programs write every few seconds and nobody applies.
_NOT_FOLLOWED = ("events", "leases.coordination.k8s.io")


class By(NamedTuple):
    """Who writes ("" for this program), by which subresource, and whether an apply takes what others own."""

    name: str
    subresource: str = ""
    is_forced: bool = False


def sent_owners(body: Any) -> Any:
    """The `managedFields` that a client sends with an object; None when there are none."""
    meta = body.get("metadata") if isinstance(body, dict) else None
    return meta.get(FIELDS) if isinstance(meta, dict) else None


def owned_by(body: Object, owners: Owners) -> Object:
    """The object with these `managedFields`."""
    bare = tracking.bare(body)
    if owners:
        bare["metadata"][FIELDS] = owners
    return bare


def of_new(kind: Kind, body: Object, by: By, now: datetime) -> Owners:
    """Of an object that a client makes. What this program makes is followed from the first apply on."""
    if by.name in ("", OURS) or kind.key in _NOT_FOLLOWED:
        return []
    return tracking.after_update(structure_of(kind), None, body, None, _update(kind, by, now))


def of_changed(kind: Kind, old: Object, new: Object, sent: Any, by: By, now: datetime) -> Owners:
    """Of an object that is written to, but by an apply."""
    if not sent and not old["metadata"].get(FIELDS):
        return []
    return tracking.after_update(structure_of(kind), old, new, sent, _update(kind, by, now))


def applied(
    kind: Kind, place: Place, live: Object | None, wanted: Any, by: By, now: datetime
) -> tuple[Object, Owners]:
    """The object that an apply makes, and its owners.

    400 for a configuration that is none, 409 for fields that others own.
    """
    _check(kind, wanted)
    said = decode(encode(wanted))
    claim(kind, *place, wanted)
    wanted["apiVersion"] = kind.resource.api_version
    _check_identity(kind, live, wanted["metadata"])
    _check_fields(kind, wanted)
    writer = Writer(by.name, "Apply", kind.resource.api_version, by.subresource)
    write = tracking.Write(writer, _ignored(kind, by), format_time(now), by.is_forced)
    node = structure_of(kind)
    try:
        try:
            new, owners = tracking.after_apply(node, live, wanted, write)
        except tracking.Conflicts as error:
            rest = tracking.conflicts_with(error.found, _once_applied(kind, by, live))
            if rest:
                raise tracking.Conflicts(rest).refusal() from error
            new, owners = tracking.after_apply(node, live, wanted, replace(write, is_forced=True))
    except Unowned as error:
        raise _unfit(kind, place, str(error)) from error
    return _noted(new, said, by), owners


def _update(kind: Kind, by: By, now: datetime) -> tracking.Write:
    writer = Writer(by.name or OURS, "Update", kind.resource.api_version, by.subresource)
    return tracking.Write(writer, _ignored(kind, by), format_time(now))


def _ignored(kind: Kind, by: By) -> str:
    """The top field that a write to this endpoint does not reach."""
    if by.subresource == "status":
        return "spec"
    return "status" if kind.has_status else ""


# -- what a configuration must be --------------------------------------------------------------


def _check(kind: Kind, wanted: Any) -> None:
    if not isinstance(wanted, dict):
        raise bad_request("what is applied must be an object")
    said = (wanted.get("apiVersion") or "", wanted.get("kind") or "")
    if said != (kind.resource.api_version, kind.resource.kind):
        raise bad_request(f"invalid object type: {said[0]}, Kind={said[1]}")
    meta = wanted.get("metadata")
    if isinstance(meta, dict) and meta.get(FIELDS):
        raise bad_request("metadata.managedFields must be nil")


def _check_identity(kind: Kind, live: Object | None, meta: dict[str, Any]) -> None:
    if live is None:
        # There is no version yet that it could be of.
        meta.pop("resourceVersion", None)
    uid = meta.get("uid")
    if uid and live is None:
        why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        raise conflict(kind, meta["name"], why)


def _check_fields(kind: Kind, wanted: Object) -> None:
    """As it is read later; what is empty or null is dropped then, and owned all the same."""
    copy = decode(encode(wanted))
    findings = fields.prune(kind, copy)
    unknown = [*findings.unknown]
    if kind.is_custom and kind.schema is not None:
        unknown += structural.prune(kind.schema, copy)
    place = (wanted["metadata"].get("namespace", ""), wanted["metadata"]["name"])
    if unknown:
        told = ", ".join(f".{path}: field not declared in schema" for path in unknown)
        raise _unfit(kind, place, told)
    if findings.problems:
        raise _unfit(kind, place, join(findings.problems))


def _unfit(kind: Kind, place: Place, why: str) -> Exception:
    resource = kind.resource
    what = f"{'/'.join(place)}; {resource.api_version}, Kind={resource.kind}"
    return bad_request(f"failed to create typed patch object ({what}): {why}")


# -- after client-side applies -----------------------------------------------------------------


def _once_applied(kind: Kind, by: By, live: Object | None) -> Paths | frozenset[Path]:
    """What kubectl has applied from its side, and is still so: kubectl's own apply may take it."""
    text = _notes(live).get(LAST_APPLIED) if by.name == KUBECTL else None
    if not text:
        return frozenset()
    node = structure_of(kind)
    try:
        before = msgspec.json.decode(text)
        if not isinstance(before, dict) or not isinstance(before.get("metadata") or {}, dict):
            return frozenset()
        found = difference(node, tracking.bare(live or {}), before)
        return field_set(node, before) - found.added - found.changed - found.removed
    except (msgspec.DecodeError, Unowned):
        return frozenset()


def _noted(new: Object, said: Object, by: By) -> Object:
    """With what was applied in kubectl's annotation, where there is one: client-side applies can go on."""
    if by.name != KUBECTL or LAST_APPLIED not in _notes(new):
        return new
    if LAST_APPLIED in _notes(said):
        del said["metadata"]["annotations"][LAST_APPLIED]
    text = msgspec.json.encode(said, order="sorted").decode() + "\n"
    notes = {**_notes(new), LAST_APPLIED: text if len(text) <= LAST_APPLIED_MAX else ""}
    return {**new, "metadata": {**new["metadata"], "annotations": notes}}


def _notes(found: Object | None) -> dict[str, str]:
    return ((found or {}).get("metadata") or {}).get("annotations") or {}
