"""An edit of the annotation that names channels makes a new plan: a generation knows nothing of it."""

from __future__ import annotations

from typing import Any

from tidegate.api.decode import decode
from tidegate.api.scaledobject import ScaledObject
from tidegate.operator.reconcile.trigger_plan import basis


def plan_basis(annotations: dict[str, str]) -> Any:
    trigger = {"type": "redis", "metadata": {"address": "redis:6379", "listName": "jobs"}}
    manifest = {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "web", "namespace": "shop", "annotations": annotations},
        "spec": {"scaleTargetRef": {"name": "web"}, "triggers": [trigger]},
    }
    object = decode(manifest)
    assert isinstance(object, ScaledObject)
    return basis(object, None)


def test_a_plan_depends_on_the_channels_and_on_no_strangers_annotation() -> None:
    before = plan_basis({"tidegate.dev/listen": "orders"})
    assert plan_basis({"tidegate.dev/listen": "mails"}) != before
    assert plan_basis({}) != before
    assert plan_basis({"tidegate.dev/listen": "orders", "team": "shop"}) == before
