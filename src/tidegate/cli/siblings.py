"""What the manifests of one call say about each other: a target's containers, who uses an authentication."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from tidegate.api.kinds import API_VERSION
from tidegate.api.trigger_rules import objects, part, text
from tidegate.api.triggerauthentication import ClusterTriggerAuthentication, TriggerAuthentication
from tidegate.api.triggers import Trigger
from tidegate.base.problems import Problem
from tidegate.cli.manifests import Document
from tidegate.cli.offline import readable
from tidegate.cli.references import Shown
from tidegate.review.authentication import unread_parameters

Object = dict[str, Any]
_RESOURCES = ("cpu", "memory")


class Siblings:
    """The objects of all files. Those without a namespace are taken to be in one, the same."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._bodies = [one.body for one in documents]

    def template_of(self, body: Object) -> Object | None:
        """The pod template of a ScaledObject's target, with the defaults of LimitRanges; None if not here."""
        target = part(body, "spec", "scaleTargetRef")
        place = (
            text(target, "apiVersion") or "apps/v1",
            text(target, "kind") or "Deployment",
            namespace_of(body),
            text(target, "name"),
        )
        for other in self._bodies:
            if (other["apiVersion"], other["kind"], namespace_of(other), name_of(other)) == place:
                template = part(other, "spec", "template")
                return self._defaulted(template, namespace_of(body)) if template else None
        return None

    def shown_to(self, body: Object) -> Shown:
        """What the object can refer to among the files; the first of equal ones counts."""
        bodies: dict[tuple[str, str], Object] = {}
        for other in self._bodies:
            kind = str(other["kind"])
            if kind.startswith("Cluster") or namespace_of(other) == namespace_of(body):
                bodies.setdefault((kind, name_of(other)), other)
        return Shown(bodies)

    def unread_parameters(
        self, body: Object, object: TriggerAuthentication | ClusterTriggerAuthentication
    ) -> Iterator[Problem]:
        """The authentication's parameters that no trigger of these files reads."""
        is_cluster = isinstance(object, ClusterTriggerAuthentication)
        triggers = [
            trigger
            for other in self._bodies
            if is_cluster or namespace_of(other) == namespace_of(body)
            for trigger in _triggers(other)
            if (ref := trigger.authentication_ref) is not None
            and (ref.is_cluster, ref.name) == (is_cluster, object.metadata.name)
        ]
        return unread_parameters(object, triggers)

    def _defaulted(self, template: Object, namespace: str) -> Object:
        """The template as the server would complete it by the namespace's LimitRanges."""
        limits: Object = {}
        for other in self._bodies:
            if (other["apiVersion"], other["kind"], namespace_of(other)) == ("v1", "LimitRange", namespace):
                for item in objects(part(other, "spec"), "limits"):
                    if item.get("type") == "Container":
                        limits |= {**part(item, "default"), **part(item, "defaultRequest")}
        limits = {name: limits[name] for name in _RESOURCES if name in limits}
        if not limits:
            return template
        template = copy.deepcopy(template)
        for container in objects(part(template, "spec"), "containers"):
            resources = part(container, "resources")
            container["resources"] = {**resources, "requests": {**limits, **part(resources, "requests")}}
        return template


def _triggers(body: Object) -> tuple[Trigger, ...]:
    if body["apiVersion"] != API_VERSION or body["kind"] not in ("ScaledObject", "ScaledJob"):
        return ()
    found = readable(body)
    return found[0].spec.triggers if found is not None else ()


def name_of(body: Object) -> str:
    """Its name, empty where it has none."""
    return text(part(body, "metadata"), "name")


def namespace_of(body: Object) -> str:
    """The namespace that is written, empty where none is."""
    return text(part(body, "metadata"), "namespace")
