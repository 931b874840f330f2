"""What the files name and do not hold, told beside what a running control plane holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tidegate.api.kinds import API_VERSION
from tidegate.api.validation.triggers import objects, part
from tidegate.base.sentences import counted
from tidegate.base.spelling import hint
from tidegate.cli.manifests.files import Document
from tidegate.cli.manifests.manifest_set import name_of, namespace_of
from tidegate.cli.manifests.needs.addresses import addressed
from tidegate.cli.manifests.needs.need import BUILT_IN_NAMESPACES, Need, needs
from tidegate.cli.manifests.remarks import Level, Remark, subject_of
from tidegate.kube.resource import NAMESPACES, Resource
from tidegate.local.apiserver.kinds import BUILT_IN

Object = dict[str, Any]
Lack = tuple[Document, Need]
Place = tuple[Resource, str, str]
CODE = "Missing"
_KEYS = {(one.resource.api_version, one.resource.kind): one.key for one in BUILT_IN}
_EVERYWHERE = (("ConfigMap", "kube-root-ca.crt"),)


class Lacking:
    """What the objects of the files need and the files do not hold."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._held: dict[tuple[str, str, str], Object] = {}
        self._claims: set[tuple[str, str]] = set()
        for document in documents:
            self._hold(document.body)
        namespaces = {*BUILT_IN_NAMESPACES, *(namespace_of(one.body) for one in documents)} - {""}
        self.lacks: list[Lack] = [
            (document, need)
            for document in documents
            for need in _needs(document.body, namespaces)
            if not self._has(need)
        ]

    def places(self) -> set[Place]:
        """Where a control plane may have what is not in the files."""
        return {place_of(need) for _, need in self.lacks}

    def remarks(self, seen: Mapping[Place, Object | None] | None) -> Iterator[Remark]:
        """What is nowhere; `seen` is what a control plane has at the places, None where none was asked.

        What one object names at several fields is told once, a namespace once for all.
        """
        grouped: dict[tuple[str, Place, str], list[Lack]] = {}
        for document, need in self.lacks:
            if seen is not None and _fits(seen.get(place_of(need)), need):
                continue
            owner = "" if need.resource is NAMESPACES else document.place
            places = grouped.setdefault((owner, place_of(need), need.key), [])
            places.append((document, need))
        told = {(owner, place) for owner, place, key in grouped if not key}
        for (owner, place, key), lacks in grouped.items():
            if not key or (owner, place) not in told:
                yield self._remark(lacks, seen)

    def _remark(self, lacks: Sequence[Lack], seen: Mapping[Place, Object | None] | None) -> Remark:
        document, need = lacks[0]
        text = f"{need.told}: {self._why(need, seen)}"
        if len(lacks) > 1:
            text += f" (also at {counted(len(lacks) - 1, 'other place')})"
        level: Level = "warning" if need.runs else "error"
        spot = document.spot_of(need.field)
        return Remark(level, spot, subject_of(document.body), text, need.field, CODE, need.instead)

    def _why(self, need: Need, seen: Mapping[Place, Object | None] | None) -> str:
        what = f'{need.resource.kind} "{need.name}"'
        if need.namespace:
            what += f' of namespace "{need.namespace}"'
        body = self._at(need) or (seen or {}).get(place_of(need))
        if body is not None:
            has = sorted(_keys_of(body))
            return f'{what} has no key "{need.key}" (it has: {", ".join(has) or "none"}){hint(need.key, has)}'
        names = [
            name for kind, space, name in self._held if (kind, space) == (need.resource.kind, need.namespace)
        ]
        where = "not among the files" if seen is None else "neither among the files nor in `tidegate up`"
        return f"{what} is {where}{hint(need.name, names)}"

    def _hold(self, body: Object) -> None:
        kind, namespace = str(body["kind"]), namespace_of(body)
        place = kind, "" if kind.startswith("Cluster") else namespace, name_of(body)
        self._held.setdefault(place, body)
        if kind == "StatefulSet":
            for one in objects(part(body, "spec"), "volumeClaimTemplates"):
                self._claims.add((namespace, f"{name_of(one)}-{name_of(body)}-"))

    def _has(self, need: Need) -> bool:
        kind = need.resource.kind
        if (kind, need.name) in _EVERYWHERE or (kind == "Service" and need.namespace == "keda"):
            return True
        if (kind, need.namespace, need.name) == ("Service", "", "kubernetes"):
            return True
        if kind == "PersistentVolumeClaim":
            start, _, number = need.name.rpartition("-")
            if number.isdigit() and (need.namespace, f"{start}-") in self._claims:
                return True
        if kind == "TriggerAuthentication" and ("Secret", need.namespace, need.name) in self._held:
            return True  # A trigger may name a Secret itself.
        return _fits(self._at(need), need)

    def _at(self, need: Need) -> Object | None:
        return self._held.get((need.resource.kind, need.namespace, need.name))


def place_of(need: Need) -> Place:
    """As a server knows it."""
    namespace = (need.namespace or "default") if need.resource.is_namespaced else ""
    return need.resource, namespace, need.name


def _needs(body: Object, namespaces: Iterable[str]) -> Iterator[Need]:
    kind = _KEYS.get((str(body["apiVersion"]), str(body["kind"])))
    if kind is None and body["apiVersion"] == API_VERSION:
        kind = f"{str(body['kind']).lower()}s.keda.sh"
    if kind is None:
        return
    yield from needs(kind, body)
    yield from addressed(kind, body, frozenset(namespaces))


def _fits(body: Object | None, need: Need) -> bool:
    return body is not None and (not need.key or need.key in _keys_of(body))


def _keys_of(body: Object) -> set[str]:
    """The keys of a Secret or ConfigMap."""
    return {str(key) for name in ("data", "stringData", "binaryData") for key in part(body, name)}
