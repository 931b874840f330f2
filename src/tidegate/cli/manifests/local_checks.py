"""What of manifest files local mode would not honour or could not run on this machine, without a server."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tidegate.base.sentences import counted
from tidegate.cli.manifests.builtin_checks import other_versions
from tidegate.cli.manifests.files import Document
from tidegate.cli.manifests.manifest_set import name_of, namespace_of
from tidegate.cli.manifests.remarks import Remark, is_ours, is_reviewed, subject_of
from tidegate.local.apiserver.control_plane import this_node
from tidegate.local.apiserver.defaulting import builtin_kinds
from tidegate.local.apiserver.honoured.findings import findings
from tidegate.local.apiserver.kinds import BUILT_IN, Kind
from tidegate.local.apiserver.validation import fields
from tidegate.local.apiserver.writing.unhonoured import without_effect
from tidegate.local.controllers.cluster import volume_matching
from tidegate.local.node_choice import is_chosen
from tidegate.local.nodes.foresight import WAITS, Machine, foresee
from tidegate.local.unhonoured import Unhonoured, pod_spec_of

Object = dict[str, Any]
NOT_HONOURED, CANNOT_RUN = "NotHonoured", "CannotRun"
_CLAIMS, _STATEFUL, _DAEMON = "persistentvolumeclaims", "statefulsets.apps", "daemonsets.apps"
_KINDS = {(one.resource.api_version, one.resource.kind): one for one in BUILT_IN}


@dataclass(slots=True)
class _Beside:
    """What the files have that others of them need: volumes and classes for claims, definitions of kinds."""

    volumes: list[Object] = field(default_factory=list)
    classes: dict[str, Object] = field(default_factory=dict)
    defined: set[tuple[str, str]] = field(default_factory=set)


def _node_of(machine: Machine) -> Object:
    node = this_node()
    node["status"]["nodeInfo"]["containerRuntimeVersion"] = machine.runtime
    return node


def local_remarks(documents: Sequence[Document], machine: Machine) -> Iterator[Remark]:
    """What could not run is an error; what is not honoured is a warning."""
    beside = _beside(documents)
    for document in documents:
        for one in _about(document.body, machine, beside):
            told = f"{one.told} (also at {counted(one.more, 'other place')})" if one.more else one.told
            yield Remark(
                "warning" if one.runs else "error",
                document.spot_of(one.field),
                subject_of(document.body),
                told,
                one.field,
                NOT_HONOURED if one.runs else CANNOT_RUN,
                one.instead,
            )


def _about(body: Object, machine: Machine, beside: _Beside) -> Iterator[Unhonoured]:
    kind = _KINDS.get((str(body["apiVersion"]), str(body["kind"])))
    if kind is None:
        if is_ours(body):
            key = f"{str(body['kind']).lower()}s.keda.sh"
            yield from findings(key, body, partial(_node_of, machine))
            yield from foresee(key, body, machine, is_idle=True)
        elif not is_reviewed(body) and (_group(body), str(body["kind"])) not in beside.defined:
            yield _unserved(body)
        return
    if told := without_effect(kind):
        yield Unhonoured("", told)
        return
    complete = _complete(kind, body)
    if complete is None:
        return
    yield from findings(kind.key, complete, partial(_node_of, machine))
    yield from foresee(kind.key, complete, machine, is_idle=True)
    yield from _no_node(kind, complete)
    for path, claim in _claims(kind, complete):
        yield from _no_volume(path, claim, beside)


def _unserved(body: Object) -> Unhonoured:
    if others := other_versions(body):
        told = f"is not served by local mode in this version ({body['apiVersion']})"
        return Unhonoured("apiVersion", told, f"write {' or '.join(others)}", runs=False)
    way = "leave it out here, or apply the CustomResourceDefinition that it comes with"
    return Unhonoured("kind", "is not served by local mode", way, runs=False)


def _complete(kind: Kind, body: Object) -> Object | None:
    """The object with its defaults; None where it cannot be read, which the other remarks say."""
    body = copy.deepcopy(body)
    body.pop("status", None)
    if fields.prune(kind, body).problems:
        return None
    try:
        body.setdefault("metadata", {})
        builtin_kinds.apply_defaults(kind, body)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return body


def _no_node(kind: Kind, body: Object) -> Iterator[Unhonoured]:
    """A DaemonSet goes by labels of the node; others are told by the table."""
    found = pod_spec_of(kind.key, body)
    if kind.key != _DAEMON or found is None or is_chosen(found[1], this_node()):
        return
    name = "nodeSelector" if found[1].get("nodeSelector") else "affinity"
    told = "leaves it without a pod: the one node has other labels"
    yield Unhonoured(f"{found[0]}.{name}", told, "kubectl label node local KEY=VALUE", runs=False)


def _claims(kind: Kind, body: Object) -> Iterator[tuple[str, Object]]:
    """Each claim that the object is or makes, and the path of its spec."""
    home = {"namespace": namespace_of(body) or "default", "uid": ""}
    if kind.key == _CLAIMS:
        yield "spec", {"metadata": {**home, "name": name_of(body)}, "spec": body["spec"]}
    elif kind.key == _STATEFUL:
        for index, one in enumerate(body["spec"].get("volumeClaimTemplates") or ()):
            name = f"{name_of(one)}-{name_of(body)}-0"
            path = f"spec.volumeClaimTemplates[{index}].spec"
            yield path, {"metadata": {**home, "name": name}, "spec": one.get("spec") or {}}


def _no_volume(path: str, claim: Object, beside: _Beside) -> Iterator[Unhonoured]:
    spec = claim["spec"]
    way = "a PersistentVolume of kind hostPath or local that fits"
    if named := spec.get("volumeName"):
        volume = next((one for one in beside.volumes if name_of(one) == named), None)
        why = "it is not among the files" if volume is None else volume_matching.misfit(volume, claim)
        if why:
            yield Unhonoured(f"{path}.volumeName", f"{WAITS}: {why}", way, runs=False)
        return
    kind = beside.classes.get(str(spec.get("storageClassName") or ""))
    found = volume_matching.unprovided(claim, kind)
    if found is not None and volume_matching.best(beside.volumes, claim) is None:
        name = (
            "selector" if spec.get("selector") and spec.get("storageClassName") != "" else "storageClassName"
        )
        yield Unhonoured(f"{path}.{name}", f"{WAITS}: {found[1]}", way, runs=False)


def _beside(documents: Sequence[Document]) -> _Beside:
    beside = _Beside()
    for document in documents:
        body = document.body
        kind = _KINDS.get((str(body["apiVersion"]), str(body["kind"])))
        complete = None if kind is None else _complete(kind, body)
        if kind is None or complete is None:
            continue
        if kind.key == "persistentvolumes":
            beside.volumes.append(complete)
        elif kind.key == "storageclasses.storage.k8s.io":
            beside.classes[name_of(complete)] = complete
        elif kind.key == "customresourcedefinitions.apiextensions.k8s.io":
            spec: Mapping[str, Any] = complete.get("spec") or {}
            names = spec.get("names") or {}
            beside.defined.add((str(spec.get("group", "")), str(names.get("kind", ""))))
    return beside


def _group(body: Object) -> str:
    return str(body["apiVersion"]).rpartition("/")[0]
