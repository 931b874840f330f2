"""Who owns the claims of a StatefulSet, so that they stay or go with it, or with a Pod too many. Pure.

An owner that is gone takes its claims along. Where both policies say Retain, a claim has no owner of ours.
"""

from __future__ import annotations

from typing import Any

from tidegate.kube.resource import PODS, STATEFUL_SETS, Resource
from tidegate.local.controllers.owner_references import reference, references
from tidegate.local.controllers.workloads.stateful_pods import ordinal_of, ordinals
from tidegate.local.objects import Object

Owners = list[dict[str, Any]]


def policies(found: Object) -> tuple[bool, bool]:
    """Whether claims go with the set, and with a Pod that scaling takes away."""
    policy = found["spec"].get("persistentVolumeClaimRetentionPolicy") or {}
    return policy.get("whenDeleted") == "Delete", policy.get("whenScaled") == "Delete"


def owners(found: Object, pod: Object, claim: Object) -> Owners | None:
    """The owners that the claim of `pod` should have; None to leave it as it is."""
    now = references(claim)
    if any(_is_stale(ref, found, STATEFUL_SETS) or _is_stale(ref, pod, PODS) for ref in now):
        return None
    others = [ref for ref in now if not _is_of(ref, found, STATEFUL_SETS) and not _is_of(ref, pod, PODS)]
    wanted = [*others, *([] if _is_led(others, found) else _wanted(found, pod))]
    return None if _plain(wanted) == _plain(now) else wanted


def is_led_by_another(found: Object, pod: Object, claim: Object) -> bool:
    """Whether the policy is ignored for the claim: it has a controller that is neither set nor Pod."""
    ours = (found["metadata"]["uid"], pod["metadata"]["uid"])
    return _is_led([ref for ref in references(claim) if ref["uid"] not in ours], found)


def is_stale(found: Object, pod_name: str, claim: Object) -> bool:
    """Whether the claim is about to go with a Pod of that name that is gone: no new Pod may have it."""
    return policies(found)[1] and any(
        (ref["kind"], ref["name"]) == (PODS.kind, pod_name) for ref in references(claim)
    )


def _wanted(found: Object, pod: Object) -> Owners:
    with_set, with_pod = policies(found)
    is_surplus = ordinal_of(found, pod) not in ordinals(found)
    if with_pod and is_surplus:
        return [reference(PODS, pod)]
    return [reference(STATEFUL_SETS, found)] if with_set else []


def _is_led(others: Owners, found: Object) -> bool:
    return any(policies(found)) and any(ref.get("controller") for ref in others)


def _is_of(ref: dict[str, Any], owner: Object, resource: Resource) -> bool:
    named = (resource.api_version, resource.kind, owner["metadata"]["name"])
    return (ref["apiVersion"], ref["kind"], ref["name"]) == named


def _is_stale(ref: dict[str, Any], owner: Object, resource: Resource) -> bool:
    return _is_of(ref, owner, resource) and ref["uid"] != owner["metadata"]["uid"]


def _plain(found: Owners) -> list[tuple[str, bool]]:
    return [(ref["uid"], bool(ref.get("controller"))) for ref in found]
