"""What the manifests of one call say about each other: a target's containers, who uses an authentication."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

from tidegate.api.kinds import API_VERSION
from tidegate.api.triggerauthentication import ClusterTriggerAuthentication, TriggerAuthentication
from tidegate.api.triggers import Trigger
from tidegate.api.validation.triggers import objects, part, text
from tidegate.base.problems import Problem
from tidegate.cli.manifests.files import Document
from tidegate.cli.manifests.references import Shown
from tidegate.cli.manifests.server_checks import readable
from tidegate.review.notices.unread_parameters import unread_parameters

Object = dict[str, Any]
Place = tuple[str, str, str, str]
_RESOURCES = ("cpu", "memory")
_DEFAULT = "default"


class ManifestSet:
    """The objects of all files. Those without a namespace are taken to be in one, the same."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._bodies = [one.body for one in documents]
        self._ranges = [
            one for one in self._bodies if (one["apiVersion"], one["kind"]) == ("v1", "LimitRange")
        ]
        self._by_place: dict[Place, Object] = {}
        self._shown: dict[str, Shown] = {}
        self._users: dict[Place, list[Trigger]] = {}
        for body in self._bodies:
            self._by_place.setdefault(
                (body["apiVersion"], body["kind"], namespace_of(body), name_of(body)), body
            )
            for trigger in _triggers(body):
                if (ref := trigger.authentication_ref) is not None:
                    place = _user_place(ref.name, None if ref.is_cluster else namespace_of(body))
                    self._users.setdefault(place, []).append(trigger)

    def template_of(self, body: Object) -> Object | None:
        """The pod template of a ScaledObject's target, with the defaults of LimitRanges; None if not here."""
        target = part(body, "spec", "scaleTargetRef")
        place = (
            text(target, "apiVersion") or "apps/v1",
            text(target, "kind") or "Deployment",
            namespace_of(body),
            text(target, "name"),
        )
        template = part(self._by_place.get(place, {}), "spec", "template")
        return self._defaulted(template, namespace_of(body)) if template else None

    def shown_to(self, body: Object) -> Shown:
        """What the object can refer to among the files; the first of equal ones counts."""
        namespace = namespace_of(body)
        if namespace not in self._shown:
            bodies: dict[tuple[str, str], Object] = {}
            for other in self._bodies:
                kind = str(other["kind"])
                if kind.startswith("Cluster") or namespace_of(other) == namespace:
                    bodies.setdefault((kind, name_of(other)), other)
            self._shown[namespace] = Shown(bodies)
        return self._shown[namespace]

    def unread_parameters(
        self, body: Object, object: TriggerAuthentication | ClusterTriggerAuthentication
    ) -> Iterator[Problem]:
        """The authentication's parameters that no trigger of these files reads."""
        is_cluster = isinstance(object, ClusterTriggerAuthentication)
        place = _user_place(object.metadata.name, None if is_cluster else namespace_of(body))
        return unread_parameters(object, self._users.get(place, []))

    def _defaulted(self, template: Object, namespace: str) -> Object:
        """The template as the server would complete it by the namespace's LimitRanges."""
        limits: Object = {}
        for other in self._ranges:
            if namespace_of(other) == namespace:
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


def _user_place(name: str, namespace: str | None) -> Place:
    """The authentication that a trigger refers to; of the cluster where there is no namespace."""
    kind = "TriggerAuthentication" if namespace is not None else "ClusterTriggerAuthentication"
    return API_VERSION, kind, namespace or "", name


def _triggers(body: Object) -> tuple[Trigger, ...]:
    if body["apiVersion"] != API_VERSION or body["kind"] not in ("ScaledObject", "ScaledJob"):
        return ()
    found = readable(body)
    return found[0].spec.triggers if found is not None else ()


def name_of(body: Object) -> str:
    """Its name, empty where it has none."""
    return text(part(body, "metadata"), "name")


def namespace_of(body: Object) -> str:
    """The namespace that is written, empty where none is. `default` is where those go that have none,
    unless somebody says otherwise."""
    written = text(part(body, "metadata"), "namespace")
    return "" if written == _DEFAULT else written
