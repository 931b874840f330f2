"""Validation of a pod specification, wherever it stands. Pure; the values are well-typed and defaulted."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tidegate.local.apiserver.validation import names
from tidegate.local.apiserver.validation.pods.actions import action_problems
from tidegate.local.apiserver.validation.pods.downward import reference_problems
from tidegate.local.apiserver.validation.pods.placement import name_problems, placement_problems
from tidegate.local.apiserver.validation.pods.volumes import volume_problems
from tidegate.local.apiserver.validation.rules import (
    PROTOCOLS,
    Problems,
    amount,
    between,
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
    wrongs,
)

RESTART_POLICIES = ("Always", "OnFailure", "Never")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_ENV_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_VARIABLE = "a valid environment variable name must consist only of printable ASCII characters other than '='"
_RESOURCES = ("cpu", "memory", "ephemeral-storage", "storage")


def pod_spec_problems(
    path: str, spec: dict[str, Any], restarts: Collection[str] = RESTART_POLICIES
) -> Problems:
    """Everything wrong with a pod specification; `restarts` are the policies its kind allows."""
    yield from one_of(f"{path}.restartPolicy", spec.get("restartPolicy"), restarts)
    yield from one_of(f"{path}.dnsPolicy", spec.get("dnsPolicy"), _DNS_POLICIES)
    if spec.get("activeDeadlineSeconds") is not None:
        yield from between(f"{path}.activeDeadlineSeconds", spec["activeDeadlineSeconds"], 1)
    yield from placement_problems(path, spec)
    yield from name_problems(path, spec)
    yield from _pod_security(f"{path}.securityContext", spec.get("securityContext") or {})
    volumes = spec.get("volumes") or []
    yield from volume_problems(f"{path}.volumes", volumes)
    known = {volume.get("name") for volume in volumes}
    if not spec.get("containers"):
        yield required(f"{path}.containers")
    if spec.get("ephemeralContainers"):
        yield forbidden(f"{path}.ephemeralContainers", "ephemeral containers not allowed here")
    seen: set[str] = set()
    # As a cluster looks: the containers first, whose names the others may not have.
    for field in ("containers", "initContainers"):
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


def _container(path: str, container: dict[str, Any], volumes: Collection[str | None]) -> Problems:
    image = container.get("image")
    if not image:
        yield required(f"{path}.image")
    elif image != image.strip():
        yield wrong(f"{path}.image", image, "must not have leading or trailing whitespace")
    yield from one_of(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), _PULL_POLICIES)
    yield from _ports(f"{path}.ports", container.get("ports") or [])
    yield from _env(path, container)
    yield from _mounts(f"{path}.volumeMounts", container.get("volumeMounts") or [], volumes)
    yield from _resources(f"{path}.resources", container.get("resources") or {})
    yield from _security(f"{path}.securityContext", container.get("securityContext") or {})


def _ports(path: str, ports: list[dict[str, Any]]) -> Problems:
    seen: set[str] = set()
    for index, entry in enumerate(ports):
        where, name = f"{path}[{index}]", entry.get("name")
        if not entry.get("containerPort"):
            yield required(f"{where}.containerPort")
        else:
            yield from port(f"{where}.containerPort", entry["containerPort"])
        if entry.get("hostPort"):
            yield from port(f"{where}.hostPort", entry["hostPort"])
        yield from one_of(f"{where}.protocol", entry.get("protocol"), PROTOCOLS)
        if name:
            yield from port_or_name(f"{where}.name", name)
            if name in seen:
                yield duplicate(f"{where}.name", name)
            seen.add(name)


def _env(path: str, container: dict[str, Any]) -> Problems:
    for index, variable in enumerate(container.get("env") or ()):
        where, name = f"{path}.env[{index}]", variable.get("name")
        if not name:
            yield required(f"{where}.name")
        elif "=" in name or not name.isprintable():
            yield wrong(f"{where}.name", name, _VARIABLE)
        source = variable.get("valueFrom")
        if source is None:
            continue
        if variable.get("value"):
            yield wrong(f"{where}.valueFrom", "", "may not be specified when `value` is not empty")
        yield from _source(f"{where}.valueFrom", source)
    for index, source in enumerate(container.get("envFrom") or ()):
        where = f"{path}.envFrom[{index}]"
        given = sorted(source.keys() & {"configMapRef", "secretRef"})
        if len(given) != 1:
            yield wrong(where, given, "must specify exactly one of `configMapRef` or `secretRef`")
        for kind in given:
            if not source[kind].get("name"):
                yield required(f"{where}.{kind}.name")


def _source(path: str, source: dict[str, Any]) -> Problems:
    given = [kind for kind in _ENV_SOURCES if kind in source]
    if not given:
        *others, last = (f"`{kind}`" for kind in _ENV_SOURCES)
        yield wrong(path, "", f"must specify one of: {', '.join(others)} or {last}")
    elif len(given) > 1:
        yield wrong(path, "", "may not have more than one field specified at a time")
    for kind in ("configMapKeyRef", "secretKeyRef"):
        if kind in source:
            name, key = source[kind].get("name") or "", source[kind].get("key")
            yield from wrongs(f"{path}.{kind}.name", name, names.subdomain(name))
            if not key:
                yield required(f"{path}.{kind}.key")
            else:
                yield from wrongs(f"{path}.{kind}.key", key, names.content_key(key))
    yield from reference_problems(path, source, is_file=False)


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
        if inner.startswith("/"):
            yield wrong(f"{where}.subPath", inner, "must be a relative path")
        if ".." in inner.split("/"):
            yield wrong(f"{where}.subPath", inner, "must not contain '..'")


def _resources(path: str, resources: dict[str, Any]) -> Problems:
    for field in ("limits", "requests"):
        for name, value in (resources.get(field) or {}).items():
            where = f"{path}.{field}[{name}]"
            yield from quantity(where, value)
            if "/" not in name and name not in _RESOURCES and not name.startswith("hugepages-"):
                yield wrong(where, name, "must be a standard resource type or fully qualified")
                yield wrong(where, name, "must be a standard resource for containers")
    for name, value in (resources.get("requests") or {}).items():
        limit = (resources.get("limits") or {}).get(name)
        asked, most = amount(value), amount(limit) if limit is not None else None
        if asked is not None and most is not None and asked > most:
            yield wrong(
                f"{path}.requests", str(value), f"must be less than or equal to {name} limit of {limit}"
            )


def _pod_security(path: str, security: dict[str, Any]) -> Problems:
    for field in ("fsGroup", "runAsUser", "runAsGroup"):
        yield from between(f"{path}.{field}", security.get(field), 0)
    for index, group in enumerate(security.get("supplementalGroups") or ()):
        yield from between(f"{path}.supplementalGroups[{index}]", group, 0)


def _security(path: str, security: dict[str, Any]) -> Problems:
    for field in ("runAsUser", "runAsGroup"):
        yield from between(f"{path}.{field}", security.get(field), 0)
    if security.get("allowPrivilegeEscalation") is False and security.get("privileged"):
        yield wrong(path, security, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true")
