"""Validation of a pod specification, wherever it stands. Pure; the values are well-typed and defaulted."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tidegate.local.apiserver.validation.downward import files_problems, reference_problems
from tidegate.local.apiserver.validation.pod_actions import action_problems
from tidegate.local.apiserver.validation.rules import (
    Problems,
    amount,
    at_least,
    duplicate,
    forbidden,
    label_name,
    not_found,
    one_of,
    port,
    port_or_name,
    quantity,
    required,
    wrong,
)

RESTART_POLICIES = ("Always", "OnFailure", "Never")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_PROTOCOLS = ("TCP", "UDP", "SCTP")
_ENV_SOURCES = {"fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"}


def pod_spec_problems(
    path: str, spec: dict[str, Any], restarts: Collection[str] = RESTART_POLICIES
) -> Problems:
    """Everything wrong with a pod specification; `restarts` are the policies its kind allows."""
    yield from one_of(f"{path}.restartPolicy", spec.get("restartPolicy"), restarts)
    yield from at_least(f"{path}.terminationGracePeriodSeconds", spec.get("terminationGracePeriodSeconds"), 0)
    yield from at_least(f"{path}.activeDeadlineSeconds", spec.get("activeDeadlineSeconds"), 1)
    volumes = spec.get("volumes") or []
    yield from _volumes(f"{path}.volumes", volumes)
    known = {volume.get("name") for volume in volumes}
    if not spec.get("containers"):
        yield required(f"{path}.containers", "a pod needs at least one container")
    seen: set[str] = set()
    for field in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(field) or ()):
            where = f"{path}.{field}[{index}]"
            name = container.get("name")
            yield from label_name(f"{where}.name", name)
            if name in seen:
                yield duplicate(f"{where}.name", name)
            seen.add(name)
            yield from _container(where, container, known)
            yield from _restarts(where, container, field)
            yield from action_problems(
                where,
                container,
                grace_s=int(spec.get("terminationGracePeriodSeconds") or 0),
                is_init=field == "initContainers" and container.get("restartPolicy") != "Always",
            )


def _restarts(path: str, container: dict[str, Any], field: str) -> Problems:
    """A policy of its own makes a sidecar of an init container; others have the pod's."""
    if field == "initContainers":
        yield from one_of(f"{path}.restartPolicy", container.get("restartPolicy"), ("Always",))
    elif container.get("restartPolicy") is not None:
        yield forbidden(f"{path}.restartPolicy", "may not be set for non-init containers")


def _volumes(path: str, volumes: list[dict[str, Any]]) -> Problems:
    seen: set[str] = set()
    for index, volume in enumerate(volumes):
        where, name = f"{path}[{index}]", volume.get("name")
        yield from label_name(f"{where}.name", name)
        if name and name in seen:
            yield duplicate(f"{where}.name", name)
        seen.add(name or "")
        sources = sorted(volume.keys() - {"name"})
        if len(sources) > 1:
            yield forbidden(where, f"may not specify more than 1 volume type, found {', '.join(sources)}")
        if "persistentVolumeClaim" in volume and not volume["persistentVolumeClaim"].get("claimName"):
            yield required(f"{where}.persistentVolumeClaim.claimName")
        if "hostPath" in volume and not volume["hostPath"].get("path"):
            yield required(f"{where}.hostPath.path")
        if "secret" in volume and not volume["secret"].get("secretName"):
            yield required(f"{where}.secret.secretName")
        if "configMap" in volume and not volume["configMap"].get("name"):
            yield required(f"{where}.configMap.name")
        yield from files_problems(f"{where}.downwardAPI", volume.get("downwardAPI"))
        for number, source in enumerate((volume.get("projected") or {}).get("sources") or ()):
            place = f"{where}.projected.sources[{number}]"
            yield from files_problems(f"{place}.downwardAPI", source.get("downwardAPI"))
            if "serviceAccountToken" in source:
                yield from _token(f"{place}.serviceAccountToken", source["serviceAccountToken"])


def _token(path: str, token: dict[str, Any]) -> Problems:
    if not token.get("path"):
        yield required(f"{path}.path")
    elif token["path"].startswith("/") or ".." in token["path"].split("/"):
        yield wrong(f"{path}.path", token["path"], "must be a relative path without '..'")
    life_s = token.get("expirationSeconds")
    if isinstance(life_s, int) and life_s < 600:
        yield wrong(f"{path}.expirationSeconds", life_s, "may not specify a duration less than 10 minutes")
    if isinstance(life_s, int) and life_s > 2**32:
        yield wrong(
            f"{path}.expirationSeconds", life_s, "may not specify a duration larger than 2^32 seconds"
        )


def _container(path: str, container: dict[str, Any], volumes: Collection[str | None]) -> Problems:
    if not container.get("image"):
        yield required(f"{path}.image")
    yield from one_of(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), _PULL_POLICIES)
    yield from _ports(f"{path}.ports", container.get("ports") or [])
    yield from _env(path, container)
    yield from _mounts(f"{path}.volumeMounts", container.get("volumeMounts") or [], volumes)
    yield from _resources(f"{path}.resources", container.get("resources") or {})


def _ports(path: str, ports: list[dict[str, Any]]) -> Problems:
    names: set[str] = set()
    for index, entry in enumerate(ports):
        where, name = f"{path}[{index}]", entry.get("name")
        if entry.get("containerPort") is None:
            yield required(f"{where}.containerPort")
        else:
            yield from port(f"{where}.containerPort", entry["containerPort"])
        if entry.get("hostPort"):
            yield from port(f"{where}.hostPort", entry["hostPort"])
        yield from one_of(f"{where}.protocol", entry.get("protocol"), _PROTOCOLS)
        if name:
            yield from port_or_name(f"{where}.name", name)
            if name in names:
                yield duplicate(f"{where}.name", name)
            names.add(name)


def _env(path: str, container: dict[str, Any]) -> Problems:
    for index, variable in enumerate(container.get("env") or ()):
        where, name = f"{path}.env[{index}]", variable.get("name")
        if not name:
            yield required(f"{where}.name")
        elif "=" in name or not name.isprintable():
            yield wrong(f"{where}.name", name, "a variable's name may not contain '=' or control characters")
        source = variable.get("valueFrom")
        if source is None:
            continue
        if variable.get("value"):
            yield wrong(f"{where}.valueFrom", "", "may not be specified when `value` is not empty")
        given = sorted(source.keys() & _ENV_SOURCES)
        if len(given) != 1:
            yield wrong(f"{where}.valueFrom", given, "must specify exactly one source")
        for kind in ("configMapKeyRef", "secretKeyRef"):
            for field in ("name", "key"):
                if kind in source and not source[kind].get(field):
                    yield required(f"{where}.valueFrom.{kind}.{field}")
        yield from reference_problems(f"{where}.valueFrom", source, is_file=False)
    for index, source in enumerate(container.get("envFrom") or ()):
        where = f"{path}.envFrom[{index}]"
        given = sorted(source.keys() & {"configMapRef", "secretRef"})
        if len(given) != 1:
            yield wrong(where, given, "must specify exactly one of `configMapRef` or `secretRef`")
        for kind in given:
            if not source[kind].get("name"):
                yield required(f"{where}.{kind}.name")


def _mounts(path: str, mounts: list[dict[str, Any]], volumes: Collection[str | None]) -> Problems:
    seen: set[str] = set()
    for index, mount in enumerate(mounts):
        where, name, target = f"{path}[{index}]", mount.get("name"), mount.get("mountPath")
        if not name:
            yield required(f"{where}.name")
        elif name not in volumes:
            yield not_found(f"{where}.name", name)
        if not target:
            yield required(f"{where}.mountPath")
        elif target in seen:
            yield wrong(f"{where}.mountPath", target, "must be unique")
        seen.add(target or "")
        inner = mount.get("subPath") or ""
        if inner.startswith("/") or ".." in inner.split("/"):
            yield wrong(f"{where}.subPath", inner, "must be a relative path without '..'")


def _resources(path: str, resources: dict[str, Any]) -> Problems:
    for field in ("limits", "requests"):
        for name, value in (resources.get(field) or {}).items():
            yield from quantity(f"{path}.{field}.{name}", value)
    for name, value in (resources.get("requests") or {}).items():
        limit = (resources.get("limits") or {}).get(name)
        asked, most = amount(value), amount(limit) if limit is not None else None
        if asked is not None and most is not None and asked > most:
            yield wrong(
                f"{path}.requests.{name}", value, f"must be less than or equal to {name} limit of {limit}"
            )
