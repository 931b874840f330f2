"""The objects that a manifest names and cannot do without, each with the field that names it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tidegate.api.kinds import API_VERSION
from tidegate.api.validation.triggers import objects, part, text
from tidegate.cli.manifests.manifest_set import namespace_of
from tidegate.kube.resource import (
    CLAIMS,
    CLUSTER_TRIGGER_AUTHENTICATIONS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    NAMESPACES,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    STATEFUL_SETS,
    TRIGGER_AUTHENTICATIONS,
    Resource,
)
from tidegate.local.nodes.foresight import WAITS
from tidegate.local.unhonoured import pod_spec_of

Object = dict[str, Any]
BUILT_IN_NAMESPACES = ("", "default", "kube-system", "kube-public", "kube-node-lease", "keda")
_NO_PODS = "gets no pods"
_SCALES_NOTHING = "scales nothing"
_NEVER_READ, _NONE_READ = "keeps the trigger from being read", "keeps triggers from being read"
_OPTIONAL = "create it first, add it to the files, or write optional: true where the program can do without"
_CREATE = "create it first, or add it to the files"
_TARGETS = {("apps/v1", one.kind): one for one in (DEPLOYMENTS, STATEFUL_SETS)}


@dataclass(frozen=True, slots=True)
class Need:
    """What `field` names; `namespace` is empty for `default` and for what is in none.

    `told` says what comes of it where the object, or `key` of it, is not there; `instead` is a way out.
    `runs` is True where its object runs without.
    """

    field: str
    resource: Resource
    namespace: str
    name: str
    told: str
    instead: str = _CREATE
    key: str = ""
    runs: bool = False


def needs(key: str, body: Object) -> Iterator[Need]:
    """Those of an object of this kind. What is optional is none."""
    namespace = namespace_of(body)
    if namespace not in BUILT_IN_NAMESPACES:
        way = f"kubectl create namespace {namespace}, or add it to the files"
        yield Need("metadata.namespace", NAMESPACES, "", namespace, "cannot be created", way)
    if body["apiVersion"] == API_VERSION:
        yield from _of_keda(body, namespace)
    found = pod_spec_of(key, body)
    if found is not None:
        yield from (need for need in _of_pods(*found, namespace) if need.name)
    if key == "statefulsets.apps" and (name := text(part(body, "spec"), "serviceName")):
        told = "gives its pods no names of their own"
        yield Need("spec.serviceName", SERVICES, namespace, name, told, runs=True)


def _of_pods(path: str, spec: Object, namespace: str) -> Iterator[Need]:
    for name in ("serviceAccountName", "serviceAccount"):
        if (account := text(spec, name)) and account != "default":
            yield Need(f"{path}.{name}", SERVICE_ACCOUNTS, namespace, account, _NO_PODS)
            break
    for index, volume in enumerate(objects(spec, "volumes")):
        where = f"{path}.volumes[{index}]"
        claim = text(part(volume, "persistentVolumeClaim"), "claimName")
        yield Need(f"{where}.persistentVolumeClaim.claimName", CLAIMS, namespace, claim, WAITS)
        yield from _of_files(where, volume, namespace)
        for number, source in enumerate(objects(part(volume, "projected"), "sources")):
            yield from _of_files(f"{where}.projected.sources[{number}]", source, namespace)
    for name in ("initContainers", "containers"):
        for index, container in enumerate(objects(spec, name)):
            yield from _of_variables(f"{path}.{name}[{index}]", container, namespace)


def _of_files(where: str, source: Object, namespace: str) -> Iterator[Need]:
    """A volume, or a source of a projected one, made of a ConfigMap or of a Secret."""
    for field, resource in (("configMap", CONFIG_MAPS), ("secret", SECRETS)):
        named = part(source, field)
        called = "secretName" if "secretName" in named else "name"
        if not (name := text(named, called)) or named.get("optional") is True:
            continue
        yield Need(f"{where}.{field}.{called}", resource, namespace, name, WAITS, _OPTIONAL)
        for index, item in enumerate(objects(named, "items")):
            if key := text(item, "key"):
                place = f"{where}.{field}.items[{index}].key"
                yield Need(place, resource, namespace, name, WAITS, _OPTIONAL, key)


def _of_variables(where: str, container: Object, namespace: str) -> Iterator[Need]:
    for index, source in enumerate(objects(container, "envFrom")):
        for field, resource in (("configMapRef", CONFIG_MAPS), ("secretRef", SECRETS)):
            named = part(source, field)
            if named.get("optional") is not True:
                place = f"{where}.envFrom[{index}].{field}.name"
                yield Need(place, resource, namespace, text(named, "name"), WAITS, _OPTIONAL)
    for index, variable in enumerate(objects(container, "env")):
        for field, resource in (("configMapKeyRef", CONFIG_MAPS), ("secretKeyRef", SECRETS)):
            named = part(variable, "valueFrom", field)
            if named.get("optional") is True:
                continue
            place, name = f"{where}.env[{index}].valueFrom.{field}", text(named, "name")
            yield Need(f"{place}.name", resource, namespace, name, WAITS, _OPTIONAL)
            if key := text(named, "key"):
                yield Need(f"{place}.key", resource, namespace, name, WAITS, _OPTIONAL, key)


def _of_keda(body: Object, namespace: str) -> Iterator[Need]:
    spec, kind = part(body, "spec"), body["kind"]
    if kind == "ScaledObject":
        target = part(spec, "scaleTargetRef")
        workload = _TARGETS.get(
            (text(target, "apiVersion") or "apps/v1", text(target, "kind") or "Deployment")
        )
        if workload is not None and (name := text(target, "name")):
            yield Need("spec.scaleTargetRef.name", workload, namespace, name, _SCALES_NOTHING)
    if kind == "TriggerAuthentication":
        for field, resource in (("secretTargetRef", SECRETS), ("configMapTargetRef", CONFIG_MAPS)):
            for index, source in enumerate(objects(spec, field)):
                if name := text(source, "name"):
                    place = f"spec.{field}[{index}].name"
                    yield Need(place, resource, namespace, name, _NONE_READ)
    for index, trigger in enumerate(objects(spec, "triggers")):
        named = part(trigger, "authenticationRef")
        if name := text(named, "name"):
            is_cluster = text(named, "kind") == CLUSTER_TRIGGER_AUTHENTICATIONS.kind
            resource = CLUSTER_TRIGGER_AUTHENTICATIONS if is_cluster else TRIGGER_AUTHENTICATIONS
            place = f"spec.triggers[{index}].authenticationRef.name"
            yield Need(place, resource, "" if is_cluster else namespace, name, _NEVER_READ)
