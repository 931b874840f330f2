"""Argo's Rollout, as far as scaling it goes: a custom resource with a scale subresource."""

from __future__ import annotations

from typing import Any

from parts.town import Town
from tidegate.kube.resource import CRDS, Resource

Object = dict[str, Any]
ROLLOUTS = Resource("argoproj.io", "v1alpha1", "rollouts", "Rollout", True)
REFERENCE = {"apiVersion": ROLLOUTS.api_version, "kind": ROLLOUTS.kind, "name": "web"}


async def add_rollout(town: Town, *, has_scale: bool = True) -> None:
    """Defines the kind and makes `web`, at 0 replicas."""
    await town.objects.create(CRDS, _definition(has_scale=has_scale))
    await town.create(ROLLOUTS, "web", spec={"replicas": 0})


def _definition(*, has_scale: bool) -> Object:
    scale = {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1alpha1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": schema, "status": schema}}},
        "subresources": {"status": {}, **({"scale": scale} if has_scale else {})},
    }
    names = {"plural": "rollouts", "singular": "rollout", "kind": "Rollout", "listKind": "RolloutList"}
    return {
        "metadata": {"name": "rollouts.argoproj.io"},
        "spec": {"group": "argoproj.io", "scope": "Namespaced", "names": names, "versions": [version]},
    }
