"""Which volume fits a claim, by Kubernetes' rules. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from tidegate.base.quantity import parse_quantity
from tidegate.base.selectors import from_label_selector
from tidegate.local.controllers.owner_references import is_deleting
from tidegate.local.objects import VOLUME_DRIVER, Object

NO_PROVISIONER = "kubernetes.io/no-provisioner"


def is_ours(volume: Object) -> bool:
    """Whether it was made here, for one claim."""
    return bool((volume["spec"].get("csi") or {}).get("driver") == VOLUME_DRIVER)


def is_for(volume: Object, claim: Object) -> bool:
    """Whether the volume names this claim, or one of its name that is not told by a uid."""
    ref, metadata = volume["spec"].get("claimRef") or {}, claim["metadata"]
    if (ref.get("namespace"), ref.get("name")) != (metadata["namespace"], metadata["name"]):
        return False
    return not ref.get("uid") or bool(ref["uid"] == metadata["uid"])


def best(volumes: Iterable[Object], claim: Object) -> Object | None:
    """One that was made for the claim, else the smallest that fits; by name where several do."""
    known = [one for one in volumes if not is_deleting(one) and _mode(one) == _mode(claim)]
    meant = [one for one in known if is_for(one, claim) and size(one) >= asked(claim)]
    free = [one for one in known if not one["spec"].get("claimRef") and not misfit(one, claim)]
    if selector := claim["spec"].get("selector"):
        wanted = from_label_selector(selector)
        free = [one for one in free if wanted.matches(one["metadata"].get("labels") or {})]
    return min(meant or free, key=lambda one: (size(one), one["metadata"]["name"]), default=None)


def misfit(volume: Object, claim: Object) -> str:
    """Why it is not one for the claim, "" when it is; its labels are another matter."""
    if is_deleting(volume):
        return "the volume is marked for deletion"
    if size(volume) < asked(claim):
        return "requested PV is too small"
    if class_of(volume) != class_of(claim):
        return "storageClassName does not match"
    if _mode(volume) != _mode(claim):
        return "incompatible volumeMode"
    if not set(claim["spec"].get("accessModes") or ()) <= set(volume["spec"].get("accessModes") or ()):
        return "incompatible accessMode"
    return ""


def class_of(found: Object) -> str:
    return str(found["spec"].get("storageClassName") or "")


def unprovided(claim: Object, kind: Object | None) -> tuple[str, str] | None:
    """Why no folder is made for the claim, whose StorageClass is `kind`: the event's reason and message."""
    if claim["spec"].get("storageClassName") == "":
        return "FailedBinding", "no persistent volumes available for this claim and no storage class is set"
    if claim["spec"].get("selector"):
        return "ProvisioningFailed", "claim.Spec.Selector is not supported for dynamic provisioning"
    if kind is not None and kind.get("provisioner") == NO_PROVISIONER:
        told = (
            f'no volume plugin matched name: {NO_PROVISIONER}; class "{class_of(claim)}" waits for a volume'
        )
        return "ProvisioningFailed", told
    return None


def size(volume: Object) -> Decimal:
    return _amount(volume["spec"].get("capacity"))


def asked(claim: Object) -> Decimal:
    return _amount((claim["spec"].get("resources") or {}).get("requests"))


def _amount(amounts: dict[str, Any] | None) -> Decimal:
    return parse_quantity(str((amounts or {}).get("storage", "0")))


def _mode(found: Object) -> str:
    return str(found["spec"].get("volumeMode") or "Filesystem")
